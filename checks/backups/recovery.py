"""Whether backups are taken, whether the write-ahead log gets into the archive whole, and whether both restore an instant."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

from upheld import INSPECTED, OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.backups import Backups, BaseBackup, Mark, Restored
from upheld.probes.clock import Clock

POLL_SECONDS = (0.2, 2.0)
"""Seconds between two looks at the archive: at first, and at the most."""
CLOCKS_APART = timedelta(minutes=10)
"""How far the clocks of the auditor and of the backup program may be apart."""
_KINDS = {"base": "base backup", "increment": "increment"}


@check(basis=INSPECTED)
def taken_in_every_interval(
    backups: Backups, clock: Clock, *, every_hours: float = 24.0, grace_hours: float = 2.0, days: float = 6.0
) -> Iterator[Finding | NotObserved]:
    """In the last `days` days, no `every_hours` hours and grace went by without a backup, up to now.

    Decides: whether backups are taken as often as promised, and still are.

    How: takes the end of each backup from the catalogue (where the target names none: from the objects in the store) and compares each
    with the next, and the newest with the auditor's clock. A backup of which the store holds nothing does not count.

    Refuted by: a gap of more than `every_hours` and `grace_hours`, a newest backup older than that, and no backup at all.

    Cannot see: backups from before the history that is kept; whether a backup can be restored.

    References: ISO/IEC 27001:2022 A.8.13; SOC 2 A1.2.
    """
    now = clock.now()
    every = timedelta(hours=every_hours + grace_hours)
    expected = f"at most {every_hours:g} hours and {grace_hours:g} of grace apart"
    found = [one for one in backups.base_backups() if one.stored]
    undated = [one for one in found if one.finished is None]
    for one in undated:
        yield NotObserved(one, "neither the catalogue nor the store says when it was finished", expected)
    ends = sorted(one.finished for one in found if one.finished is not None)
    if not ends:
        yield Finding("newest backup", bool(undated), expected, "there is no backup in the store")
        return
    hours = (now - ends[-1]).total_seconds() / 3600
    yield Finding(
        "newest backup", -CLOCKS_APART <= now - ends[-1] <= every, expected, f"finished {hours:.1f} hours ago"
    )
    begin = now - timedelta(days=days)
    pairs = [(a, b) for a, b in itertools.pairwise(ends) if b > begin]
    gaps = [(a, b) for a, b in pairs if b - a > every]
    for a, b in gaps:
        observed = f"{(b - a).total_seconds() / 3600:.1f} hours without a backup"
        yield Finding(f"from {_shown(a)} to {_shown(b)}", False, expected, observed)
    if ends[0] > begin + every:
        reason = f"the history of backups reaches back {(now - ends[0]).total_seconds() / 86400:.1f} days only"
        yield NotObserved(f"the last {days:g} days", reason, expected)
    elif not gaps:
        longest = max((b - a for a, b in pairs), default=timedelta(0)).total_seconds() / 3600
        observed = f"{len(ends)} backups since {_shown(ends[0])}, at most {longest:.1f} hours apart"
        yield Finding(f"the last {days:g} days", True, expected, observed)


@check(basis=INSPECTED)
def sizes_are_sane(backups: Backups, *, smallest_percent: float = 1.0) -> Iterator[Finding | NotObserved]:
    """Each base backup is in the store, of the size that the catalogue tells, and large enough to hold the database.

    Decides: whether what is called a backup has anything in it.

    How: compares the size of each in the store with that in the catalogue, and with the present size of the database, of which it must
    have `smallest_percent`: no compression gets below that. Increments must only not be empty.

    Refuted by: a base backup that is missing, empty, of another size than the catalogue says, or much smaller than the database.

    Cannot see: whether its content is right, and a database that has grown a hundredfold within the history.

    References: ISO/IEC 27001:2022 A.8.13.
    """
    found = backups.base_backups()
    if not found:
        yield Finding("base backups", False, "at least one", "there is no backup")
        return
    whole = backups.database_bytes()
    least = int(whole * smallest_percent / 100)
    for one in found:
        expected = f"at least {least:,} bytes, {smallest_percent:g} % of the database's {whole:,}"
        if one.kind == "increment":
            expected = "not empty"
        defect = _defect(one, least)
        yield Finding(one, not defect, expected, defect or f"{one.stored or 0:,} bytes", seen=(found,))


@check(basis=INSPECTED)
def archive_is_whole(backups: Backups, clock: Clock) -> Iterator[Finding | NotObserved]:
    """The archive has every segment of write-ahead log that base backups need and that the database handed over.

    Decides: whether an instant between two backups can be restored.

    How: looks for gaps in the numbers of the segments in the store, for the segments with which base backups begin, and for the last
    segment that the server says it archived, for as long as the target says that this may take.

    Refuted by: a missing or empty segment, no write-ahead log at all, archiving that is switched off, and a segment that the server
    counts as archived and the store does not have: an archive command that says success and copies nothing.

    Cannot see: whether a segment's content is right, and the write-ahead log that is not finished yet.

    References: PostgreSQL documentation, Continuous Archiving and Point-in-Time Recovery; ISO/IEC 27001:2022 A.8.13.
    """
    archive = backups.archive()
    expected = "every segment from the first to the last"
    if not archive.segments:
        yield Finding("segments", False, expected, "the store holds no write-ahead log")
    else:
        observed = f"{archive.segments} segments, {archive.first} to {archive.last}"
        if archive.missing:
            observed = f"{archive.missing} missing of {observed}: {', '.join(archive.missing_names)}"
        yield Finding("segments", not archive.missing, expected, observed)
    if archive.empty:
        yield Finding("empty segments", False, "none", ", ".join(archive.empty))
    if archive.needed or archive.segments:
        observed = f"missing: {', '.join(archive.needed)}" if archive.needed else "all there"
        yield Finding("where base backups begin", not archive.needed, "the segment that each begins with", observed)
    try:
        server = backups.archiver()
    except Unobservable as unobservable:
        yield NotObserved("the server's archiver", unobservable.reason)
        return
    if server.mode == "off":
        yield Finding("the server's archiver", False, "archive_mode on", "archive_mode off")
        return
    if not server.last_archived:
        yield NotObserved("the server's archiver", "the server has archived nothing since its statistics began")
        return
    segment = server.last_archived[:24]
    there = _awaited(backups, clock, segment)
    observed = f"the server says that it archived {segment}, and the store " + (
        "has it" if there else "does not have it"
    )
    yield Finding("the server's archiver", there, "what the server archived is in the store", observed)


@check(basis=OBSERVED, intrusive=True)
def an_instant_is_restored(backups: Backups, clock: Clock) -> Iterator[Finding | NotObserved]:
    """A restore to a chosen instant brings back a row that was written before it, and not one that was written after it.

    Decides: whether the database can be restored as it was at an instant of one's own choosing.

    How: writes a row, takes the instant, writes another row, waits until the archive has the write-ahead log with both, has the
    target's own command restore to that instant into a scratch server, and looks for both rows there. Both rows are removed.

    Refuted by: write-ahead log that does not get into the archive in time, a restore that fails, a restored database without the
    first row, and one with the second.

    Cannot see: how long a restore of a large database takes when it is needed, and instants of other days.

    References: ISO/IEC 27001:2022 A.8.13; NIST SP 800-34 Rev. 1 §3.4.
    """
    try:
        before = backups.mark()
        clock.wait(0.05)
        after = backups.mark()
        expected = f"in the store within {backups.archive_within_seconds():g} s"
        there = _awaited(backups, clock, after.segment)
        observed = f"segment {after.segment} is {'there' if there else 'not there'}"
        yield Finding("what was just written", there, expected, observed)
        if not there:
            yield NotObserved("restore to an instant", "the write-ahead log with that instant is not in the store")
            return
        yield from _restored(backups.restore(before.at, (before.word, after.word)), before)
    finally:
        backups.remove_marks()


def _restored(found: Restored, before: Mark) -> Iterator[Finding]:
    instant = _shown(before.at)
    if found.failed:
        lines = [line for line in found.said.splitlines() if line.strip()] or ["it said nothing"]
        # A program of Python says what went wrong in its last line, most others in their first.
        said = lines[-1] if lines[0].startswith("Traceback") else lines[0]
        observed = f"the restore ended with code {found.code}: {said}"
        yield Finding("restore to an instant", False, f"the database as it was at {instant}", observed)
        return
    first, second = found.present
    took = f"after a restore of {found.seconds:.0f} s"
    yield Finding("row from before the instant", first, "restored", f"{'there' if first else 'not there'} {took}")
    yield Finding(
        "row from after the instant", not second, "not restored", f"{'there' if second else 'not there'} {took}"
    )


def _awaited(backups: Backups, clock: Clock, segment: str) -> bool:
    """Whether the archive gets this segment within the time that the target gives."""
    end = clock.now() + timedelta(seconds=backups.archive_within_seconds())
    pause, longest = POLL_SECONDS
    while not backups.holds_segment(segment):
        if clock.now() >= end:
            return False
        clock.wait(pause)
        pause = min(longest, pause * 1.5)
    return True


def _defect(one: BaseBackup, least: int) -> str:
    if one.stored is None:
        return "the catalogue lists it, and the store does not have it"
    if not one.stored:
        return "it is empty"
    if one.expected is not None and one.expected != one.stored:
        return f"{one.stored:,} bytes, and the catalogue says {one.expected:,}"
    if one.kind == "base" and one.plain is not None and one.plain < least:
        return f"{one.plain:,} bytes before compression ({one.stored:,} in the store): a {_KINDS[one.kind]} of nothing"
    if one.kind == "base" and one.stored < least:
        return f"{one.stored:,} bytes: a {_KINDS[one.kind]} of nothing"
    return ""


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
