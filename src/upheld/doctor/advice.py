"""What to add to a target: the part that is lacking, with an example that is valid."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from upheld import target

SAMPLE = Path(target.__file__).parent / "sample.yaml"
"""A whole and valid target with every part; the examples are cut from it."""
_PART = re.compile(r"^([a-z_]+):", re.MULTILINE)


def example(part: str) -> str:
    """The lines of a target file that describe that part, by way of example; empty for a part that no example has."""
    return _examples().get(part, "")


@cache
def _examples() -> dict[str, str]:
    text = SAMPLE.read_text(encoding="utf-8")
    begins = [(found[1], found.start()) for found in _PART.finditer(text)]
    ends = [start for _, start in begins[1:]] + [len(text)]
    return {name: text[start:end].rstrip() for (name, start), end in zip(begins, ends, strict=True)}
