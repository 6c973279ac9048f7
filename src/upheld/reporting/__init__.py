"""Views of a run: `run.json`, the terminal, the HTML page. None of them judges; each shows what the run holds."""
