"""Auditing again and again: when a run is due, what was missed, and telling people and monitors what changed."""
