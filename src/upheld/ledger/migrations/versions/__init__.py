"""One module a migration, each of which knows nothing of the code around it."""
