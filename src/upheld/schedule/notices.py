"""Telling people: a notice in the ledger first, then a delivery to each destination, and what was not delivered again next time.

    upheld: notify/1
    ahead_days: 30
    destinations:
      - {name: security, url: "env:SECURITY_CHANNEL"}
      - {name: legal, url: "file:/run/secrets/legal-mail", tell: [lapsing], owners: [legal]}

A destination is a URL of Apprise (https://github.com/caronc/apprise/wiki), which holds a secret and so stands elsewhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from upheld import documents
from upheld.errors import InputError, Mistake, Unobservable
from upheld.ledger.times import moment, spoken
from upheld.model import Severity
from upheld.reporting.headline import several
from upheld.reporting.text import safe
from upheld.schedule.events import NOTICE, Event, What, events, read
from upheld.target.parts import Name, Part, SecretRef
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.ledger import Ledger, Row

DELIVERY = "delivery"
_MOST_TOLD = 20
INSTALL = "apprise is not installed: pip install 'upheld[notify]'"


class Destination(Part):
    """Somebody who is told. `tell` says of what; `severities` and `owners` of whose claims, of all where they are left out."""

    name: Name
    url: SecretRef
    tell: tuple[What, ...] = (What.REFUTED, What.RECOVERED, What.LAPSING)
    severities: tuple[Severity, ...] = tuple(Severity)
    owners: tuple[str, ...] = ()

    def wants(self, event: Event) -> bool:
        """Whether it is to be told of that."""
        return (
            event.what in self.tell
            and event.severity in self.severities
            and (not self.owners or event.owner in self.owners)
        )


class Config(Part):
    """Whom to tell of what, and how many days before something lapses."""

    upheld: Literal["notify/1"]
    ahead_days: Annotated[int, Field(ge=0, le=3650)] = 30
    destinations: Annotated[tuple[Destination, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling: how many events are new, and how many messages were delivered and were not."""

    events: int
    delivered: int
    failed: int


def load(path: Path) -> Config:
    """Whom to tell; raises InputError with every mistake, and for a name that two destinations share."""
    document = documents.load(path)
    config = documents.validate(document, Config)
    names = [one.name for one in config.destinations]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError([Mistake(str(path), 0, 0, f"two destinations have the name {twice[0]!r}")])
    return config


def tell(
    ledger: Ledger, rows: Sequence[Row], config: Config, base: Path, now: datetime, say: Callable[[str], None]
) -> Told:
    """Note what is new in a series, and deliver what was not delivered yet; a delivery that fails is noted and said, never raised.

    `base` is the folder to which references to files are relative. Raises LedgerFault where the ledger cannot be written.
    """
    new = events(ledger, rows, now, timedelta(days=config.ahead_days))
    if new:
        told = {
            one.name: [event.id for event in new if one.wants(event)]
            for one in config.destinations
            if any(map(one.wants, new))
        }
        body = {"target": rows[-1].name, "events": [asdict(one) for one in new], "destinations": told}
        ledger.note(NOTICE, body, series=rows[-1].series)
    delivered = 0
    failing: dict[str, int] = {}
    waiting = list(pending(ledger, now))
    for notice, name, title, text in waiting:
        destination = next((one for one in config.destinations if one.name == name), None)
        if destination is None or name in failing:  # What is behind one that fails waits with it.
            failing[name] = failing.get(name, 0) + 1
            continue
        reason = _delivered(destination.url, base, title, text)
        ledger.note(DELIVERY, {"notice": notice, "destination": name, "delivered": not reason, "reason": reason})
        if reason:
            failing[name] = 1
            say(f"{name} was not told of entry {notice}: {reason}; it is tried again next time")
        else:
            delivered += 1
    failed = sum(failing.values())
    for name in failing.keys() - {one.name for one in config.destinations}:
        say(f"no destination has the name {name} any more: {several(failing[name], 'message')} wait for it")
    return Told(len(new), delivered, failed)


def pending(ledger: Ledger, now: datetime) -> Iterator[tuple[int, str, str, str]]:
    """What was not delivered yet, the oldest first: the notice's entry, the destination's name, title and text."""
    done: set[tuple[int, str]] = set()
    for _, body in ledger.notes(DELIVERY):
        said = json.loads(body)
        if said["delivered"]:
            done.add((said["notice"], said["destination"]))
    for entry, body in ledger.notes(NOTICE):
        said = json.loads(body)
        known = {one["id"]: read(one) for one in said["events"]}
        for name, ids in said["destinations"].items():
            if (entry.seq, name) not in done:
                yield entry.seq, name, *message(said["target"], [known[one] for one in ids], now)


def message(target: str, told: Sequence[Event], now: datetime) -> tuple[str, str]:
    """Title and text of events: what a stranger may read, for it goes through the hands of others."""
    counts = [(what, sum(one.what is what for one in told)) for what in What]
    words = {
        What.REFUTED: "newly refuted",
        What.RECOVERED: "recovered",
        What.LAPSING: "about to lapse",
        What.UNSEEN: "no longer observed",
    }
    title = f"{target}: " + ", ".join(
        f"{several(count, 'claim') if what is not What.LAPSING else count} {words[what]}"
        for what, count in counts
        if count
    )
    lines = [_line(one, now) for one in told[:_MOST_TOLD]]
    if len(told) > _MOST_TOLD:
        lines.append(f"and {len(told) - _MOST_TOLD} more")
    return safe(title), "\n".join(safe(line) for line in lines)


def _line(one: Event, now: datetime) -> str:
    claim = f"{one.claim} ({one.severity}), “{one.statement}”"
    if one.what is What.LAPSING:
        left = (moment(one.at) - now).days
        when = (
            f"lapses on {one.at[:10]}, in {several(left, 'day')}"
            if moment(one.at) > now
            else f"lapsed on {one.at[:10]}"
        )
        article = "an" if one.thing[:1] in "aeiou" else "a"
        return f"{article} {one.thing} that {claim} rests on {when}"
    since = {What.REFUTED: "refuted since", What.RECOVERED: "holds again since", What.UNSEEN: "not observed since"}[
        one.what
    ]
    return f"{claim}: {since} {spoken(one.at)} UTC"


def _delivered(url: str, base: Path, title: str, text: str) -> str:
    """Send one message; empty where it was accepted, else why not, in words that hold nothing of the URL."""
    try:
        address = resolve(url, base)
    except Unobservable as error:
        return error.reason
    try:
        import apprise  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError:
        return INSTALL
    with _quiet():
        try:
            sender = apprise.Apprise()
            if not sender.add(address):
                return "the URL is none that Apprise knows"
            return (
                ""
                if sender.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT)
                else "it was not accepted"
            )
        except Exception as error:  # A library of a hundred services: whatever it raises, the run's outcome stands.
            return f"it could not be sent: {type(error).__name__}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the library logs, in which the URL with its secret may stand, from being shown."""
    logger = logging.getLogger("apprise")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
