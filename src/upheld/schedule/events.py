"""What is worth telling: computed from the ledger alone, so that whoever asks twice is told once.

An event has an identity. One that a notice in the ledger has named already is not told again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from upheld.ledger import ClaimRecord, Ledger, Record, Row
from upheld.ledger.history import HELD, claims_of, observed, refuted
from upheld.ledger.times import moment
from upheld.model import Status

NOTICE = "notice"


class What(StrEnum):
    """The kinds of events."""

    REFUTED = "refuted"
    RECOVERED = "recovered"
    LAPSING = "lapsing"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one claim. `at` is since when, or when it lapses; `thing` is what lapses: a certificate, an attestation and so on.

    It holds what a stranger may read: the published sentence, and no finding, subject, host or path.
    """

    id: str
    what: What
    claim: str
    severity: str
    owner: str
    statement: str
    at: str
    thing: str = ""


def events(ledger: Ledger, rows: Sequence[Row], now: datetime, ahead: timedelta) -> list[Event]:
    """What changed in a series and no notice has told: the worst first. `ahead` is how early a lapse is told."""
    ended = [row for row in rows if row.ended]
    if not ended:
        return []
    series = ended[-1].series
    told: set[str] = set()
    last: dict[str, Event] = {}
    for entry, body in ledger.notes(NOTICE):
        for one in map(read, json.loads(body)["events"]):
            told.add(one.id)
            if entry.series == series and one.what in {What.REFUTED, What.RECOVERED}:
                last[one.claim] = one
    records: dict[int, Record] = {}

    def claim_in(row: Row, claim: str) -> ClaimRecord:
        if row.seq not in records:
            records[row.seq] = ledger.record(row.seq)
        return next(one for one in records[row.seq].claims if one.id == claim)

    found = [one for claim in claims_of(ended) for one in _of_claim(rows, claim, last.get(claim), claim_in)]
    found += _lapsing(series, ledger.record(ended[-1].seq), now, ahead)
    order = list(What)
    return sorted(
        (one for one in found if one.id not in told), key=lambda one: (order.index(one.what), one.at, one.claim)
    )


def read(said: Mapping[str, Any]) -> Event:
    """An event as a notice in the ledger holds it."""
    return Event(**{**said, "what": What(said["what"])})


def _of_claim(
    rows: Sequence[Row], claim: str, last: Event | None, claim_in: Callable[[Row, str], ClaimRecord]
) -> Iterator[Event]:
    series = rows[-1].series
    known = last is not None and last.what is What.REFUTED
    found = refuted(rows, claim)
    if found is not None:
        # It was told already, unless it held again after what was told. Where the run that began it was pruned, it still was.
        if not known or (last is not None and found.held is not None and found.held.started > last.at):
            yield _event(What.REFUTED, series, claim_in(found.since, claim), found.since.started)
        return
    seen = observed(rows, claim)
    row, status = seen[-1]
    if status in HELD and known:
        first = _held_since(seen)
        yield _event(What.RECOVERED, series, claim_in(first, claim), first.started)
    elif status is Status.INCONCLUSIVE and (blind := _blind_since(seen)) is not None:
        yield _event(What.UNSEEN, series, claim_in(row, claim), blind.started)


def _held_since(seen: Sequence[tuple[Row, Status | None]]) -> Row:
    """The first of the runs at the end in all of which it held."""
    first = seen[-1][0]
    for row, status in reversed(seen):
        if status not in HELD:
            break
        first = row
    return first


def _blind_since(seen: Sequence[tuple[Row, Status | None]]) -> Row | None:
    """The first of the runs at the end that came to know nothing, where one before them saw it hold; else None."""
    first: Row | None = None
    for row, status in reversed(seen):
        if status in HELD:
            return first
        if status is not Status.INCONCLUSIVE and status is not None:
            return None
        first = row
    return None


def _lapsing(series: str, record: Record, now: datetime, ahead: timedelta) -> Iterator[Event]:
    claims = {one.id: one for one in record.claims}
    for lapse in record.lapses:
        if moment(lapse.at) - now <= ahead:
            what = f"{lapse.kind}\0{lapse.what}"
            yield _event(What.LAPSING, series, claims[lapse.claim], lapse.at, lapse.kind, what)


def _event(what: What, series: str, claim: ClaimRecord, at: str, thing: str = "", more: str = "") -> Event:
    identity = hashlib.sha256("\0".join((series, claim.id, what, at, more)).encode()).hexdigest()[:16]
    return Event(identity, what, claim.id, claim.severity, claim.owner, claim.statement, at, thing)
