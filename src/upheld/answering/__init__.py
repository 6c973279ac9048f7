"""What customers ask, answered from verdicts: questionnaires, and what changed since they last looked."""
