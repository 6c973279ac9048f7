"""What a process that runs checks must know, handed from the controller to its workers as two JSON files.

The brief is there when a worker begins, and what is known of the target only once that was started: meanwhile the worker loads the checks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from upheld import redaction
from upheld.caching import Cache, engine_mark
from upheld.catalogue import Catalogue
from upheld.errors import InputError, TargetUnavailable
from upheld.execution import execute, not_applicable, unfinished
from upheld.model import Basis, CheckResult, PlannedCheck
from upheld.muting import muted
from upheld.opening import open_session
from upheld.plugin.locks import Room
from upheld.probes.base import Session
from upheld.probes.snapshot import Snapshot

_GROUND = "ground.json"


@dataclass(frozen=True)
class Brief:
    """The plan and the folders of checks, as one process of the run needs them.

    `snapshot` is the tree that stands for the audited branch, and the folders of its objects; `cache` the folder in which tools may keep what
    they saw of a file, and the key that seals it (hexadecimal).

    `redaction_key` makes placeholders equal in all workers. The file is readable by its owner only and is removed with the scratch folder.
    """

    plan: tuple[PlannedCheck, ...]
    folders: tuple[Path, ...]
    statements: Mapping[str, str]
    sentences: Mapping[str, tuple[str, ...]]
    no_promise: tuple[str, ...]
    scratch: Path
    redaction_key: str
    shared_room: bool
    snapshot: tuple[str, ...] = ()
    cache: tuple[str, str] | None = None

    def write(self, path: Path) -> None:
        """Write it for the workers to read."""
        data = {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)},
            "plan": [dataclasses.asdict(one) for one in self.plan],
            "folders": [str(folder) for folder in self.folders],
            "scratch": str(self.scratch),
        }
        _write(path, data)

    @classmethod
    def read(cls, path: Path) -> Brief:
        """The brief that the controller wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        data["plan"] = tuple(PlannedCheck(**{**one, "basis": Basis(one["basis"])}) for one in data["plan"])
        data["folders"] = tuple(Path(folder) for folder in data["folders"])
        data["scratch"] = Path(data["scratch"])
        data["no_promise"] = tuple(data["no_promise"])
        data["snapshot"] = tuple(data["snapshot"])
        data["cache"] = tuple(data["cache"]) if data["cache"] else None
        data["sentences"] = {claim: tuple(sentences) for claim, sentences in data["sentences"].items()}
        return cls(**data)


@dataclass(frozen=True)
class Ground:
    """The target as it was started. `fault` says why there is none to look at; then every check is inconclusive with it.

    `journal` is the folder in which is noted for good what is planted.
    """

    target_file: Path | None = None
    fault: str = ""
    journal: Path | None = None

    def write(self, scratch: Path) -> None:
        """Write it for the workers to read, to the run's scratch folder."""
        named = {"target_file": self.target_file, "journal": self.journal}
        _write(
            scratch / _GROUND,
            {**{name: str(path) if path else None for name, path in named.items()}, "fault": self.fault},
        )

    @classmethod
    def read(cls, scratch: Path) -> Ground:
        """What the controller wrote there before it handed out the first check."""
        data = json.loads((scratch / _GROUND).read_text(encoding="utf-8"))
        named = {name: Path(data[name]) if data[name] else None for name in ("target_file", "journal")}
        return cls(fault=data["fault"], **named)


def _write(path: Path, data: object) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(data), encoding="utf-8")


class Workshop:
    """Runs planned checks in this process: the catalogue, the session over the target and the room, made at first need."""

    def __init__(
        self,
        plan: tuple[PlannedCheck, ...],
        brief: Callable[[], Brief],
        ground: Callable[[], Ground],
        *,
        catalogue: Catalogue | None = None,
        deliver: Callable[[CheckResult], None] | None = None,
    ) -> None:
        """`brief` and `ground` are asked at the first check, so that collecting starts no target; `deliver` gets every result at once."""
        self.plan = plan
        self._make_brief = brief
        self._find_ground = ground
        self._given = catalogue
        self._deliver = deliver
        self._session: Session | None = None
        self._muted = contextlib.ExitStack()
        self.interrupted = False
        """Whether the run was interrupted, so that no check is left that could be disturbed."""

    @cached_property
    def brief(self) -> Brief:
        """What this process knows of the run."""
        return self._make_brief()

    @cached_property
    def catalogue(self) -> Catalogue:
        """The checks that the plan may name."""
        return Catalogue.load(*self.brief.folders) if self._given is None else self._given

    def load(self) -> None:
        """Load the checks ahead of the first one."""
        _ = self.catalogue

    @cached_property
    def room(self) -> Room | None:
        """The lock that keeps exclusive checks alone; None where one process runs all."""
        return Room(self.brief.scratch) if self.brief.shared_room else None

    @property
    def session(self) -> Session:
        """The session over the target; raises TargetUnavailable when the target cannot be described."""
        if self._session is None:
            brief, ground = self.brief, self._find_ground()
            if ground.target_file is None:
                raise TargetUnavailable(ground.fault or "there is no target")
            session = open_session(ground.target_file, brief.scratch, brief.redaction_key, ground.journal)
            session.policy_sentences = brief.sentences
            session.no_promise = brief.no_promise
            if brief.snapshot:
                session.snapshot = Snapshot(brief.snapshot[0], tuple(Path(one) for one in brief.snapshot[1:]))
            if brief.cache is not None:
                key, common = bytes.fromhex(brief.cache[1]), {"engine": engine_mark()}
                session.cache = Cache(Path(brief.cache[0]), key, common, session.redactor.deep)
            self._muted.enter_context(muted(session.redactor.text))
            self._session = session
        return self._session

    def run(self, planned: PlannedCheck) -> CheckResult:
        """Run one planned check; always gives a result, but for an interruption by the user."""
        result = self._run(planned)
        if self._deliver is not None:
            self._deliver(result)
        return result

    def _run(self, planned: PlannedCheck) -> CheckResult:
        if planned.not_applicable:
            return not_applicable(planned)
        try:
            session = self.session
        except (TargetUnavailable, InputError) as error:
            return unfinished(planned, self.clean(f"the target is not available: {error}"))
        one = self.catalogue[planned.check]
        room = None if planned.detached else self.room
        alone = contextlib.nullcontext() if room is None else room.entered(planned)
        # Whatever a probe or a library under it connects to, it is what the target declares.
        with alone, session.scope.fence.up():
            return execute(planned, one, session)

    def clean(self, text: str) -> str:
        """`text` without secrets, as far as this process knows them."""
        return self._session.redactor.text(text) if self._session is not None else redaction.clean(text)

    def close(self) -> None:
        """Undo what is not undone yet, beside no check that it would disturb, and close probes and locks."""
        if self._session is not None:
            with contextlib.ExitStack() as alone:
                if self._session.journal.kept and self.room is not None and not self.interrupted:
                    with contextlib.suppress(
                        KeyboardInterrupt
                    ):  # All its checks have reported, and nobody is disturbed any more.
                        alone.enter_context(self.room.entered_to_put_back())
                self._session.close()
        self._muted.close()
        if "room" in self.__dict__ and self.room is not None:
            self.room.close()
