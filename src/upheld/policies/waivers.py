"""Waivers: accepted deviations, loaded with whether they have expired. They change no verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from upheld.documents import Document, Suggestions, in_order, load, nearest, shorten, validate
from upheld.errors import InputError, Mistake
from upheld.model import Waiver
from upheld.policies.format import WaiverFile

FILE_NAME = "waivers.yaml"


def load_waivers(
    path: Path,
    checks_of: Mapping[str, Collection[str]] | None,
    *,
    today: date,
    suggestions: Suggestions,
    given: Collection[Waiver] = (),
) -> tuple[Waiver, ...]:
    """The waivers of that file; raises InputError with every mistake.

    `checks_of` names the checks of each claim; None when not every claim could be read, so that names cannot be judged.
    `given` are the waivers of other files, none of which this one may repeat.
    """
    document = load(path)
    mistakes = list(_wrong_names(document, checks_of, suggestions, given))
    try:
        model = validate(document, WaiverFile)
    except InputError as error:
        raise InputError(in_order((*error.mistakes, *mistakes))) from None
    if mistakes:
        raise InputError(mistakes)
    return tuple(
        Waiver(
            claim=entry.claim,
            reason=entry.reason,
            approver=entry.approver,
            expires=entry.expires,
            check=entry.check or "",
            subject=entry.subject or "",
            expired=date.fromisoformat(entry.expires) < today,
        )
        for entry in model.waivers
    )


def _wrong_names(
    document: Document,
    checks_of: Mapping[str, Collection[str]] | None,
    suggestions: Suggestions,
    given: Collection[Waiver],
) -> Iterator[Mistake]:
    listed = document.data.get("waivers") if isinstance(document.data, dict) else None
    elsewhere = {(one.claim, one.check, one.subject) for one in given}
    seen: dict[tuple[Any, ...], int] = {}
    for index, entry in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(entry, dict):
            continue
        claim, check, at = entry.get("claim"), entry.get("check"), ("waivers", index)
        if not isinstance(claim, str):
            continue
        identity = (claim, str(check or ""), str(entry.get("subject") or ""))
        first = seen.setdefault(identity, index)
        if first != index:
            line, column = document.place(("waivers", first))
            message = f"a second waiver for the same: the first is at {line}:{column}"
            yield document.mistake(at, message, expected="one waiver for each deviation")
        if identity in elsewhere:
            message = "a second waiver for the same: another file of waivers has it already"
            yield document.mistake(at, message, expected="one waiver for each deviation")
        if checks_of is None:
            continue
        if claim not in checks_of:
            message = f"the waiver is for a claim that is not there: {shorten(claim)}"
            close = suggestions.nearest(claim, checks_of)
            expected = "" if close else "the id of a claim"
            yield document.mistake((*at, "claim"), message, expected=expected, nearest=close)
        elif isinstance(check, str) and check not in checks_of[claim]:
            message = f"the waiver is for a check that {claim} does not use: {shorten(check)}"
            close = nearest(check, checks_of[claim])
            expected = "" if close else "a check of that claim"
            yield document.mistake((*at, "check"), message, expected=expected, nearest=close)
