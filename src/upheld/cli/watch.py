"""`upheld watch` and `upheld notify`: runs again and again, and who is told of what changed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from upheld.cli.history import chosen
from upheld.cli.ledger import opened
from upheld.cli.options import find_policy
from upheld.cli.recording import ledger_option
from upheld.errors import InputError, Mistake, UpheldError
from upheld.ledger import Ledger, LedgerFault, Row
from upheld.ledger.times import period
from upheld.model import timestamp
from upheld.reporting.text import safe
from upheld.schedule import metrics as monitor
from upheld.schedule.slots import Slots
from upheld.schedule.watching import Ended, Lock, Watch, missed
from upheld.state import LEDGER, named_ledger, state_folder

_UNDER_WAY, _FAULT = 3, 4
_RUN = [sys.executable, "-c", "from upheld.cli.main import main; main()", "run"]
_notify_option = click.option(
    "--notify",
    type=click.Path(path_type=Path),
    help="Whom to tell of what changed (docs/schedule.md describes the file).",
)
_metrics_option = click.option(
    "--metrics", type=click.Path(path_type=Path), help="Write the newest run here for Prometheus, in OpenMetrics."
)


class Time:
    """The system's clock, and waiting that SIGTERM and SIGINT end."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self.child: subprocess.Popen[bytes] | None = None

    def now(self) -> datetime:
        """This moment, in UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> bool:
        """Wait so long; True where a stop was asked for."""
        return self._stop.wait(seconds)

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Let a signal end the waiting, and reach the run that is under way, which then ends in order."""
        before = {number: signal.signal(number, self._stopped) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stopped(self, number: int, frame: object) -> None:  # noqa: ARG002
        self._stop.set()
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)


@click.command()
@click.option("--every", metavar="PERIOD", help="How often: 6h, 30m, 1d. Counted from midnight UTC on.")
@click.option(
    "--jitter", default="", metavar="PERIOD", help="Begin up to so much later, so that many do not begin at once."
)
@click.option("--once", is_flag=True, help="One run, for cron and other timers; with --every it notes what was missed.")
@click.option("--policy", type=click.Path(path_type=Path), help="As of upheld run.")
@click.option("--target", help="As of upheld run.")
@click.option("--claims", default="", metavar="ID,…", help="As of upheld run.")
@click.option("-n", "workers", default="auto", metavar="N", help="As of upheld run.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/latest"), help="As of upheld run.")
@_notify_option
@_metrics_option
@click.option("--site", type=click.Path(path_type=Path), help="Make the pages of upheld site anew here after each run.")
@ledger_option
@click.pass_context
def watch(
    context: click.Context,
    every: str | None,
    jitter: str,
    once: bool,
    policy: Path | None,
    target: str | None,
    claims: str,
    workers: str,
    out: Path,
    notify: Path | None,
    metrics: Path | None,
    site: Path | None,
    ledger: str | None,
) -> int:
    """Audit again and again, note what was missed, and tell what changed.

    SIGTERM and SIGINT end it in order: a run that is under way is reconciled and recorded first. What a crash left is recovered at
    the next start. Exit codes: of --once those of upheld run, and 3 where a run was under way already; else 0.
    """
    if every is None and not once:
        raise InputError([Mistake("--every", 0, 0, "is missing", expected="a period such as 6h, or --once")])
    span = period(every or "24h", "--every")
    delay = period(jitter, "--jitter") if jitter else span * 0
    if delay >= span:
        raise InputError([Mistake("--jitter", 0, 0, "is not shorter than --every", repr(jitter))])
    found = opened(ledger, make=True)
    path = find_policy(policy)
    identity = "\0".join((str(path.absolute()), target or "", claims, str(out.absolute()), str(found.place)))
    name = hashlib.sha256(identity.encode()).hexdigest()[:12]
    options = [*("--policy", str(path), "-n", workers, "--out", str(out))]
    options += [*(("--target", target) if target else ()), *(("--claims", claims) if claims else ())]
    clock = Time()
    locks = state_folder() / "watch"
    runs = Runs(found, named_ledger(ledger) or "", options, out, Lock(locks / f"{name}.run.lock"), clock)
    runs.after = _After(found, notify, metrics, site, clock.now)
    watching = Watch(name, found, Slots(span, delay, name), clock, runs.carry_out, _say)
    with Lock(locks / f"{name}.lock").taken() as free, clock.stoppable():
        if free:
            runs.recover_if_free()
        if once:
            code = _once(watching, runs, free=free)
        elif not free:
            raise InputError([Mistake("upheld watch", 0, 0, "another one does the same already; it goes on")])
        else:
            watching.loop()
            code = 0
    context.exit(code)
    return code


def _once(watching: Watch, runs: Runs, *, free: bool) -> int:
    if not free or not runs.free():
        watching.overlapped()
        _say("a run is under way already: this one is noted as missed")
        return _UNDER_WAY
    return watching.once().code


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--target", metavar="NAME|KEY", help="As of upheld history.")
@ledger_option
@click.pass_context
def notify(context: click.Context, config: Path, target: str | None, ledger: str | None) -> int:
    """Tell of what changed, as CONFIG says, and deliver again what could not be delivered before.

    Exit codes: 0 everything is delivered, 3 something is not, and is tried again next time.
    """
    from upheld.schedule.notices import load, tell  # noqa: PLC0415  (needs pydantic's models of a target)

    found = opened(ledger)
    rows, _ = chosen(found, target)
    told = tell(found, rows, load(config), config.parent, datetime.now(UTC), _say)
    click.echo(f"{told.events} new, {told.delivered} messages delivered, {told.failed} not delivered")
    code = _UNDER_WAY if told.failed else 0
    context.exit(code)
    return code


