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
    told = {one["id"]: one["what"] for _, body in ledger.notes(NOTICE) for one in json.loads(body)["events"]}
    ended = [row for row in rows if row.ended]
    if not ended:
        return []
    records: dict[int, Record] = {}

    def record(row: Row) -> Record:
        if row.seq not in records:
            records[row.seq] = ledger.record(row.seq)
        return records[row.seq]

    found = [one for claim in claims_of(ended) for one in _of_claim(rows, claim, told, record)]
    found += _lapsing(ended[-1].series, record(ended[-1]), now, ahead)
    order = list(What)
    return sorted(
        (one for one in found if one.id not in told), key=lambda one: (order.index(one.what), one.at, one.claim)
    )


def _of_claim(
    rows: Sequence[Row], claim: str, told: Mapping[str, str], record: Callable[[Row], Record]
) -> Iterator[Event]:
    seen = observed(rows, claim)
    series = rows[-1].series
    found = refuted(rows, claim)
    if found is not None:
        yield _event(What.REFUTED, series, _claim(record(found.since), claim), found.since.started)
    row, status = seen[-1]
    if status in HELD:
        # It recovered if somebody was told that it does not hold, and it holds since.
        first = _held_since(seen)
        known = _claim(record(first), claim)
        before = [(one, came) for one, came in seen if one.started < first.started]
        earlier = refuted([one for one, _ in before], claim)
        if earlier is not None:
            began = _event(What.REFUTED, series, _claim(record(earlier.since), claim), earlier.since.started)
            if began.id in told:
                yield _event(What.RECOVERED, series, known, first.started)
    elif status is Status.INCONCLUSIVE or status is None:
        blind = _blind_since(seen)
        if blind is not None and row.ended:
            yield _event(What.UNSEEN, series, _claim(record(row), claim), blind.started)


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


def _claim(record: Record, claim: str) -> ClaimRecord:
    return next(one for one in record.claims if one.id == claim)


def _lapsing(series: str, record: Record, now: datetime, ahead: timedelta) -> Iterator[Event]:
    claims = {one.id: one for one in record.claims}
    for lapse in record.lapses:
        if moment(lapse.at) - now <= ahead:
            what = f"{lapse.kind}\0{lapse.what}"
            yield _event(What.LAPSING, series, claims[lapse.claim], lapse.at, lapse.kind, what)


def _event(what: What, series: str, claim: ClaimRecord, at: str, thing: str = "", more: str = "") -> Event:
    identity = hashlib.sha256("\0".join((series, claim.id, what, at, more)).encode()).hexdigest()[:16]
    return Event(identity, what, claim.id, claim.severity, claim.owner, claim.statement, at, thing)
