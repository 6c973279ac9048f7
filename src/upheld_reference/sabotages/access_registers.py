"""Defects of the records of access: a review that was not held, one that forgot somebody, a role taken away late."""

from __future__ import annotations

from typing import Any

from upheld_reference import people
from upheld_reference.platform import Platform
from upheld_reference.registers.clock import Clock
from upheld_reference.sabotages import rewriting, sabotage

_CLAIMS = ("access-reviewed",)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "AR-",
        "days until today",
    ),
)
def access_review_overdue(platform: Platform) -> None:
    """The last access review is older than a quarter: the one that was due three weeks ago was not held."""
    rewriting.registers(platform, lambda books, _clock: books["access-reviews"]["reviews"].pop(0))


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "naledi",
        "the review does not have it",
    ),
)
def account_not_reviewed(platform: Platform) -> None:
    """The last access review left out a staff account that is in use."""
    email = people.by_login("naledi").email

    def forget(books: dict[str, Any], _clock: Clock) -> None:
        last = books["access-reviews"]["reviews"][0]
        forgotten = [one for one in last["accounts"] if (one["system"], one["account"]) == ("staff-console", email)]
        if not forgotten:
            raise ValueError(f"the last review has no staff account of {email}")
        last["accounts"] = [one for one in last["accounts"] if one not in forgotten]

    rewriting.registers(platform, forget)


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "jonas",
        "carried out 21 days after it was decided",
    ),
)
def role_change_carried_out_late(platform: Platform) -> None:
    """A role was taken away in the staff console three weeks after that was decided."""

    def delay(books: dict[str, Any], clock: Clock) -> None:
        (change,) = [one for one in books["staff"]["role_changes"] if one["login"] == "jonas"]
        change.update(decided_on=clock.day(-430), carried_out_on=clock.day(-409))

    rewriting.registers(platform, delay)
