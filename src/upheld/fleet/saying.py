"""What a fleet came to, in sentences that every view of it uses."""

from __future__ import annotations

from collections import Counter

from upheld.fleet.summary import RANKS, WORST_FIRST, Departure, Line, Occurrence, Summary
from upheld.model import Severity, Status
from upheld.reporting.headline import MEANINGS, several

NOT_OBSERVED = "not observed"
UNSEEN = "unseen"
"""What pages call the tone of what was not observed."""
MEANS: tuple[tuple[Status | None, str], ...] = tuple(
    (
        one,
        MEANINGS[one] if one else "No run says anything: the target was not audited to its end, or not for this claim.",
    )
    for one in WORST_FIRST
)
"""What each status means, the worst first."""


def word(status: Status | None) -> str:
    """What a status is called."""
    return status.value if status else NOT_OBSERVED


def tone(status: Status | None) -> str:
    """What a status is shown like."""
    return status.value if status else UNSEEN


def standings(summary: Summary) -> tuple[tuple[Status | None, int], ...]:
    """How many targets came to each status as their worst, the worst first; only those that there are."""
    found = Counter(line.worst for line in summary.lines)
    return tuple((one, found[one]) for one in WORST_FIRST if found[one])


def headline(summary: Summary) -> tuple[str, Status | None]:
    """A fleet in one sentence, and what it is shown like: never better than its worst target."""
    lines = summary.lines
    found = Counter(line.worst for line in lines)
    missed = sum(not line.ran for line in lines)
    if not lines:
        return "The fleet has no target: nothing was observed", None
    seen = len(lines) - missed
    # Where nothing was decided nothing was sought: that no broken promise was found there would be no news.
    decided = sum(line.ran and line.count(Status.UPHELD) > 0 for line in lines)
    if refuting := found[Status.REFUTED]:
        parts = [f"{refuting} of {several(len(lines), 'target')} {'breaks' if refuting == 1 else 'break'} a promise"]
    elif decided:
        parts = [f"No broken promise was found on {decided} of {several(len(lines), 'target')}"]
    elif seen:
        parts = [f"No claim was decided on {'any of ' if len(lines) > 1 else ''}{several(len(lines), 'target')}"]
    else:
        parts = [f"Nothing was observed on {several(len(lines), 'target')}"]
    parts += [f"{missed} not observed"] if missed and seen else []
    parts += [f"{found[None] - missed} audited in part"] if found[None] > missed else []
    parts += [f"{found[one]} {one.value}" for one in WORST_FIRST[2:-2] if one and found[one]]
    holding = found[Status.UPHELD] + found[Status.ATTESTED]
    if holding:
        verbs = ("upholds", "attests", "its") if holding == 1 else ("uphold", "attest", "theirs")
        both = f"{verbs[0]} or {verbs[1]}" if found[Status.ATTESTED] else verbs[0]
        parts.append(f"{holding} {both} all of {verbs[2]}")
    text, worst = "; ".join(parts), max(found, key=RANKS.index)
    if not summary.run.complete:
        text, worst = f"Incomplete: {text}", max(worst, None, key=RANKS.index)
    return text, worst


def notices(summary: Summary) -> tuple[str, ...]:
    """What a reader must know beside the headline, weightiest first."""
    run, lines = summary.run, summary.lines
    said: list[str] = []
    if not run.complete:
        said.append("The fleet's run did not come to its end. What it did not reach is not observed.")
    if run.faults:
        said.append(f"{several(run.faults, 'thing')} went wrong in upheld or in the ledger.")
    broken_off = sum(line.ran and not line.whole for line in lines)
    if broken_off:
        said.append(f"{_audits(broken_off)} did not come to {'its' if broken_off == 1 else 'their'} end.")
    partial = sum(line.selected > 0 for line in lines)
    if partial:
        said.append(f"{_audits(partial)} looked at selected claims only; the others are not observed there.")
    old = [line for line in lines if line.ran and line.resumed]
    if old:
        since = min(line.started for line in old)
        said.append(
            f"{_audits(len(old))} from before the run was resumed, the oldest of {moment(since)}, stand as they were."
        )
    if len(summary.policies) > 1:
        said.append("Targets of different policies are compared only among themselves.")
    return (*said, *run.notes)


def _audits(count: int) -> str:
    return several(count, "audit")


def moment(stamp: str) -> str:
    """An RFC 3339 stamp in UTC, to the minute, as a person writes it; anything else as it is."""
    if len(stamp) >= 17 and stamp[10] == "T" and stamp.endswith("Z"):
        return f"{stamp[:10]} {stamp[11:16]} UTC"
    return stamp


def tally(line: Line) -> str:
    """What the claims of a target came to, where they are not upheld, the worst first; or why nothing is known of it."""
    if not line.ran:
        return f"{NOT_OBSERVED}: {line.reason}"
    found = [f"{count} {word(one)}" for one in WORST_FIRST if one is not Status.UPHELD and (count := line.count(one))]
    return ", ".join(found) or "all upheld"


def gravity(line: Line) -> str:
    """How grave what a target breaks is: `2 critical, 1 high`."""
    return ", ".join(f"{line.broken[one]} {one.value}" for one in Severity if line.broken.get(one))


def departure(one: Departure) -> str:
    """In what a target is unlike the others."""
    return f"{one.claim} {word(one.status)}, upheld by {one.upheld} of {one.others} others"


def occurrence(one: Occurrence) -> str:
    """What is said of a defect on one target beside its name; empty where it is one finding that nothing waives."""
    said = [f"{one.findings} findings"] if one.findings > 1 else []
    if one.waived:
        said.append("waived" if one.waived == one.findings else f"{one.waived} waived")
    return ", ".join(said)
