"""The description of what is audited."""
