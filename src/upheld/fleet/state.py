"""What is kept of a fleet's run: the journal from which it goes on after a stop, and the account of it at its end.

`progress.jsonl` is only ever added to, one event a line, each on the disk before the next thing is done. What a crash tears off is the
last line at most: it is dropped, and what it would have said did not happen, as far as a resumed run is concerned: the target is audited
again, and all that it may have been sent counts as sent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal, Self

from pydantic import TypeAdapter, ValidationError

from upheld.errors import InputError, Mistake
from upheld.reporting.files import write_atomically

FORMAT = "upheld-fleet-run/1"
"""What `FleetRun.format` says in documents that this version writes and reads."""
ACCOUNT, PROGRESS, TARGETS = "fleet.json", "progress.jsonl", "targets"
"""What a fleet's folder holds: the account, the journal, and a folder of runs, one for each target."""
RAN: Literal["ran"] = "ran"
NOT_OBSERVED: Literal["not observed"] = "not observed"
_PROGRESS_FORMAT = "upheld-fleet-progress/1"
_MISTAKES_SHOWN = 20
BEGUN, STARTED, ENDED, RECORDED = "begun", "started", "ended", "recorded"
"""The events: the fleet's run, an attempt's beginning and its end, and that its run is in the ledger."""
UNKNOWN = "the controller was ended before the attempt was"
"""How an attempt ended of which no end is known."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a target: which worker made it, when and how long, and how it ended."""

    worker: str
    host: str
    started: str
    seconds: float
    how: str
    """`ran`, or why it did not come to its end."""


