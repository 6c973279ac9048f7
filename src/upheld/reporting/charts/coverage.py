"""What was there when: backups and what was archived of them, and the samples of the status page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from upheld.model import CheckResult
from upheld.reporting.charts.drawing import timeline
from upheld.reporting.charts.parts import (
    MOST_LISTED,
    Chart,
    Event,
    Numbers,
    counted,
    entry,
    items,
    looks,
    moment,
    words,
)


def backups(checks: Sequence[CheckResult]) -> Chart | None:
    """When each base backup was finished, and when the last segment of the log was archived."""
    found: dict[tuple[str, str], Event] = {}
    for look in looks(checks, "backups", "base_backups"):
        for one in items(look.value):
            at, name, stored = moment(entry(one, "finished")), words(one, "name"), entry(one, "stored")
            if at is not None:
                size = f", {stored:,} bytes" if isinstance(stored, int) else ""
                found[name, words(one, "finished")] = Event(
                    f"{words(one, 'kind') or 'base'} backups", at, f"{name}{size}"
                )
    for look in looks(checks, "backups", "archiver"):
        at = moment(entry(look.value, "last_archived_at"))
        if at is not None:
            name = words(look.value, "last_archived")
            found["archived", name] = Event("last segment archived", at, name)
    events = sorted(found.values(), key=lambda one: (one.row, one.at))
    return _chart(
        "backups",
        "Backups over time",
        "When each base backup was finished, and the last segment was archived.",
        checks,
        events,
    )


def samples(checks: Sequence[CheckResult]) -> Chart | None:
    """When the status page looked at what it reports."""
    found: dict[datetime, Event] = {}
    for look in looks(checks, "status_page", "report"):
        for one in items(entry(look.value, "samples")):
            at = moment(one)
            if at is not None:
                found[at] = Event("samples", at, at.isoformat(timespec="seconds"))
    events = [found[at] for at in sorted(found)]
    return _chart("samples", "Samples of the status page", "When the status page says that it looked.", checks, events)


def _chart(name: str, title: str, says: str, checks: Sequence[CheckResult], events: Sequence[Event]) -> Chart | None:
    if not events:
        return None
    now = max((at for one in looks(checks, "clock", "now") if (at := moment(one.value))), default=None)
    drawn = events[-MOST_LISTED:]
    return Chart(
        name=name,
        title=title,
        says=says,
        checks=tuple(checks),
        drawing=timeline(title, drawn, {now: "the audit"} if now else {}),
        numbers=Numbers(
            ("what", "when (UTC)", "which"),
            tuple((one.row, one.at.strftime("%Y-%m-%d %H:%M:%S"), one.says) for one in drawn),
        ),
        left=counted(len(events) - len(drawn), "moments"),
    )
