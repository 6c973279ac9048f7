"""`upheld fleet`: many deployments, side by side on worker processes of this machine or of a Dask cluster."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from upheld.cli.output import Output
from upheld.cli.recording import ledger_option
from upheld.documents import nearest
from upheld.errors import InputError, Mistake
from upheld.fleet.members import Fleet, load_fleet
from upheld.fleet.state import RAN, FleetRun, MemberRun
from upheld.ledger.times import period
from upheld.model import Run, Status
from upheld.reporting.headline import headline, several
from upheld.reporting.marks import STYLES, shape, words

if TYPE_CHECKING:
    from upheld.fleet.cluster import Choice
    from upheld.ledger import Ledger

MOST_SHOWN = 20
"""Targets that are shown at the end one by one."""
SHORTEST_LEASE = 5
"""Seconds; a worker that has once not been answered must not stop."""
_TEXT = 300


@click.command()
@click.argument("file", metavar="FLEET", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME|GLOB", help="Only the targets of that name; can be given again.")
@click.option("--list", "listing", is_flag=True, help="Only print which targets the file expands to.")
@click.option("--workers", type=int, metavar="N", help="Worker processes of this machine. [as many as it has cores]")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask cluster that stands already: tls://HOST:PORT.")
@click.option(
    "--tls-ca", type=click.Path(path_type=Path), help="The authority whose certificates the cluster has (PEM)."
)
@click.option("--tls-cert", type=click.Path(path_type=Path), help="The certificate of this machine (PEM).")
@click.option("--tls-key", type=click.Path(path_type=Path), help="The key of that certificate (PEM).")
@click.option("--without-tls", is_flag=True, help="Reach a scheduler on another machine by tcp://, in the clear.")
@click.option(
    "-n", "processes", type=click.IntRange(0), default=0, metavar="N", help="Worker processes of each audit. [0]"
)
@click.option("--time-limit", default="30m", metavar="PERIOD", help="After which an audit is ended. [30m]")
@click.option(
    "--lease",
    default="30s",
    metavar="PERIOD",
    help="How long a worker that hears nothing of this machine goes on. [30s]",
)
@click.option("--resume", is_flag=True, help="Go on with the run that was stopped in --out: what ran is not run again.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reports/fleet"),
    help="Where the reports go. [reports/fleet]",
)
@ledger_option
@click.option("--no-color", is_flag=True, help="Plain text.")
@click.pass_context
def fleet(
    context: click.Context,
    file: Path,
    only: tuple[str, ...],
    listing: bool,
    workers: int | None,
    scheduler: str | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    without_tls: bool,
    processes: int,
    time_limit: str,
    lease: str,
    resume: bool,
    out: Path,
    ledger: str | None,
    no_color: bool,
) -> int:
    """Audit every target of a fleet, a task for each on Dask distributed, and write a report over all of them.

    Exit codes: 0 every target's gate passes, 1 one has a claim refuted, 2 wrong input (nothing was started), 3 something is
    inconclusive or was not observed, 4 a fault of upheld or of the ledger.
    """
    console = Output(no_color=no_color)
    found = chosen(load_fleet(file), only)
    if listing:
        for line in listed(found):
            console.print(line, markup=False)
        return 0
    _installed()
    from upheld.fleet.cluster import Choice, checked, connected  # noqa: PLC0415  (Dask takes long to import)
    from upheld.fleet.driving import drive  # noqa: PLC0415
    from upheld.fleet.terms import Terms  # noqa: PLC0415

    terms = Terms(
        processes=processes,
        time_limit=period(time_limit, "--time-limit").total_seconds(),
        lease=_lease(lease),
    )
    choice = Choice(workers, scheduler, tls_ca, tls_cert, tls_key, without_tls)
    checked(choice)
    kept = _ledger(ledger)
    progress = _Progress(console)
    with stoppable() as stop, connected(choice) as client:
        progress.begins(found, choice)
        run = drive(
            found, client, out, kept, resume=resume, terms=terms, stop=stop, told=progress.told, say=progress.say
        )
    progress.ends(run, out, kept)
    code = run.code()
    context.exit(code)
    return code


def chosen(fleet: Fleet, only: Iterable[str]) -> Fleet:
    """The fleet with those of its targets that were asked for; raises InputError for a name or glob that fits none."""
    wanted = tuple(only)
    if not wanted:
        return fleet
    names = [one.name for one in fleet.members]
    mistakes = [
        Mistake("--only", 0, 0, "fits no target of the fleet", repr(one), nearest=nearest(one, names))
        for one in wanted
        if not any(fnmatchcase(name, one) for name in names)
    ]
    if mistakes:
        raise InputError(mistakes)
    members = tuple(one for one in fleet.members if any(fnmatchcase(one.name, pattern) for pattern in wanted))
    # Another choice is another run: one is not resumed as the other.
    digest = hashlib.sha256("\0".join([fleet.digest, *(one.name for one in members)]).encode()).hexdigest()
    return dataclasses.replace(fleet, members=members, digest=digest)


def listed(fleet: Fleet) -> Iterator[str]:
    """What a fleet expands to, a line for each target."""
    yield f"{fleet.name}: {several(len(fleet.members), 'target')}"
    width = max(len(one.name) for one in fleet.members)
    for one in fleet.members:
        claims = f", claims {', '.join(one.claims)}" if one.claims else ""
        waivers = f", waivers {one.waivers}" if one.waivers else ""
        yield f"  {one.name:<{width}}  {one.place}  policy {one.policy}{claims}{waivers}"
        yield f"  {'':<{width}}  {', '.join(sorted(one.hosts)) or 'no host'}"


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set; a second one interrupts."""
    stop = threading.Event()

    def stopped(number: int, frame: object) -> None:  # noqa: ARG001
        if stop.is_set():
            raise KeyboardInterrupt(signal.Signals(number).name)
        stop.set()

    # What the caller ignores (SIGHUP under nohup) stays ignored.
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {one: signal.signal(one, stopped) for one in signals if signal.getsignal(one) is not signal.SIG_IGN}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _lease(said: str) -> float:
    seconds = period(said, "--lease").total_seconds()
    if seconds < SHORTEST_LEASE:
        expected = f"at least {SHORTEST_LEASE} s, for a worker asks every few seconds"
        raise InputError([Mistake("--lease", 0, 0, "is too short", repr(said), expected)])
    return seconds


