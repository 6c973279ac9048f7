"""What the ledger keeps of a run: per claim the status and what it rests on, short, redacted, and in one canonical spelling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = "upheld-ledger-run/2"
FIRST_FORMAT = "upheld-ledger-run/1"
"""What records were before they told which checks a claim had and in which files its findings stand: read, and known to tell less."""


@dataclass(frozen=True, slots=True)
class Series:
    """What runs must share so that a difference between them is a change: the policy, the target, and its seeded defects."""

    policy: str
    target: str
    environment: str
    sabotages: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """16 hexadecimal digits that are the same for the same series."""
        parts = [self.policy, self.target, self.environment, list(self.sabotages)]
        return hashlib.sha256(canonical(parts)).hexdigest()[:16]

    def __str__(self) -> str:
        broken = f", with defects put in on purpose: {', '.join(self.sabotages)}" if self.sabotages else ""
        return f"{self.target} ({self.environment}){broken}"


@dataclass(frozen=True, slots=True)
class FindingKept:
    """A finding that did not pass: its identity, and what was expected and observed, or why nothing was.

    `file` is a relative URI, empty for what stands in no file of the repository; `line` counts from 1.
    """

    fingerprint: str
    check: str
    subject: str
    expected: str = ""
    observed: str = ""
    reason: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Lapse:
    """Something that a claim rests on, and the moment from which it does not count any more (RFC 3339, or a day)."""

    kind: str
    what: str
    claim: str
    at: str


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """What a run says of one claim. `failing` and `unseen` hold findings, `passing` the identities of those that passed.

    `broken` names the checks that came to no verdict without a finding of their own, with the reason; `checks` are all of them,
    each use with its verdict. `more_in_files` are those of `more_failing` that stand in a file, of which it is not kept where.
    """

    id: str
    status: str
    severity: str
    owner: str
    section: str
    basis: str
    reason: str
    gated: bool
    failing: tuple[FindingKept, ...] = ()
    unseen: tuple[FindingKept, ...] = ()
    passing: tuple[str, ...] = ()
    more_failing: tuple[str, ...] = ()
    more_unseen: tuple[str, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    waived_until: str = ""
    statement: str = ""
    checks: tuple[tuple[str, str], ...] = ()
    more_in_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One run as the ledger keeps it. `run_digest` is the SHA-256 of its run.json, `code` the digest of each check's code.

    `tree` is the git tree of the repository's files that were looked at; empty where there was none.
    """

    run: str
    run_digest: str
    folder: str
    started: str
    finished: str
    seconds: float
    complete: bool
    ended: bool
    planned: int
    policy: str
    policy_digest: str
    target: str
    environment: str
    target_digest: str
    vantage: str
    sabotages: tuple[str, ...]
    samples: tuple[str, ...]
    selected: tuple[str, ...]
    version: str
    notes: tuple[str, ...]
    code: Mapping[str, str] = field(default_factory=dict)
    claims: tuple[ClaimRecord, ...] = ()
    lapses: tuple[Lapse, ...] = ()
    tree: str = ""
    format: str = FORMAT

    @property
    def series(self) -> Series:
        """The series that the run belongs to."""
        return Series(self.policy, self.target, self.environment, self.sabotages)


def canonical(value: object) -> bytes:
    """`value` as JSON in the one spelling that digests are made of: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def packed(record: Record) -> bytes:
    """`record` as the bytes that the ledger holds and digests."""
    return canonical(asdict(record))


def unpacked(data: bytes) -> Record:
    """The record in those bytes; raises ValueError for what is none."""
    try:
        read: dict[str, Any] = json.loads(data)
        if read.get("format") not in {FORMAT, FIRST_FORMAT}:
            raise ValueError(f"a record of another format: {read.get('format')!r}")
        claims = tuple(_claim_of(one) for one in read.pop("claims"))
        lapsing = tuple(Lapse(**one) for one in read.pop("lapses"))
        lists: dict[str, Any] = {name: tuple(read.pop(name)) for name in ("sabotages", "samples", "selected", "notes")}
        return Record(**read, **lists, claims=claims, lapses=lapsing)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no record of a run: {error}") from error


def _claim_of(read: dict[str, Any]) -> ClaimRecord:
    found: dict[str, Any] = {
        name: tuple(FindingKept(**one) for one in read.pop(name)) for name in ("failing", "unseen")
    }
    names: dict[str, Any] = {
        name: tuple(read.pop(name, ())) for name in ("passing", "more_failing", "more_unseen", "more_in_files")
    }
    pairs: dict[str, Any] = {
        name: tuple((check, said) for check, said in read.pop(name, ())) for name in ("broken", "checks")
    }
    return ClaimRecord(**read, **found, **names, **pairs)
