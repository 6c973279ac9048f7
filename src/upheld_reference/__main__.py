"""``python -m upheld_reference``: the same as the command ``reference``."""

from upheld_reference.cli import reference

reference(prog_name="reference")