def _installed() -> None:
    if importlib.util.find_spec("distributed") is None:
        message = "needs Dask distributed, which is not installed"
        raise InputError([Mistake("upheld fleet", 0, 0, message, expected="pip install 'upheld[fleet]'")])


def _ledger(named: str | None) -> Ledger | None:
    from upheld.ledger import Ledger, find_place  # noqa: PLC0415  (not needed to list)

    place = find_place(named)
    return Ledger.open(place) if place is not None else None


class _Progress:
    """What is printed while a fleet is audited, and at its end; of each target only one line is kept."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, tuple[Status, Text]] = {}

    def say(self, said: str) -> None:
        """Something that whoever watches should know."""
        self._console.print(words(self._console, said, "dim", _TEXT), markup=False)

    def begins(self, fleet: Fleet, choice: Choice) -> None:
        """Say what is audited, and where."""
        where = f"the workers of {choice.scheduler}" if choice.scheduler else "workers of this machine"
        self.say(f"{fleet.name}: {several(len(fleet.members), 'target')} on {where}")

    def told(self, member: MemberRun, run: Run | None, through: int, targets: int) -> None:
        """One target is through."""
        console = self._console
        if member.state == RAN and run is not None:
            said = headline(run)
            tone, text = said.tone, said.text
        else:
            tone, text = Status.INCONCLUSIVE, f"not observed: {member.reason}"
        before = f", from before: {run.started}" if member.resumed and run is not None else ""
        line = Text().join(
            [
                words(console, f"{shape(tone, console)} {member.name}", STYLES[tone]),
                words(console, f"  {text}", limit=_TEXT),
                words(console, f"  {member.seconds:.1f} s{before}", "dim"),
            ]
        )
        self._lines[member.name] = tone, line
        console.print(Text(f"[{through}/{targets}] ") + line)

    def ends(self, run: FleetRun, out: Path, ledger: Ledger | None) -> None:
        """Say what the fleet came to, worst first, and where it stands."""
        console = self._console
        console.print()
        dark = [one for one in run.members if one.state != RAN]
        counts = Counter(self._lines[one.name][0] for one in run.members if one.state == RAN)
        parts = [several(len(run.members), "target")]
        parts += [f"{counts[status]} {status}" for status in reversed(Status) if counts[status]]
        parts += [f"{len(dark)} not observed"] if dark else []
        console.print(words(console, f"{run.fleet}: {', '.join(parts)}", "bold"))
        worst = sorted(
            (one for one in run.members if one.state != RAN or self._lines[one.name][0] is not Status.UPHELD),
            key=lambda one: (-self._lines[one.name][0].rank, one.state == RAN, one.name),
        )
        for one in worst[:MOST_SHOWN]:
            console.print(Text("  ") + self._lines[one.name][1])
        if len(worst) > MOST_SHOWN:
            console.print(f"  and {len(worst) - MOST_SHOWN} more")
        for note in run.notes:
            console.print(words(console, note, "bold", _TEXT))
        console.print(f"report: {out / 'report.html'}   account: {out / 'fleet.json'}", markup=False)
        if ledger is not None:
            console.print(f"ledger: {ledger.place}", markup=False)
