"""What works before an audit is run: probes tried out, claims that will be inconclusive, what to add to the target."""
