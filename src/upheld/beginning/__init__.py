"""A first target and a first policy, written from what can be seen of a deployment by looks that change nothing."""
