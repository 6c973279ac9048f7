"""What every page that is made here has in common: templates whose every expression is text, and our own files as they are."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from upheld.reporting.text import safe

TEMPLATES = Path(__file__).parent / "templates"
"""The templates of the report, of which other pages take the head and the style."""
LONGEST = 20_000
"""Characters of any one text that a page shows, so that no name or sentence is too much for a browser."""


def environment(*folders: Path) -> Environment:
    """Templates of `folders` and of the report. Expressions become safe text and are escaped; only our own markup stays as it is."""
    return Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else safe(value, LONGEST),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def own(*files: Path) -> str:
    """Our own files, one after the other, to stand in a page as they are; raises ValueError for what a page would not keep so."""
    text = "".join(one.read_text(encoding="utf-8") for one in files)
    if "</" in text or "<!--" in text or "\r" in text:
        raise ValueError(f"{', '.join(one.name for one in files)} holds something that a page would not keep as it is")
    return text


def source_of(text: str) -> str:
    """The source expression of a content security policy that allows exactly `text` (CSP 3 §8.3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
