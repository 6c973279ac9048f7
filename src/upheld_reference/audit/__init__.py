"""The audit log: everything privileged, refused attempts too, in entries that only ever grow and are chained by digests."""
