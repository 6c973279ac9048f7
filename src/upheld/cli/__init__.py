"""The `upheld` command."""