@dataclass(frozen=True, slots=True)
class MemberRun:
    """What one target of the fleet came to."""

    name: str
    policy: str
    state: Literal["ran", "not observed"]
    reason: str
    """Why it was not observed; empty for one that ran."""
    run: str
    """The id of its run; empty where there is none."""
    code: int | None
    """The exit code of its audit; None where there was none."""
    folder: str
    """Where its reports are, relative to the fleet's folder; empty where there are none."""
    seconds: float
    resumed: bool
    """Whether it ran before the fleet's run was stopped and resumed; `attempts` says when."""
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetRun:
    """The account of a fleet's run: every target that the fleet names is in it, whatever became of it."""

    format: str
    id: str
    fleet: str
    digest: str
    started: str
    finished: str
    seconds: float
    complete: bool
    """Whether the run came to its end: every target ran, or is known not to have been observed."""
    members: tuple[MemberRun, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know besides: faults of the ledger, why the run was stopped."""
    faults: int = 0
    """How many things went wrong in upheld or in the ledger, which outweigh what the targets came to."""

    def code(self) -> int:
        """The exit code: 4 after a fault of upheld or of the ledger, 1 with a refuted claim, 3 with something that is not known, else 0."""
        codes = {3 if one.state != RAN and one.code != 4 else one.code for one in self.members}
        if self.faults or 4 in codes:
            return 4
        if 1 in codes:
            return 1
        return 0 if codes == {0} and self.complete else 3


def write(run: FleetRun, folder: Path) -> None:
    """Write the account of `run` to the fleet's folder, whole or not at all; raises OSError as the file system does."""
    write_atomically(folder / ACCOUNT, _adapter().dump_json(run, indent=1) + b"\n")


def read(path: Path) -> FleetRun:
    """The account in a fleet's folder, or of a fleet.json; raises InputError where there is none, or it is none."""
    file = path / ACCOUNT if path.is_dir() else path
    try:
        run = _adapter().validate_json(file.read_bytes(), strict=True)
    except OSError as error:
        raise InputError([Mistake(str(file), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:_MISTAKES_SHOWN]
        raise InputError(
            Mistake(str(file), 0, 0, f"{'.'.join(map(str, one['loc']))}: {one['msg']}") for one in found
        ) from error
    if run.format != FORMAT:
        raise InputError([Mistake(str(file), 0, 0, "is of another format", repr(run.format), repr(FORMAT))])
    return run


@cache
def _adapter() -> TypeAdapter[FleetRun]:
    return TypeAdapter(FleetRun)


# --- the journal -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that came to its end with a run: what is taken over when the fleet's run is resumed."""

    digest: str
    """What the target was audited with: a digest over all that travelled."""
    run: str
    code: int
    seconds: float
    recorded: bool
    """Whether its run is in the ledger."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a journal says: as far as the fleet's run had come."""

    id: str
    fleet: str
    digest: str
    started: str
    ran: Mapping[str, Ended]
    attempts: Mapping[str, tuple[Attempt, ...]]
    """All that were begun; of those of which no end is known that is said."""
    spent: Mapping[str, int]
    """Requests that each host was sent by attempts that ended, and may have been sent by those of which no end is known."""
    open: Mapping[str, frozenset[str]]
    """The targets an attempt at which may still be under way somewhere, with the hosts that it had a share of: no end of it is known, or
    its worker was lost and it was not tried again since."""
    end: int
    """Where the last whole line ends, in bytes; what follows was torn off by a crash."""


def standing(folder: Path) -> Standing | None:
    """What the journal in a fleet's folder says; None where there is none. Raises InputError for one that is damaged."""
    path = folder / PROGRESS
    try:
        with path.open("rb") as stream:
            events, end = _whole_lines(stream, path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError([Mistake(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    if not events:  # It was killed before it had begun anything.
        return None
    first, *rest = events
    if first.get("event") != BEGUN or first.get("format") != _PROGRESS_FORMAT:
        raise InputError([Mistake(str(path), 1, 1, "is no journal of a fleet's run that this version can read")])
    try:
        return _told(first, rest, end)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError([Mistake(str(path), 0, 0, f"is damaged: {type(error).__name__}: {error}")]) from error


@dataclass(slots=True)
class _Telling:
    ran: dict[str, Ended] = field(default_factory=dict)
    attempts: dict[str, tuple[Attempt, ...]] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)
    open: dict[tuple[str, int], tuple[Attempt, dict[str, int | None]]] = field(default_factory=dict)
    lost: dict[str, frozenset[str]] = field(default_factory=dict)

    def take(self, one: Mapping[str, Any]) -> None:
        kind, name = one["event"], str(one["member"])
        if kind == STARTED:
            self.lost.pop(name, None)  # Whoever tries again has waited for the lease of what was lost.
            begun = Attempt(str(one["worker"]), "", str(one["at"]), 0.0, UNKNOWN)
            self.open[name, int(one["attempt"])] = begun, {str(host): count for host, count in one["share"].items()}
        elif kind == ENDED:
            self.open.pop((name, int(one["attempt"])), None)
            if one["lost"]:
                self.lost[name] = frozenset(one["sent"])
            self.add(one["sent"])
            made = Attempt(**one["made"])
            self.made(name, made)
            if one["run"]:
                self.ran[name] = Ended(one["digest"], one["run"], int(one["code"]), made.seconds, recorded=False)
        elif kind == RECORDED and name in self.ran:
            self.ran[name] = replace(self.ran[name], recorded=True)

    def made(self, name: str, attempt: Attempt) -> None:
        self.attempts[name] = (*self.attempts.get(name, ()), attempt)

    def add(self, sent: Mapping[str, int | None]) -> None:
        for host, count in sent.items():
            self.spent[host] = self.spent.get(host, 0) + int(count or 0)


def _told(first: Mapping[str, Any], rest: Iterable[Mapping[str, Any]], end: int) -> Standing:
    telling = _Telling()
    for one in rest:
        telling.take(one)
    still = dict(telling.lost)
    for (name, _), (begun, share) in telling.open.items():
        telling.made(name, begun)
        telling.add(share)
        still[name] = still.get(name, frozenset()) | share.keys()
    return Standing(
        id=str(first["id"]),
        fleet=str(first["fleet"]),
        digest=str(first["digest"]),
        started=str(first["started"]),
        ran=telling.ran,
        attempts=telling.attempts,
        spent=telling.spent,
        open=still,
        end=end,
    )


def _whole_lines(stream: IO[bytes], path: Path) -> tuple[list[dict[str, Any]], int]:
    events: list[dict[str, Any]] = []
    end = 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            break
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            if stream.read(1):  # Only the last line can have been torn; this one was damaged by something else.
                raise InputError([Mistake(str(path), number, 1, "is damaged: it is no JSON object")])
            break
        events.append(event)
        end += len(line)
    return events, end


class Journal:
    """Writes `progress.jsonl`: an event is on the disk when `note` returns."""

    def __init__(self, folder: Path, after: Standing | None = None) -> None:
        """A new journal, or one that goes on after what stands there; raises OSError as the file system does."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / PROGRESS
        if after is not None:
            with self.path.open("r+b") as stream:
                stream.truncate(after.end)
        self._stream = self.path.open("ab" if after is not None else "wb", buffering=0)
        _sync_folder(folder)

    def begin(self, run: str, fleet: str, digest: str, started: str) -> None:
        """Say which fleet's run this is."""
        self._note(BEGUN, format=_PROGRESS_FORMAT, id=run, fleet=fleet, digest=digest, started=started)

    def started(self, member: str, attempt: int, worker: str, at: str, share: Mapping[str, int | None]) -> None:
        """Say, before anything is sent, that an attempt begins, and how many requests it may send each host that has a limit."""
        self._note(STARTED, member=member, attempt=attempt, worker=worker, at=at, share=dict(share))

    def ended(
        self,
        member: str,
        attempt: int,
        made: Attempt,
        sent: Mapping[str, int],
        ran: tuple[str, str, int] | None = None,
        *,
        lost: bool = False,
    ) -> None:
        """Say how an attempt ended and what counts as sent; `ran` is the digest of what travelled, the run's id, and its exit code.

        `lost`: it is not waited for any more, and may still be under way.
        """
        digest, run, code = ran or ("", "", -1)
        plain = {name: getattr(made, name) for name in Attempt.__dataclass_fields__}
        self._note(
            ENDED,
            member=member,
            attempt=attempt,
            made=plain,
            sent=dict(sent),
            digest=digest,
            run=run,
            code=code,
            lost=lost,
        )

    def recorded(self, member: str) -> None:
        """Say that the run of a target is in the ledger."""
        self._note(RECORDED, member=member)

    def close(self) -> None:
        """End writing."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _note(self, event: str, **body: object) -> None:
        line = json.dumps({"event": event, **body}, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        left = memoryview(line)
        while left:
            left = left[self._stream.write(left) :]
        os.fsync(self._stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reusable(found: Standing, digests: Mapping[str, str]) -> Iterator[tuple[str, Ended]]:
    """The targets that ran and whose digest is still that of what would travel now."""
    for name, ended in found.ran.items():
        if digests.get(name) == ended.digest:
            yield name, ended
