"""The fitted student answers: generation and the likelihoods of choices."""
