"""The controller's side of a run: what was planned, what came back, and the reconciliation of the two.

Planned = executed = reported, by identity. Whatever was planned and did not report ends as inconclusive, with the reason
that is known: a worker that died, a check that was not selected, a run that was stopped.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from upheld.catalogue import Catalogue, Names
from upheld.errors import TargetUnavailable, Unobservable, UpheldError
from upheld.execution import unfinished
from upheld.model import CheckResult, PlannedCheck
from upheld.planning import plan, select
from upheld.plugin.brief import Brief, Ground, Workshop
from upheld.plugin.transport import unpack
from upheld.policies import Policy
from upheld.policies import load as load_policy
from upheld.probes.git import tree_of_branch
from upheld.probes.meter import sent_in
from upheld.probes.snapshot import Snapshot
from upheld.resources import check_folders
from upheld.state import journal_folder, state_folder
from upheld.target.load import load_target
from upheld.target.start import TargetSource

if TYPE_CHECKING:
    from upheld.cleaning import Leftover

Listener = Callable[[CheckResult], None]


class Audit:
    """One run as its controller sees it. Use it as a context manager: leaving it stops the target and removes scratch files."""

    def __init__(
        self,
        policy: Path,
        source: TargetSource | None,
        *,
        claims: Collection[str] = (),
        listeners: Iterable[Listener] = (),
        catalogue: Catalogue | None = None,
        state: Path | None = None,
        waivers: Sequence[Path] = (),
        begin: bool = False,
    ) -> None:
        """Load the checks and the policy and make the plan. Raises InputError with every mistake found.

        `waivers` are files of waivers besides the policy's own.
        `state` is where it is noted what is planted in targets that live longer than the run (by default the user's state folder).
        `begin` lets a target that has to be started come up meanwhile; `start_target` waits for it.
        """
        self.source = source
        self._begun = source.begun() if begin and source is not None else None
        self.policy_file = policy.resolve()
        try:
            self.folders = check_folders(self.policy_file)
            self.catalogue = Catalogue.load(*self.folders) if catalogue is None else catalogue
            today = datetime.now(UTC).date()
            self.policy: Policy = load_policy(self.policy_file, self.catalogue, today=today, waivers=waivers)
            self.selected = tuple(select(self.policy, claims)) if claims else ()
            self.plan: tuple[PlannedCheck, ...] = plan(self.policy, self.catalogue, self.selected)
        except BaseException:
            self._give_up()
            raise
        self.listeners = list(listeners)
        self.results: dict[str, CheckResult] = {}
        self.lost: dict[str, str] = {}
        self.unreported: set[str] = set()
        self.parallel = False
        self.started = datetime.now(UTC)
        self.run_id = str(uuid.uuid4())
        self.finished: datetime | None = None
        self.target_file: Path | None = None
        self.target_fault = ""
        self.state = state
        self.left_before: tuple[Leftover, ...] = ()
        self.snapshot: Snapshot | None = None
        self.cache: tuple[str, str] | None = None
        self.tree = ""
        self.notes: tuple[str, ...] = ()
        self.when_started: list[Callable[[], None]] = []
        self.fault: UpheldError | None = None
        self._stack = contextlib.ExitStack()
        self._beside = ThreadPoolExecutor(1)
        self._ready = False
        self._by_key = {one.key: one for one in self.plan}
        self._by_node = {f"{one.claim}::{one.check}": one for one in self.plan}

    @cached_property
    def scratch(self) -> Path:
        """The run's scratch folder, readable by its owner only; removed when the audit is closed."""
        folder = Path(tempfile.mkdtemp(prefix="upheld-run-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def start_target(self) -> None:
        """Start the target, once. A target that cannot be started leaves every check inconclusive with the reason.

        Raises InputError when the target's description is wrong, and what `when_started` raises.
        """
        if self._ready:
            return
        self._ready = True
        if self.source is None:
            self.target_fault = "no target was named"
        else:
            try:
                begun, self._begun = self._begun, None
                self.target_file = self._stack.enter_context(self.source.started(Names(self.catalogue), begun))
            except TargetUnavailable as error:
                self.target_fault = str(error)
            self.left_before = self.left_now()
            self.tree = self._tree()
        for listener in self.when_started:
            listener()

    def _give_up(self) -> None:
        """Stop a target that was begun and that nothing waits for."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.__exit__(None, None, None)

    @cached_property
    def journal(self) -> Path | None:
        """Where it is noted for good what is planted; None for a target that is started for the run, and ends with it."""
        if self.target_file is None or self.source is None or self.source.file is None:
            return None
        target, _ = load_target(self.target_file)
        return journal_folder(target, state_folder(self.state))

    def left_now(self) -> tuple[Leftover, ...]:
        """What this run and earlier ones left behind in the target, by journals that nobody writes any more."""
        if self.journal is None:
            return ()
        from upheld.cleaning import leftovers  # noqa: PLC0415  (it imports whatever can plant something)

        return leftovers(self.journal)

    def reset_offered(self) -> str:
        """The command that puts the whole target back, and what it would do; empty where it may not, or ends with the run."""
        if self.journal is None or self.source is None or self.source.file is None:
            return ""
        from upheld.cleaning import offered  # noqa: PLC0415  (as above)

        return offered(self.source.file)

    @cached_property
    def brief(self) -> Brief:
        """What the processes that run checks must know, except of the target."""
        return Brief(
            plan=self.pending,
            folders=self.folders,
            statements={claim.id: claim.statement for claim in self.policy.claims},
            sentences={claim.id: claim.sentences for claim in self.policy.claims if claim.origin == "page"},
            no_promise=tuple(sentence for sentence, _ in self.policy.no_promise),
            scratch=self.scratch,
            redaction_key=secrets.token_hex(32),
            shared_room=self.parallel,
            snapshot=(self.snapshot.tree, *map(str, self.snapshot.objects)) if self.snapshot else (),
            cache=self.cache,
        )

    def brief_file(self) -> Path:
        """The brief as a file for worker processes; of the target they learn when it was started."""
        self.parallel = True
        path = self.scratch / "brief.json"
        if not path.exists():
            self.brief.write(path)
        return path

    def workshop(self) -> Workshop:
        """A workshop for this very process, which starts the target when it runs its first check."""
        return Workshop(self.pending, lambda: self.brief, self.ground, catalogue=self.catalogue, deliver=self.receive)

    def ground(self) -> Ground:
        """The target as it was started; starts it when it is not yet."""
        self.start_target()
        return Ground(self.target_file, self.target_fault, self.journal)

    @property
    def pending(self) -> tuple[PlannedCheck, ...]:
        """The planned checks that have no result yet."""
        return tuple(one for one in self.plan if one.key not in self.results)

    def take_over(self, results: Iterable[CheckResult]) -> None:
        """Take results that were not made in this run, for checks that are planned; to be called before it begins."""
        self.results.update((one.key, one) for one in results if one.key in self._by_key)

    def _tree(self) -> str:
        """The tree of the repository's files that are looked at; empty where there is none that can be told."""
        if self.snapshot is not None:
            return self.snapshot.tree
        if self.target_file is None:
            return ""
        target, _ = load_target(self.target_file)
        if target.repository is None:
            return ""
        try:
            return tree_of_branch(self.target_file.resolve().parent / target.repository.path, target.repository)
        except Unobservable:
            return ""

    def receive(self, result: CheckResult) -> None:
        """Take in the result of a planned check. A second one for the same check, or an unplanned one, is refused."""
        if result.key in self.results:
            return
        self.results[result.key] = result
        for listener in self.listeners:
            listener(result)

    def receive_packed(self, packed: str) -> None:
        """Take in a result as a worker packed it; evidence that is missing or was altered leaves the check inconclusive."""
        result = unpack(packed, self.scratch, self._by_key)
        if result is not None:
            self.receive(result)

    def lose(self, node_id: str, reason: str) -> None:
        """Note why the check of this node id gave no result."""
        planned = self.planned_at(node_id)
        if planned is not None:
            self.lost.setdefault(planned.key, reason)

    def planned_at(self, node_id: str) -> PlannedCheck | None:
        """The planned check that a pytest node id of this run stands for."""
        _, _, rest = node_id.partition("::")
        return self._by_node.get(rest)

    def note_nodes(self, nodes: Iterable[tuple[str, PlannedCheck]]) -> None:
        """Learn which node id stands for which planned check, from the collection of this very process."""
        for node_id, planned in nodes:
            self._by_node[node_id.partition("::")[2]] = planned

    def reconcile(self, default_reason: str) -> None:
        """Give every planned check that did not report a result that says so. After this, planned = reported."""
        for planned in self.plan:
            if planned.key not in self.results:
                self.unreported.add(planned.key)
                self.receive(unfinished(planned, self.lost.get(planned.key, default_reason)))
        if self._ready and self.tree and self._tree() != self.tree:
            self.tree = ""
        self.finished = self.finished or datetime.now(UTC)

    def sent(self) -> dict[str, int]:
        """How many requests went to each host so far, counted over all processes of the run."""
        return sent_in(self.scratch)

    def close(self) -> None:
        """Stop the target and remove scratch files."""
        self._give_up()
        self._stack.close()

    @contextlib.contextmanager
    def closed_beside(self) -> Iterator[None]:
        """Stop the target and remove scratch files while the block runs, which needs neither."""
        closing = self._beside.submit(self.close)
        try:
            yield
        finally:
            closing.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
