"""Where commands print what a person reads while they work."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class Output(Console):
    """Standard output; when nobody reads it any more (`upheld run | head`), the work goes on unheard and ends as it should."""

    def __init__(self, *, no_color: bool) -> None:
        super().__init__(no_color=no_color or None, highlight=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Print nothing from now on, here or elsewhere in the process."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
