"""How old what a store holds is: the oldest record of each tenant, and how many records there are of each age.

The second is looked at for people, who see in it what is about to go and what stayed; checks judge the first.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.store_rows import utc

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

STEPS = (1, 5, 15, 30, 90, 360)
"""Days by which ages are counted; each is a multiple of the one before, so that counts by different steps can be added up."""
BUCKETS = 36
"""Counts of one tenant; the last one is of all older records."""
SPREAD_TENANTS = 1_000
"""Of a store with more tenants than this only the oldest records are looked at."""
SPREAD_SECONDS = 0.5
"""Where it took longer than this to find the oldest records of a store, the others are not counted by age, which takes about four times as long."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How many records are of which age at an instant: `counts[n]` of them from `n` up to `n + 1` times `step_days` days.

    The 36th count is of all that are as old or older. Records dated after the instant are in none.
    """

    at: datetime
    step_days: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TenantAge:
    """What a store holds of one tenant: how many records, since when (None when none is dated), and how many are undated.

    `spread` has the dated ones by age; None where they were not counted.
    """

    tenant: str
    records: int
    oldest: datetime | None
    undated: int
    spread: Spread | None = None


def step_of(days: float) -> int:
    """The smallest step by which ages up to `days` fit into the buckets, or the largest step."""
    return next((step for step in STEPS if days / step < BUCKETS), STEPS[-1])


def bounded(rows: Sized, what: str, limit: int) -> None:
    """Raise Unobservable for more tenants than are listed."""
    if len(rows) > limit:
        raise Unobservable(f"{what} has more than {limit} tenants")


class RowAges:
    """The ages of the rows of a table. `stamp` and `whose` are its columns of times and, as text, of tenants."""

    def __init__(
        self,
        connection: Connection,
        table: sa.TableClause,
        stamp: sa.ColumnElement[Any],
        whose: sa.ColumnElement[Any],
    ) -> None:
        self._connection = connection
        self._table = table
        self._stamp = stamp
        self._whose = whose

    def by_tenant(self, what: str, conditions: Sequence[sa.ColumnElement[bool]], limit: int) -> tuple[TenantAge, ...]:
        """What there is of each tenant among the rows that meet all conditions; raises Unobservable for more tenants than `limit`.

        `what` is what the table is called then.
        """
        begun = time.monotonic()
        statement = (
            sa.select(
                self._whose.label("tenant"),
                sa.func.count(),
                sa.func.min(self._stamp),
                sa.func.count() - sa.func.count(self._stamp),
            )
            .select_from(self._table)
            .where(*conditions)
            .group_by(sa.text("1"))
            .order_by(sa.text("1"))
            .limit(limit + 1)
        )
        rows = self._connection.execute(statement).all()
        bounded(rows, what, limit)
        found = [TenantAge(tenant, int(count), utc(oldest), int(undated)) for tenant, count, oldest, undated in rows]
        if len(found) <= SPREAD_TENANTS and time.monotonic() - begun < SPREAD_SECONDS:
            return _with_spreads(found, self._spreads(found, conditions))
        return tuple(found)

    def _spreads(self, ages: Sequence[TenantAge], conditions: Sequence[sa.ColumnElement[bool]]) -> dict[str, Spread]:
        """The spread of each tenant; empty where the database does not count so."""
        at = datetime.now(UTC)
        oldest = min((one.oldest for one in ages if one.oldest is not None), default=at)
        if oldest >= at:
            return {}
        days = (at - oldest) / timedelta(days=1)
        step = step_of(days)
        last = min(BUCKETS - 1, math.floor(days / step))
        statement = (
            sa.select(self._whose.label("tenant"), self._bucket(at, step, 0, last).label("bucket"), sa.func.count())
            .select_from(self._table)
            .where(self._stamp <= at, *conditions)
            .group_by(sa.text("1"), sa.text("2"))
            .limit(2 * SPREAD_TENANTS * BUCKETS)
        )
        counts: Counter[tuple[str, int]] = Counter()
        try:
            with self._connection.begin_nested():
                for tenant, bucket, count in self._connection.execute(statement):
                    counts[tenant, int(bucket)] = int(count)
        except sa.exc.SQLAlchemyError:
            return {}  # Nothing is judged by it, and the oldest records are known: those are not to be lost for it.
        return _spreads(at, step, counts)

    def _bucket(self, at: datetime, step: int, low: int, high: int) -> sa.ColumnElement[Any]:
        """The number of a row's bucket between `low` and `high`, in as few comparisons as bisection takes."""
        if low == high:
            return sa.literal_column(str(low))
        middle = (low + high) // 2
        edge = at - timedelta(days=step * (middle + 1))
        return sa.case(
            (self._stamp > edge, self._bucket(at, step, low, middle)),
            else_=self._bucket(at, step, middle + 1, high),
        )


def file_ages(files: Iterable[tuple[str, datetime]]) -> tuple[TenantAge, ...]:
    """What there is of each tenant among files, each given by its tenant and its date."""
    at = datetime.now(UTC)
    ages: dict[str, tuple[int, datetime]] = {}
    counts: Counter[tuple[str, int]] = Counter()
    step = STEPS[0]
    for tenant, changed in files:
        count, oldest = ages.get(tenant, (0, changed))
        ages[tenant] = (count + 1, min(oldest, changed))
        days = (at - changed) / timedelta(days=1)
        if len(ages) > SPREAD_TENANTS or days < 0:
            continue
        if (needed := step_of(days)) > step:
            counts, step = _coarser(counts, needed // step), needed
        counts[tenant, min(BUCKETS - 1, math.floor(days / step))] += 1
    found = [TenantAge(tenant, count, oldest, 0) for tenant, (count, oldest) in sorted(ages.items())]
    return _with_spreads(found, {} if len(ages) > SPREAD_TENANTS else _spreads(at, step, counts))


def _coarser(counts: Mapping[tuple[str, int], int], times: int) -> Counter[tuple[str, int]]:
    """The counts by a step that is so many times as long."""
    merged: Counter[tuple[str, int]] = Counter()
    for (tenant, bucket), count in counts.items():
        merged[tenant, bucket // times] += count
    return merged


def _spreads(at: datetime, step: int, counts: Mapping[tuple[str, int], int]) -> dict[str, Spread]:
    by_tenant: dict[str, list[int]] = {}
    for (tenant, bucket), count in counts.items():
        row = by_tenant.setdefault(tenant, [])
        row += [0] * (bucket + 1 - len(row))
        row[bucket] += count
    return {tenant: Spread(at, step, tuple(row)) for tenant, row in by_tenant.items()}


def _with_spreads(ages: Iterable[TenantAge], spreads: Mapping[str, Spread]) -> tuple[TenantAge, ...]:
    return tuple(TenantAge(one.tenant, one.records, one.oldest, one.undated, spreads.get(one.tenant)) for one in ages)
