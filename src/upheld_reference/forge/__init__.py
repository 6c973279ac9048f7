"""A stand-in for the forge that keeps the platform's repository: it answers GitHub's REST API, for reading only."""
