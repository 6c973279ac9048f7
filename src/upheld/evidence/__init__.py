"""Evidence that a stranger can check: a run in one signed file, its tree of leaves, and the judging of it again."""
