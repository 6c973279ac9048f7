"""A page from its address: one GET, redirects followed on the same host and no further, through the scope that every look keeps to."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from upheld.errors import InputError, Mistake, Unobservable
from upheld.probes.base import Session
from upheld.probes.http import Answer, Http, redirect
from upheld.probes.scope import Scope
from upheld.reading.page import Page
from upheld.reading.sources import KINDS, of_bytes, of_html
from upheld.redaction import Redactor
from upheld.target.model import Target

_SECONDS = 20.0
_KINDS = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "application/yaml": "insights",
    "application/x-yaml": "insights",
    "text/yaml": "insights",
}


def of_url(url: str, *, ca: Path | None = None, address: str | None = None, selector: str = "") -> Page:
    """The page at an http or https URL; `ca` is a private authority, `address` where its host is reached, whatever it resolves to.

    Raises InputError where no page can be read there, with the reason.
    """
    parts = urlsplit(url)
    endpoint = {"name": "page", "url": f"{parts.scheme}://{parts.netloc}", "address": address}
    description: dict[str, Any] = {
        "name": "a page",
        "environment": "production",
        "timeout_seconds": _SECONDS,
        "ca": str(ca.resolve()) if ca else None,
        "endpoints": [endpoint],
    }
    with tempfile.TemporaryDirectory(prefix="upheld-page-") as scratch:
        target = Target.model_validate(description)
        session = Session(target, Redactor(), Scope(target, Path(scratch)), Path(scratch), target_folder=Path.cwd())
        try:
            with session.scope.fence.up():
                answer = cast("Http", session.probe(Http)).follow_redirects(url)[-1]
            return of_answer(answer, selector)
        except Unobservable as error:
            raise InputError([Mistake(url, 0, 0, f"the page cannot be read: {error.reason}")]) from None
        finally:
            session.close()


def of_answer(answer: Answer, selector: str = "") -> Page:
    """The page in an answer; raises Unobservable or InputError where there is none in it."""
    if (after := redirect(answer)) is not None:
        raise Unobservable(f"{answer.url} redirects to {after}, which was not followed: name that address")
    if answer.status in {401, 403, 407}:
        raise Unobservable(
            f"{answer.url} asks for a login (it answered {answer.status}): save the page, and name the file"
        )
    if answer.status != 200:
        raise Unobservable(f"{answer.url} answered {answer.status}")
    kind = _KINDS.get(answer.media_type, "")
    if answer.media_type == "text/plain":
        kind = KINDS.get(Path(urlsplit(answer.url).path).suffix.lower(), "text")
    if kind == "html":
        return of_html(answer.text, answer.url, selector)
    if answer.media_type == "application/pdf":
        raise Unobservable(f"{answer.url} is a PDF: save it, and name the file")
    if not kind:
        raise Unobservable(f"{answer.url} is {answer.media_type or 'of no media type'}, no page")
    return of_bytes(answer.text.encode(), answer.url, kind)
