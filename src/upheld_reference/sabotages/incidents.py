"""Defects of how incidents were handled: notices, reports to the regulator, and reviews."""

from __future__ import annotations

import datetime as dt

from upheld_reference.platform import Platform
from upheld_reference.registers.clock import Clock
from upheld_reference.sabotages import rewriting, sabotage
from upheld_reference.sabotages.rewriting import Entry


def _after(entry: Entry, days: int) -> str:
    """The moment that many days after the incident was detected."""
    return (dt.datetime.fromisoformat(entry["detected_at"]) + dt.timedelta(days=days)).isoformat()


@sabotage(
    breaks=("incident-notice",),
    shows=(
        "INC-6",
        "120.0 h after it was detected",
    ),
)
def incident_notice_late(platform: Platform) -> None:
    """Customers were told of an incident five days after it was detected."""

    def delay(entry: Entry, _clock: Clock) -> None:
        entry["notices"][0]["sent_at"] = _after(entry, 5)

    rewriting.entry(platform, "incidents", "id", "INC-6", delay)


@sabotage(
    breaks=("incident-notice",),
    shows=(
        "INC-4",
        "not told to customers",
    ),
)
def incident_notice_missing(platform: Platform) -> None:
    """Customers whose messages were delayed by an incident were never told."""
    rewriting.entry(platform, "incidents", "id", "INC-4", lambda entry, _clock: entry["notices"].clear())


@sabotage(
    breaks=("incident-notice-content",),
    shows=(
        "INC-6",
        "steps taken",
    ),
)
def notice_without_steps_taken(platform: Platform) -> None:
    """A notice about an incident does not say which steps were taken."""
    rewriting.entry(platform, "incidents", "id", "INC-6", lambda entry, _clock: entry["notices"][0].pop("steps_taken"))


@sabotage(
    breaks=("incident-notice-content",),
    shows=(
        "INC-2",
        "data affected",
    ),
)
def notice_without_data_affected(platform: Platform) -> None:
    """A notice about an incident leaves the part about the data affected empty."""

    def empty(entry: Entry, _clock: Clock) -> None:
        entry["notices"][0]["data_affected"] = ""

    rewriting.entry(platform, "incidents", "id", "INC-2", empty)


@sabotage(
    breaks=("incident-regulator",),
    shows=(
        "INC-3",
        "not reported to the regulator",
    ),
)
def reportable_incident_without_reference(platform: Platform) -> None:
    """A stolen laptop with personal information was not reported to the Information Regulator."""
    rewriting.entry(platform, "incidents", "id", "INC-3", lambda entry, _clock: entry.update(regulator_report=None))


@sabotage(
    breaks=("incident-regulator",),
    shows=(
        "INC-2",
        "480.0 h after it was detected",
    ),
)
def regulator_report_late(platform: Platform) -> None:
    """An incident was reported to the Information Regulator twenty days after it was detected."""

    def delay(entry: Entry, _clock: Clock) -> None:
        entry["regulator_report"]["reported_at"] = _after(entry, 20)

    rewriting.entry(platform, "incidents", "id", "INC-2", delay)


@sabotage(
    breaks=("incident-reviews",),
    shows=(
        "INC-5",
        "no review by",
    ),
)
def incident_review_missing(platform: Platform) -> None:
    """An incident that was closed two months ago has no post-incident review."""
    rewriting.entry(platform, "incidents", "id", "INC-5", lambda entry, _clock: entry.update(review=None))


@sabotage(
    breaks=("incident-reviews",),
    shows=(
        "INC-6-2",
        "is open and was due on",
    ),
)
def review_action_overdue(platform: Platform) -> None:
    """An action of a post-incident review was due ten days ago and is not done."""

    def delay(entry: Entry, clock: Clock) -> None:
        (action,) = [one for one in entry["review"]["actions"] if one["closed_on"] is None]
        action["due_on"] = clock.day(-10)

    rewriting.entry(platform, "incidents", "id", "INC-6", delay)
