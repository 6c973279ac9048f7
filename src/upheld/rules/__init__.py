"""The project's own rules for source code, in semgrep's format: one file a rule, named like it."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder with the rules; semgrep takes it as its configuration."""