class _After:
    """What is done after each run: none of it changes what the run came to, and none of it ends the watch."""

    def __init__(
        self, ledger: Ledger, notify: Path | None, metrics: Path | None, site: Path | None, now: Callable[[], datetime]
    ) -> None:
        self._ledger, self._notify, self._metrics, self._site, self._now = ledger, notify, metrics, site, now
        if notify is not None:
            from upheld.schedule.notices import load  # noqa: PLC0415  (likewise)

            load(notify)  # A mistake in it is said before the first run, not after it.

    def __call__(self, run: str) -> None:
        """Tell and write, where that was asked for; what fails is said."""
        for step in (self._tell, self._measure, self._publish):
            try:
                rows = self._ledger.runs()
                series = next((row.series for row in rows if row.run == run), "")
                step([row for row in rows if row.series == series], rows)
            except (UpheldError, OSError) as error:
                _say(f"after the run: {error}")

    def _tell(self, rows: list[Row], _: list[Row]) -> None:
        if rows and self._notify:
            from upheld.schedule.notices import load, tell  # noqa: PLC0415  (likewise)

            tell(self._ledger, rows, load(self._notify), self._notify.parent, self._now(), _say)

    def _measure(self, rows: list[Row], _: list[Row]) -> None:
        if rows and self._metrics:
            write_metrics(self._ledger, rows, self._metrics, self._now())

    def _publish(self, _: list[Row], everything: list[Row]) -> None:
        if self._site:
            from upheld.publishing.site import OLDEST, build, published  # noqa: PLC0415  (likewise)

            if series := published(everything):
                build(self._ledger, series, self._site, self._now(), 90, OLDEST, reports=False)


def write_metrics(ledger: Ledger, rows: list[Row], path: Path, now: datetime) -> None:
    """Write the metrics of a series to `path`; raises OSError and LedgerFault."""
    from upheld.schedule.notices import pending  # noqa: PLC0415  (likewise)

    newest = next((row for row in reversed(rows) if row.ended), rows[-1])
    count = sum(count for _, _, count, _ in missed(ledger, rows[-1].series))
    undelivered = sum(1 for _ in pending(ledger, now))
    monitor.write(path, monitor.render(rows, ledger.record(newest.seq), count, undelivered, now))


class Runs:
    """The runs of one watch, each in a process of its own, so that whatever one dies of, the watch goes on.

    A run holds a lock until it ends, also where the watch that started it is dead: no two write to one folder.
    """

    def __init__(self, ledger: Ledger, named: str, options: list[str], out: Path, lock: Lock, clock: Time) -> None:
        self._ledger = ledger
        self._named = named
        self._options = options
        self._out = out
        self._lock = lock
        self._clock = clock
        self.after: Callable[[str], None] = lambda _: None

    def free(self) -> bool:
        """Whether no run is under way."""
        with self._lock.taken() as free:
            return free

    def recover_if_free(self) -> None:
        """Recover what a killed run left, unless it goes on although its watch is dead."""
        with self._lock.taken() as free:
            if free:
                self._recover()

    def carry_out(self) -> Ended:
        """One run, once the one before it has ended."""
        while not self._lock.take():
            if self._clock.wait(1):
                return Ended("", _UNDER_WAY)
        try:
            self._recover()
            before = {row.run for row in self._rows()}
            # The ledger goes by the environment: a password in its URL stands in no list of processes then.
            environment = {**os.environ, LEDGER: self._named}
            self._clock.child = subprocess.Popen(
                [*_RUN, *self._options],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=environment,
                pass_fds=(self._lock.descriptor,),
            )
            code = self._clock.child.wait()
            self._clock.child = None
        finally:
            self._lock.leave()
        if code < 0:
            _say(f"the run died of {signal.Signals(-code).name}")
            self.recover_if_free()
            code = _FAULT
        run = next((row.run for row in reversed(self._rows()) if row.run not in before), "")
        _say(f"run {run or 'without an entry'} ended with exit code {code}")
        self.after(run)
        return Ended(run, code)

    def _rows(self) -> list[Row]:
        try:
            return self._ledger.runs()
        except LedgerFault as error:
            _say(str(error))
            return []

    def _recover(self) -> None:
        """Add what a run that was killed had finished, where the folder is still that of a run of which no end is known."""
        from upheld.keeping import recover, standing  # noqa: PLC0415  (likewise)

        try:
            run = standing(self._out)
            if run.complete or run.id not in {row.run for row in self._rows() if not row.ended}:
                return
            entry = self._ledger.add(run, self._out)
            _say(f"run {run.id} was killed: what it had finished is entry {entry.seq}")
            recover(self._out)
        except InputError:  # No run stands there, or nothing is left to recover.
            return
        except UpheldError as error:
            _say(str(error))


def _say(words: str) -> None:
    click.echo(safe(f"{timestamp(datetime.now(UTC))}  {words}"), err=True)
