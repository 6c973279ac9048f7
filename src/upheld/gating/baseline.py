"""What the ratchet must know of an earlier run: read from the run itself, or from what a ledger keeps of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from upheld.errors import InputError, Mistake
from upheld.exporting.places import Places
from upheld.judging import fingerprint
from upheld.model import Run, Status, Verdict
from upheld.reporting.headline import whole

if TYPE_CHECKING:
    from upheld.ledger.records import ClaimRecord, Record


@dataclass(frozen=True, slots=True)
class Failed:
    """A finding that failed then. `path` is empty for what stands in no file; one in a file is told by its subject and its place."""

    check: str
    fingerprint: str
    subject: str = ""
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ClaimThen:
    """What a claim came to then, and every use of a check by it with its verdict."""

    id: str
    statement: str
    status: Status
    gated: bool
    checks: tuple[tuple[str, Verdict], ...]
    failed: tuple[Failed, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run. `tree` is that of its files, `whole` whether all that it planned has its result."""

    id: str
    policy: str
    target: str
    environment: str
    tree: str
    whole: bool
    claims: tuple[ClaimThen, ...]
    note: str = ""
    """What whoever reads the outcome must know of it."""

    @classmethod
    def of_run(cls, run: Run) -> Baseline:
        """The baseline that a run is."""
        claims = tuple(
            ClaimThen(
                id=claim.id,
                statement=claim.statement,
                status=claim.status,
                gated=claim.gated,
                checks=tuple((check.id, check.verdict) for check in claim.checks),
                failed=tuple(
                    Failed(check.id, one.fingerprint, one.subject, *((unquote(at.uri), at.line) if at else ("", 0)))
                    for check in claim.checks
                    for places in (Places(check),)
                    for one in check.findings
                    if one.verdict is Verdict.FAIL
                    for at in (places.of(one),)
                ),
            )
            for claim in run.claims
        )
        target = run.target
        return cls(run.id, run.policy, target.name, target.environment, target.tree, whole(run), claims)

    @classmethod
    def of_record(cls, record: Record, option: str) -> Baseline:
        """The baseline that a ledger's record of a run is: of findings in files, those whose place it keeps.

        Raises InputError for one that was recorded before the ledger kept what a baseline needs.
        """
        from upheld.ledger.records import FIRST_FORMAT  # noqa: PLC0415  (only where a ledger is named)

        if record.format == FIRST_FORMAT:
            message = (
                f"run {record.run[:8]} was recorded by an earlier upheld, which did not keep what a baseline needs"
            )
            raise InputError(
                [Mistake(option, 0, 0, message, expected="the folder of a run, or a later run in the ledger")]
            )
        claims = tuple(
            ClaimThen(
                id=claim.id,
                statement=claim.statement,
                status=Status(claim.status),
                gated=claim.gated,
                checks=tuple((check, Verdict(verdict)) for check, verdict in claim.checks),
                failed=tuple(_failed(claim)),
            )
            for claim in record.claims
        )
        complete = record.complete and record.ended and sum(len(one.checks) for one in claims) == record.planned
        note = (
            f"The baseline, run {record.run[:8]} of {record.started}, is what the ledger keeps of it:"
            " its folder does not hold it any more."
        )
        return cls(record.run, record.policy, record.target, record.environment, record.tree, complete, claims, note)


def _failed(claim: ClaimRecord) -> Iterator[Failed]:
    for one in claim.failing:
        if not one.file:
            yield Failed(one.check, one.fingerprint, one.subject)
        # A text that was shortened for the ledger is no subject that another one could be compared with.
        elif fingerprint(claim.id, one.check, one.subject) == one.fingerprint:
            yield Failed(one.check, one.fingerprint, one.subject, unquote(one.file), one.line)
    for name in (Counter(claim.more_failing) - Counter(claim.more_in_files)).elements():
        yield Failed("", name)
