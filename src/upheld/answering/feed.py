"""What changed between two runs, as a customer may know it: Markdown, JSON Feed 1.1 and Atom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upheld.errors import InputError, Mistake
from upheld.model import Run, Status
from upheld.reporting.changes import comparable
from upheld.reporting.headline import MEANINGS, several
from upheld.reporting.text import safe
from upheld.sharing import document
from upheld.sharing.disclosing import Told
from upheld.sharing.view import LONGEST, day, notices

_KINDS = {
    "worse": "What no longer stands as it did",
    "better": "What stands better than it did",
    "reworded": "What is worded otherwise",
    "new": "What is promised anew",
    "gone": "What is no longer promised",
}
"""Kinds of entries, in the order in which they are told, with their headings."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one claim."""

    kind: str
    claim: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed, the worst first, and what a reader must know beside it."""

    policy: str
    run: str
    since: str
    until: str
    finished: str
    entries: tuple[Entry, ...]
    notices: tuple[str, ...]

    @property
    def title(self) -> str:
        """The feed's title."""
        return f"{self.policy}: what changed from {self.since} to {self.until}"

    @property
    def summary(self) -> str:
        """How many changes there are of each kind."""
        counts = [(kind, sum(one.kind == kind for one in self.entries)) for kind in _KINDS]
        said = ", ".join(f"{count} {kind}" for kind, count in counts if count)
        return f"{several(len(self.entries), 'change')}{f': {said}' if said else ''}"


def changed(before: Run, now: Run, told_before: Told, told_now: Told) -> Changed:
    """What changed, of what is told of both runs; raises InputError where they are not of one policy and target."""
    if not comparable(before, now):
        message = "is not an earlier run of the same policy on the same target"
        raise InputError(
            [Mistake("--since", 0, 0, message, before.id, f"another run than {now.id}, of {now.policy!r}")]
        )
    if before.started > now.started:
        raise InputError([Mistake("--since", 0, 0, "is the later of the two runs", before.id, "the earlier one")])
    old, new = _heads(told_before), _heads(told_now)
    entries = [_entry(name, old.get(name), head) for name, head in new.items()]
    said = list(notices(told_now.predicate, signed=True))
    if before.selected or now.selected:
        said.append("One of the two audits was of a selection of claims: what only the other audited is not compared.")
        entries = [one for one in entries if one is not None and one.kind != "new"]
    elif len(new) == len(now.claims):
        entries += [_entry(name, head, None) for name, head in old.items() if name not in new]
    kinds = list(_KINDS)
    listed = sorted((one for one in entries if one is not None), key=lambda one: kinds.index(one.kind))
    return Changed(
        _text(now.policy), now.id, day(before.finished), day(now.finished), now.finished, tuple(listed), tuple(said)
    )


def markdown(made: Changed) -> bytes:
    """The changes as Markdown, in which nothing of a claim is markup."""
    lines = [f"# {_plain(made.title)}", "", f"{_plain(made.summary)}. Run {_plain(made.run)}.", ""]
    lines += [f"> {_plain(one)}\n>" for one in made.notices]
    for kind, heading in _KINDS.items():
        of = [one for one in made.entries if one.kind == kind]
        if of:
            lines += ["", f"## {heading}", "", *(f"- **{_plain(one.title)}** {_plain(one.text)}" for one in of)]
    return ("\n".join(lines).rstrip() + "\n").encode()


def json_feed(made: Changed) -> bytes:
    """The changes as a JSON Feed 1.1."""
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": made.title,
        "description": " ".join((f"{made.summary}.", *made.notices)),
        "items": [
            {
                "id": _id(made, one),
                "title": one.title,
                "content_text": one.text,
                "date_published": made.finished,
                "tags": [one.kind],
            }
            for one in made.entries
        ],
    }
    return (json.dumps(feed, indent=1, ensure_ascii=False) + "\n").encode()


def atom(made: Changed) -> bytes:
    """The changes as Atom (RFC 4287); raises InputError where feedgen is not installed."""
    try:
        from feedgen.feed import FeedGenerator  # noqa: PLC0415  (an extra)
    except ImportError:
        raise InputError(
            [Mistake("--format", 0, 0, "feedgen is not installed", expected="pip install 'upheld[answers]'")]
        ) from None
    when = datetime.fromisoformat(made.finished)
    feed = FeedGenerator()
    feed.id(f"urn:upheld:changes:{made.run}")
    feed.title(made.title)
    feed.subtitle(" ".join((f"{made.summary}.", *made.notices)))
    feed.author(name=made.policy)
    feed.updated(when)
    for one in made.entries:
        entry = feed.add_entry(order="append")
        entry.id(_id(made, one))
        entry.title(one.title)
        entry.content(one.text, type="text")
        entry.category(term=one.kind)
        entry.updated(when)
    return bytes(feed.atom_str(pretty=True))


def _id(made: Changed, one: Entry) -> str:
    return f"urn:upheld:changes:{made.run}:{one.claim}:{one.kind}"


def _heads(told: Told) -> dict[str, Mapping[str, Any]]:
    return {head["claim"]: head for head in document.leaves(told.opened) if head["leaf"] == "claim"}


def _entry(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Entry | None:
    head = new or old
    assert head is not None  # One of the two runs has it.  # noqa: S101
    title = f"“{_text(head['statement'])}”"
    if old is None or new is None:
        status = Status(head["status"])
        what = "is new" if old is None else "is no longer part of what is promised; it was"
        meaning = f" {MEANINGS[status]}" if old is None and status is not Status.UPHELD else ""
        text = f"{what}: {status.value}.{meaning}" if old is None else f"{what} {status.value}."
        return Entry("new" if old is None else "gone", name, title, text)
    was, now = Status(old["status"]), Status(new["status"])
    reworded = old["statement"] != new["statement"]
    words = f" It said before: “{_text(old['statement'])}”." if reworded else ""
    if was is not now:
        kind = "worse" if now.rank > was.rank else "better"
        meaning = "" if now is Status.UPHELD else f" {MEANINGS[now]}"
        return Entry(kind, name, title, f"was {was.value}, and is {now.value}.{meaning}{words}")
    return Entry("reworded", name, title, f"is {now.value}, as before.{words}") if reworded else None


def _text(value: object) -> str:
    return safe(value, LONGEST)


def _plain(text: str) -> str:
    """A text in which no character is Markdown's."""
    return "".join(f"\\{one}" if one in r"\`*_{}[]<>#|~&!" else one for one in text)
