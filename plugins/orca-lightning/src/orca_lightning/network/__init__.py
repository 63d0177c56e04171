"""The network: building and loading it, attention among documents, and the loss on responses alone."""
