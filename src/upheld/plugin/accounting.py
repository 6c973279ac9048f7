"""The closed world, kept from pytest's hooks: every planned check ends as a result, whatever became of its item."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from upheld.errors import UpheldError
from upheld.evidence import inputs
from upheld.keeping import INTERRUPTED, NotWritten, RunFolder
from upheld.plugin import AUDIT, INCONCLUSIVE, PACKED, wrong_input_is_a_usage_error
from upheld.running import assemble, described_target

if TYPE_CHECKING:
    from upheld.plugin.audit import Audit


class Accounting:
    """Hooks of the controller of one session; never registered in a worker."""

    def __init__(self, audit: Audit, config: pytest.Config) -> None:
        self.audit = audit
        self.config = config
        self.interrupted = False
        self.not_collected = ""
        out = config.getoption("upheld_out")
        own = out and config.pluginmanager.get_plugin(AUDIT) is None and not config.option.collectonly
        self.kept = RunFolder(config.invocation_params.dir / out) if own else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:  # noqa: ARG002
        """Start the target before the first check; worker processes, which began before, learn of it."""
        if self.config.option.collectonly:
            return
        if self.config.pluginmanager.get_plugin(AUDIT) is not None:
            self._start_prepared()
            return
        if self.kept is not None:
            self._begin(self.kept)
        try:
            if self.audit.plan:
                with wrong_input_is_a_usage_error():
                    self._start()
        except pytest.UsageError:
            if self.kept is not None:
                self.kept.undo()
                self.kept = None
            raise
        if self.kept is not None:
            given = inputs.gather(self.audit.policy.files, described_target(self.audit))
            self.kept.described(assemble(self.audit, INTERRUPTED), given)
            self.audit.listeners.append(self.kept.note)

    def _start(self) -> None:
        ground = self.audit.ground()
        if self.audit.parallel:
            ground.write(self.audit.scratch)

    def _start_prepared(self) -> None:
        """Start it for whoever prepared the audit, and who says what is wrong with it."""
        try:
            self._start()
        except UpheldError as error:
            self.audit.fault = error
            pytest.exit("the audit cannot begin")

    def _begin(self, kept: RunFolder) -> None:
        try:
            kept.begin(assemble(self.audit, INTERRUPTED))
        except NotWritten as error:
            raise pytest.UsageError(f"--upheld-out: {error}") from None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in the result that a worker reports, and note checks whose item failed before or beside the check."""
        packed = report.__dict__.pop(PACKED, None)
        if packed is not None:
            self.audit.receive_packed(packed)
        elif report.failed and report.when in {"setup", "call"}:
            # A check that came to a verdict has delivered it by now; only one that did not is lost by this.
            said = str(report.longrepr).strip().splitlines() or ["without a word"]
            self.audit.lose(report.nodeid, f"it failed in {report.when}: {said[-1]}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn which node id stands for which planned check."""
        self.audit.note_nodes((item.nodeid, item.planned) for item in session.items if hasattr(item, "planned"))

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Note the checks that -k, -m or --lf left out."""
        for item in items:
            planned = getattr(item, "planned", None)
            if planned is not None:
                self.audit.lost.setdefault(planned.key, "not selected in this run")

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport, sched: Any) -> None:  # noqa: ARG002
        """Note the check in whose midst a worker died."""
        self.audit.lose(crashitem, "worker died in mid check")
        setattr(report, INCONCLUSIVE, "worker died in mid check")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Reconcile what was planned with what was reported, and write the reports that were asked for."""
        result = yield
        if not self.config.option.collectonly:
            self.audit.reconcile(self._why_not(session))
            if self.kept is not None:
                self.kept.counted(self.audit.sent())
                self.kept.finish(assemble(self.audit))
        return result

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note why the policy could not be collected."""
        if report.failed:
            self.not_collected = str(report.longrepr).strip().splitlines()[-1]

    def pytest_keyboard_interrupt(self) -> None:
        """Note that somebody interrupted the run."""
        self.interrupted = True

    def _why_not(self, session: pytest.Session) -> str:
        if self.not_collected:
            return f"the policy could not be collected: {self.not_collected}"
        if self.interrupted:
            return "the run was interrupted before this check ended"
        stopped = session.shouldstop or session.shouldfail
        return f"the run was stopped before this check: {stopped}" if stopped else "planned, and never reported"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say why checks were inconclusive, and what the claims came to."""
        if self.config.option.collectonly:
            return
        reports = terminalreporter.stats.get("inconclusive", [])
        if reports:
            terminalreporter.section("inconclusive", "_", yellow=True)
            for report in reports:
                reason = f"{report.nodeid}: {getattr(report, INCONCLUSIVE)}"
                terminalreporter.write_line(report.longreprtext or reason)
        if self.config.pluginmanager.get_plugin(AUDIT) is None and (left := self.audit.left_now()):
            target = self.audit.source.file if self.audit.source else None
            count = sum(len(one.titles) for one in left)
            terminalreporter.write_line(f"left behind in the target: {count}; upheld clean --target {target} undoes it")
            if offer := self.audit.reset_offered():
                terminalreporter.write_line(offer)
        counts = {status.value: count for status, count in assemble(self.audit).counts().items() if count}
        terminalreporter.write_line("claims: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
