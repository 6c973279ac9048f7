"""Runs of the shape that is recorded, made by hand, and ledgers on every database that can hold one."""

from __future__ import annotations

import tempfile
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from upheld.ledger import Ledger
from upheld.model import (
    Basis,
    CheckResult,
    ClaimResult,
    FindingRecord,
    Population,
    Run,
    Severity,
    Status,
    TargetSummary,
    Verdict,
    Waiver,
    timestamp,
)

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
VERDICTS = {
    Status.UPHELD: Verdict.PASS,
    Status.ATTESTED: Verdict.PASS,
    Status.REFUTED: Verdict.FAIL,
    Status.INCONCLUSIVE: Verdict.INCONCLUSIVE,
    Status.LAPSED: Verdict.FAIL,
}


class Clock:
    """A clock that stands where it is put."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **time: float) -> None:
        self.at += timedelta(**time)


def finding(subject: str, verdict: Verdict, observed: str = "it is so", fingerprint: str = "") -> FindingRecord:
    """One finding; its identity follows from its subject unless it is given."""
    reason = "connection refused" if verdict is Verdict.INCONCLUSIVE else ""
    return FindingRecord(
        fingerprint or f"{zlib.crc32(subject.encode()):016x}", subject, verdict, "good", observed, reason, ()
    )


def claim(
    name: str, status: Status = Status.UPHELD, *findings: FindingRecord, waivers: tuple[Waiver, ...] = ()
) -> ClaimResult:
    """One claim, decided by one check whose findings are given, or follow from the status."""
    verdict = VERDICTS.get(status)
    made = findings or ((finding(f"thing of {name}", verdict),) if verdict else ())
    checks = ()
    if verdict:
        checks = (
            CheckResult(
                key=f"key-{name}",
                claim=name,
                id=f"own.{name}",
                title="It is so.",
                basis=Basis.OBSERVED,
                parameters={},
                code_digest="c" * 64,
                verdict=verdict,
                reason="",
                findings=tuple(made),
                observations=(),
                population=Population(len(made), len(made)),
                started=timestamp(START),
                seconds=0.1,
            ),
        )
    return ClaimResult(
        name,
        f"Promise {name}.",
        "S",
        Severity.HIGH,
        "platform",
        {},
        status,
        Basis.OBSERVED,
        "",
        checks,
        waivers=waivers,
    )


def run(
    name: str,
    at: datetime = START,
    *claims: ClaimResult,
    target: str = "shop",
    complete: bool = True,
    sabotages: tuple[str, ...] = (),
) -> Run:
    """One run of these claims."""
    return Run(
        format="upheld-run/1",
        id=name,
        started=timestamp(at),
        finished=timestamp(at + timedelta(minutes=1)),
        seconds=60.0,
        complete=complete,
        target=TargetSummary(target, "staging", "target.yaml", "a" * 64, "office", sabotages),
        policy="shop policy",
        policy_digest="b" * 64,
        versions={"upheld": "0"},
        planned=sum(len(one.checks) for one in claims),
        claims=claims,
    )


def of(statuses: dict[str, Status], name: str, at: datetime = START, **more: object) -> Run:
    """A run in which each claim came to that status."""
    return run(name, at, *(claim(one, status) for one, status in statuses.items()), **more)  # type: ignore[arg-type]


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        Ledger.open(path)
        return path.read_bytes()


def made(path: Path, now: Clock | None = None) -> Ledger:
    """A new ledger in a file; its tables are copied from one that the migrations made, which is quicker than to run them again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_empty())
    return Ledger.open(path, now=now) if now else Ledger.open(path)
