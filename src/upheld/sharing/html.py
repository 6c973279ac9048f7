"""The page for a customer: one file that needs nothing else, holds no script, and carries what machines read of it.

The machine-readable part is the address of a link by which a reader can save it. The digest that is signed is that of the page
with an empty address there, so every other byte of the page is signed for.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from upheld import __version__
from upheld.evidence.container import Damaged
from upheld.model import Status
from upheld.reporting.headline import several
from upheld.reporting.templating import TEMPLATES, environment, own, source_of
from upheld.sharing.view import View

_TEMPLATES = Path(__file__).parent / "templates"
_BEFORE, _AFTER = 'href="data:application/json;base64,', '"'
_PLACE = re.compile(re.escape(_BEFORE).encode() + rb'([A-Za-z0-9+/=]*)"')


def render(view: View) -> bytes:
    """The page, with nothing yet where the machine-readable part will be; the same view gives the same page."""
    style = own(TEMPLATES / "style.css", _TEMPLATES / "share.css")
    text = (
        _environment()
        .get_template("share.html")
        .render(
            view=view,
            style=Markup(style),  # noqa: S704  (our own files; `own` refuses what could end the element)
            policy=f"default-src 'none'; style-src {source_of(style)}; img-src data:; base-uri 'none'; form-action 'none'",
            empty=Markup(_BEFORE + _AFTER),  # noqa: S704  (our own)
            version=__version__,
        )
    )
    page = text.encode()
    if len(_PLACE.findall(page)) != 1:
        raise ValueError("the page has another number of places for its machine-readable part than one")
    return page


def digest(page: bytes) -> str:
    """The SHA-256 of the page that `render` gave, in hexadecimal."""
    return hashlib.sha256(page).hexdigest()


def with_part(page: bytes, part: bytes) -> bytes:
    """The page with its machine-readable part."""
    return page.replace((_BEFORE + _AFTER).encode(), _BEFORE.encode() + base64.b64encode(part) + _AFTER.encode(), 1)


def taken_apart(data: bytes) -> tuple[bytes, bytes]:
    """The page without its machine-readable part, and that part; raises Damaged for a page that has not exactly one."""
    found = _PLACE.findall(data)
    if len(found) != 1 or not found[0]:
        raise Damaged("the page has no machine-readable part, or more than one")
    try:
        part = base64.b64decode(found[0], validate=True)
    except ValueError:
        part = b""
    if base64.b64encode(part) != found[0]:
        raise Damaged("the page's machine-readable part is not written as it should be")
    return _PLACE.sub((_BEFORE + _AFTER).encode(), data), part


@cache
def _environment() -> Environment:
    made = environment(_TEMPLATES)
    made.globals.update(Status=Status, several=several)
    return made
