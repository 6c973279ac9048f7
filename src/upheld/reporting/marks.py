"""How statuses are marked in a terminal: by word, by shape and by colour, never by colour alone."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from upheld.model import Status
from upheld.reporting.text import safe

STYLES: dict[Status, str] = {
    Status.REFUTED: "bold red",
    Status.INCONCLUSIVE: "bold magenta",
    Status.LAPSED: "bold yellow",
    Status.UNCOVERED: "dim",
    Status.ATTESTED: "blue",
    Status.UPHELD: "green",
}

_SHAPES: dict[Status, tuple[str, str]] = {
    Status.REFUTED: ("✗", "x"),
    Status.INCONCLUSIVE: ("?", "?"),
    Status.LAPSED: ("◷", "~"),
    Status.UNCOVERED: ("○", "-"),
    Status.ATTESTED: ("◆", "@"),
    Status.UPHELD: ("✓", "+"),
}


def shape(status: Status, console: Console) -> str:
    """The sign of `status`, in ASCII where the console's encoding has no better one."""
    return _SHAPES[status][console.options.ascii_only]


def words(console: Console, text: object, style: str = "", limit: int = 0) -> Text:
    """`text` made safe, as text that rich neither reads as markup nor fails to encode."""
    said = safe(text, limit)
    if console.options.ascii_only:
        said = said.replace("…", "...").encode("ascii", "backslashreplace").decode("ascii")
    return Text(said, style=style)
