"""The merge gate: what a change can break is looked at, the rest is taken over, and only what the change made worse counts."""
