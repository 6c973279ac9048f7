"""`upheld run`: the audit with progress, a summary and the reports. pytest is the engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Self

import click
import pytest
from rich.console import Console

from upheld.cleaning import Leftover
from upheld.cli.dry_run import lines
from upheld.cli.export import wanted_exports, write_exports
from upheld.cli.options import claims_option, exports_option, find_policy, find_target, policy_option, target_option
from upheld.cli.output import Output
from upheld.cli.recording import Recording, ledger_option
from upheld.errors import InputError, InternalFault
from upheld.evidence import inputs
from upheld.keeping import INTERRUPTED, NotWritten, RunFolder
from upheld.plugin import AUDIT
from upheld.plugin.audit import Audit
from upheld.plugin.forking import forked_workers
from upheld.reporting import run_json, terminal
from upheld.reporting.progress import Progress
from upheld.running import assemble, described_target, exit_code


class Prepared:
    """Hands the audit of this command to the pytest plugin."""

    def __init__(self, audit: Audit, worker: str | None = None) -> None:
        """`worker` is how pytest-xdist starts one; None where it does so by itself."""
        self.__name__ = AUDIT
        self.audit = audit
        self.worker = worker


@click.command()
@policy_option
@target_option
@claims_option
@click.option(
    "--waivers",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Accepted deviations in addition to the policy's own.",
)
@click.option(
    "--sabotage", "sabotages", multiple=True, metavar="NAME", help="Start the embedded reference with this defect."
)
@click.option(
    "-n", "workers", default="auto", metavar="N", help="Worker processes; 0 runs all in this one. [auto: 2 to 4]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reports/latest"),
    help="Where the reports go. [reports/latest]",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Where it is noted what is planted, for upheld clean. [the user's state folder]",
)
@exports_option
@ledger_option
@click.option("--dry-run", is_flag=True, help="Only print every class of requests that the run would send.")
@click.option("--no-color", is_flag=True, help="Plain text.")
@click.pass_context
def run(
    context: click.Context,
    policy: Path | None,
    target: str | None,
    claims: str,
    waivers: tuple[Path, ...],
    sabotages: tuple[str, ...],
    workers: str,
    out: Path,
    state: Path | None,
    exports: tuple[str, ...],
    ledger: str | None,
    dry_run: bool,
    no_color: bool,
) -> int:
    """Audit a target against a policy, write run.json and report.html, and add the run to the ledger.

    Exit codes: 0 all gated claims upheld, 1 a claim is refuted, 2 wrong input, 3 something is inconclusive, lapsed or
    uncovered, 4 a fault of upheld itself.
    """
    console = Output(no_color=no_color)
    views = wanted_exports(exports)
    path = find_policy(policy)
    source = find_target(target, path, sabotages)
    wanted = [one.strip() for one in claims.split(",") if one.strip()]
    if dry_run:
        with Audit(path, source, claims=wanted, waivers=waivers) as audit:
            for line in lines(audit):
                console.print(line, markup=False)
        return 0
    kept = RunFolder(out)
    recording = Recording(ledger, out, lambda said: console.print(said, markup=False))
    stopping = context.with_resource(terminating())
    with Audit(path, source, claims=wanted, state=state, waivers=waivers, begin=True) as audit:
        count = workers_of(workers, len(audit.plan))
        # Before the work, so that a folder that cannot be written loses nothing, and that a killed run shows as one.
        kept.begin(assemble(audit, INTERRUPTED))
        audit.parallel = bool(count)
        progress = Progress(console)

        def started() -> None:
            kept.described(assemble(audit, INTERRUPTED), inputs.gather(audit.policy.files, described_target(audit)))
            recording.begin(assemble(audit, INTERRUPTED))
            _say_left(audit.left_before, "an earlier run left", source.file, console)
            audit.listeners += [kept.note, progress.update]

        audit.when_started.append(started)
        progress.start(len(audit.plan))
        try:
            _work(audit, count, kept, stopping)
        except (InputError, NotWritten) as error:
            if error is audit.fault:
                kept.undo()
            raise
        finally:
            progress.stop()
        left = [one for one in audit.left_now() if one not in audit.left_before]
        result = assemble(audit)
        with audit.closed_beside():
            terminal.summary(result, console)
            if kept.fault is not None:
                console.print(f"results could not be kept as they came: {kept.fault.strerror}", markup=False)
            kept.finish(result)
    _say_left(left, "this run left", source.file, console)
    if left and (offer := audit.reset_offered()):
        console.print(offer, markup=False)
    console.print(f"report: {out / 'report.html'}   evidence: {out / 'run.json'}", markup=False)
    added = recording.finish(result)
    if views:
        write_exports(run_json.read(out / "run.json"), views)
    code = exit_code(result) if added else 4
    context.exit(code)
    return code


def _work(audit: Audit, workers: int, kept: RunFolder, stopping: terminating) -> None:
    """Let the engine run the plan; what was sent is told whether it comes to its end or not."""
    try:
        engine(audit, workers)
        stopping.ignored()
    finally:
        if audit.fault is None:
            kept.counted(audit.sent())


def engine(audit: Audit, workers: int) -> None:
    """Let pytest run the plan, cut off from this folder's own pytest configuration; raises InternalFault when it breaks."""
    settings = audit.scratch / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    arguments = [
        str(audit.policy_file),
        *("-c", str(settings), "--rootdir", str(audit.policy_file.parent), "--noconftest", "-s"),
        *("-p", "upheld.plugin", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:warnings"),
        *("-p", "no:unraisableexception"),  # It makes warnings, which nobody shows, of what Python says by itself.
    ]
    if workers:
        arguments += ["-p", "xdist.plugin", "-n", str(workers), "--dist", "worksteal"]
    # Plugins that happen to be installed may reorder, retry or time out; an audit must not depend on them.
    saved = {
        name: os.environ.get(name) for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS", "PYTEST_PLUGINS")
    }
    os.environ.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ.pop("PYTEST_PLUGINS", None)
    try:
        with forked_workers(audit.scratch, audit.folders, audit.catalogue) if workers else nullcontext() as worker:
            code = pytest.main(arguments, plugins=[Prepared(audit, worker)])
    finally:
        for name, value in saved.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
    if audit.fault is not None:
        raise audit.fault
    if code in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}:
        audit.reconcile("the engine broke before this check")
        raise InternalFault(f"the engine broke (pytest exit code {int(code)})")
    audit.reconcile(f"planned, and never reported (pytest exit code {int(code)})")


