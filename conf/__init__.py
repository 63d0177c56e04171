"""The recipes that ship with orca: the default run, curricula, experiments."""
