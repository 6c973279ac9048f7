"""The company's own registers, their documents and its signed statements, as files that a stranger can validate."""
