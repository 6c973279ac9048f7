"""A share of a run: its page, its PDF, and the part that machines read, which both carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upheld.evidence.keys import SigningKey
from upheld.model import Run
from upheld.sharing import document, html, pdf
from upheld.sharing.disclosing import Terms, disclose
from upheld.sharing.view import View, view_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


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


def make_pdf(made: Made, key: SigningKey | None, chain: Sequence[Certificate] = ()) -> bytes:
    """The PDF of a share, signed with its key; `chain` is the key's certificate and those above it, where there is one.

    Raises MissingLibrary where typst or pyHanko is not installed.
    """
    document_ = pdf.render(made.view, made.part)
    return document_ if key is None else pdf.signing().sign(document_, made.view, key, chain)
