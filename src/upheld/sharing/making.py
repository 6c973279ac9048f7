"""A share of a run: its page, and the part that machines read."""

from __future__ import annotations

from dataclasses import dataclass

from upheld.evidence.keys import SigningKey
from upheld.model import Run
from upheld.sharing import document, html
from upheld.sharing.disclosing import Terms, disclose
from upheld.sharing.view import View, view_of


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a run: what is shown, the page that shows it, and the part that machines read."""

    view: View
    page: bytes
    part: bytes


def make(run: Run, terms: Terms, key: SigningKey | None) -> Made:
    """The share of `run` under these terms; the same run, terms and key give the same bytes. Raises InputError for terms that cannot be."""
    told = disclose(run, terms, key)
    view = view_of(told, key.fingerprint if key is not None else "")
    page = html.render(view)
    part = document.seal(told, html.digest(page), key)
    return Made(view, html.with_part(page, part), part)
