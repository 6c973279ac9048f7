"""Many deployments audited together: what a fleet is, what travels to its workers, how it is driven, and what it came to."""
