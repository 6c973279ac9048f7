"""Worked examples on software of others: each is started, audited, and its verdicts are compared with the expected ones."""