def _say_left(left: Sequence[Leftover], who: str, target: Path | None, console: Console) -> None:
    count = sum(len(one.titles) for one in left)
    if count:
        things = "1 thing" if count == 1 else f"{count} things"
        how = f"upheld clean --target {target}"
        console.print(f"{who} {things} behind in the target; {how} undoes it (--list names it)", markup=False)


def workers_of(given: str, planned: int) -> int:
    """How many worker processes a run of so many checks gets; raises BadParameter for what is no number."""
    if given == "auto":
        return min(max(os.cpu_count() or 2, 2), 4) if planned > 1 else 0
    if not given.isdigit():
        raise click.BadParameter(f"expected a number of processes or auto, got {given!r}", param_hint="-n")
    return int(given)


class terminating:  # noqa: N801  (used as a context manager, named like one)
    """Turn SIGTERM and SIGHUP into an interruption, so that the run is reconciled and the target is stopped."""

    def __enter__(self) -> Self:
        # What the caller ignores (SIGHUP under nohup) stays ignored.
        wanted = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, _interrupt) for number in wanted}
        return self

    def ignored(self) -> None:
        """From now on ignore them: what was found is being written, which takes a moment, and is not to be lost to impatience."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001
    raise KeyboardInterrupt(signal.Signals(number).name)
