"""A policy drafted from a security page: which sentences promise something, which checks decide them, and what the page leaves open."""
