"""What may be said of a target now: never more than its newest run shows, and with the day on which that was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from upheld.ledger import Ledger, Row
from upheld.ledger.rows import places
from upheld.ledger.times import moment
from upheld.model import Status
from upheld.reporting.headline import several


@dataclass(frozen=True, slots=True)
class Standing:
    """A sentence without its date, the status that it is shown as, when it was seen (empty: never), and each claim's status.

    A claim is None where nobody can say what it is now.
    """

    text: str
    tone: Status
    seen: str
    claims: dict[str, Status | None]

    @property
    def dated(self) -> str:
        """The sentence with its day, without which it must not be shown."""
        return f"{self.text} ({self.seen[:10]})" if self.seen and "not observed" not in self.text else self.text


def standing(ledger: Ledger, rows: Sequence[Row], now: datetime, oldest: timedelta) -> Standing:
    """What may be said of a series: by the last run of the whole policy, made worse by what newer ones of a selection found.

    Where that run is older than `oldest`, or a newer one did not complete, it is not observed since.
    """
    whole = next((row for row in reversed(rows) if row.complete and not ledger.record(row.seq).selected), None)
    if whole is None:
        return Standing("never observed as a whole", Status.INCONCLUSIVE, "", {})
    newer = [row for row in rows if (row.started, row.seq) > (whole.started, whole.seq)]
    if now - moment(whole.started) > oldest or any(not row.complete for row in newer):
        unknown = dict.fromkeys(places(whole.claims))
        return Standing(f"not observed since {whole.started[:10]}", Status.INCONCLUSIVE, whole.started, unknown)
    claims: dict[str, Status | None] = {}
    for claim, status in whole.statuses().items():
        found = [status, *(seen for row in newer if (seen := row.status(claim)) is not None)]
        claims[claim] = max(found, key=lambda one: one.rank)
    return Standing(*_said(list(claims.values())), whole.started, claims)


def _said(statuses: Sequence[Status | None]) -> tuple[str, Status]:
    count = len(statuses)
    if not count:
        return "no promise was audited", Status.INCONCLUSIVE
    worst = max((one for one in statuses if one), key=lambda one: one.rank)
    if worst is Status.REFUTED:
        return f"{statuses.count(worst)} of {several(count, 'promise')} refuted", worst
    upheld, attested = statuses.count(Status.UPHELD), statuses.count(Status.ATTESTED)
    also = f", {attested} attested" if attested else ""
    return f"{upheld} of {several(count, 'promise')} upheld{also}", worst
