"""What a customer gets of a run: a page and a PDF that tell what the policy publishes, count all else, and can be checked."""
