"""The PDF for a customer: the same view as the page, set by typst as PDF/A-3a and PDF/UA-1, with the machine-readable part attached.

The same view, part and key give the same bytes: dates are those of the share, and the fonts are typst's own. Only text that these
cannot show is set with fonts of this machine, or else spelled out.
"""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from upheld.errors import UpheldError
from upheld.sharing.view import View

STANDARDS = ("a-3a", "ua-1")
ATTACHED = "upheld-share.json"
"""The name under which the machine-readable part is attached."""
_TEMPLATES = Path(__file__).parent / "templates"
# What typst's own fonts have for certain: Latin, Greek, Cyrillic, Hebrew, punctuation, currencies.
_OTHER = re.compile(
    "[^\x20-\u024f\u0370-\u0377\u037a-\u037f\u0384-\u038a\u038c\u038e-\u03a1\u03a3-\u04ff\u05d0-\u05ea"
    "\u1e00-\u1eff\u2010-\u2027\u2030-\u203a\u20a0-\u20bf]"
)


class MissingLibrary(UpheldError):
    """A library that PDFs need is not installed."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(
            f"{error.name} is not installed; pip install 'upheld[pdf]' brings it (a page needs neither: --out FILE.html)"
        )


class CannotBeSet(UpheldError):
    """typst could not set the document; the message says why."""


def signing() -> ModuleType:
    """The module that signs PDFs and verifies them; raises MissingLibrary without pyHanko."""
    try:
        from upheld.sharing import signing as found  # noqa: PLC0415
    except ImportError as error:
        raise MissingLibrary(error) from error
    return found


def render(view: View, part: bytes) -> bytes:
    """The PDF of `view` with its machine-readable part, not signed yet; raises MissingLibrary without typst."""
    try:
        import typst  # noqa: PLC0415
    except ImportError as error:
        raise MissingLibrary(error) from error
    words = _plain(view)
    # The second time with whatever fonts are here, the third time without the characters that none of them has.
    attempts = ((words, True), (words, False), (_spelled(words), True))
    said = ""
    for value, own_fonts in attempts:
        try:
            return _set(typst, view, value, part, own_fonts=own_fonts)
        except typst.TypstError as error:
            said = error.message
            if "could not be displayed" not in said:
                break
    raise CannotBeSet(f"the PDF cannot be set: {said}")


def _set(typst: Any, view: View, words: Any, part: bytes, *, own_fonts: bool) -> bytes:
    compiler = typst.Compiler(
        (_TEMPLATES / "share.typ").read_bytes(),
        root=_TEMPLATES,
        ignore_system_fonts=own_fonts,
        sys_inputs={"view": json.dumps(words), "part": part.decode("utf-8")},
    )
    made = datetime.fromisoformat(view.shared).replace(tzinfo=UTC)
    found: bytes = compiler.compile(format="pdf", pdf_standards=list(STANDARDS), timestamp=made)
    return found


def _plain(view: View) -> Any:
    """The view as plain data, and what only the template needs."""
    value = dataclasses.asdict(view)
    return {**value, "watermark": view.watermark, "told": view.told}


def _spelled(value: Any) -> Any:
    """Plain data in which every character that typst's fonts may lack is spelled out."""
    if isinstance(value, str):
        return _OTHER.sub(lambda found: ascii(found.group())[1:-1], value)
    if isinstance(value, dict):
        return {name: _spelled(one) for name, one in value.items()}
    return [_spelled(one) for one in value] if isinstance(value, list | tuple) else value
