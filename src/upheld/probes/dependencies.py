"""Scanning lock files for packages that published advisories speak of.

Python's are scanned by pip-audit, which asks a service on the loopback address that this probe makes over the declared
advisories; other ecosystems are matched with the same records. What is skipped is told, and never counts as scanned.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.git import Git
from upheld.probes.http import place
from upheld.probes.http_client import HttpClient
from upheld.probes.lock_files import PYPI, Pin, Pins, read_lock_file
from upheld.probes.osv import Query, mirror_query, read_mirror, relay, service_query
from upheld.probes.resting import DESCRIBED, Arguments, Resting, Rests
from upheld.probes.sending import HTTP, Sending, Sends
from upheld.probes.tools import find_tool, run_tool

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.code import Advisories
    from upheld.target.model import Target

SECONDS = 120.0
"""How long pip-audit may take."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the advisories come from: `dated` is the mirror's day, None for a service that answers now."""

    name: str
    dated: date | None


@dataclass(frozen=True, slots=True)
class Vulnerable:
    """A package that advisories speak of, by their ids."""

    package: str
    advisories: tuple[str, ...]

    def __str__(self) -> str:
        """`jinja2 3.1.3 (GHSA-…, GHSA-…)`."""
        return f"{self.package} ({', '.join(self.advisories)})"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of one lock file saw: how many packages, by what, which were skipped and why, and which are vulnerable."""

    ecosystem: str
    scanner: str
    scanned: int
    skipped: tuple[tuple[str, str], ...]
    vulnerable: tuple[Vulnerable, ...]


_PUBLISHED = "what advisories were published"


def _the_lock_file(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    return lambda path: path == arguments.get("lock_file")


class Dependencies(Probe):
    """Lock files of the repository, held against `advisories` of the target."""

    name = "dependencies"
    detached = True
    needs = ("repository", "advisories")
    rests: ClassVar[Resting] = {
        "source": DESCRIBED,
        "control": Rests(tools=("pip-audit",), outside=_PUBLISHED),
        "ecosystem": Rests(content=_the_lock_file),
        "scan": Rests(content=_the_lock_file, tools=("pip-audit",), outside=_PUBLISHED),
    }
    sends: ClassVar[Sending] = dict.fromkeys(
        ("source", "control", "scan"),
        (Sends(HTTP, "POST {advisories.url}/v1/query, each package of the lock files"),),
    )

    def __init__(self, session: Session) -> None:
        """Reads nothing yet."""
        super().__init__(session)
        self._client = HttpClient(session)
        self._asked: Query | None = None
        self._audited: dict[Pin, tuple[str, ...]] = {}

    @look
    def source(self) -> Source:
        """Where the advisories come from, and of which day they are."""
        described = self._described
        return Source(described.folder or str(described.url), described.dated if described.folder else None)

    @look
    def control(self, ecosystem: str) -> Scan:
        """A scan of one package that is known to be vulnerable; one that finds nothing there would find nothing anywhere."""
        known = self._control(ecosystem)
        if known is None:
            raise Unobservable(f"the target names no package of {ecosystem} that is known to be vulnerable")
        return self._scan(Pins(ecosystem, (known,), ()))

    @look
    def ecosystem(self, lock_file: str) -> str:
        """The ecosystem of a lock file, in OSV's words."""
        return self._pins(lock_file).ecosystem

    @look
    def scan(self, lock_file: str) -> Scan:
        """A scan of everything that a lock file at the branch's head pins."""
        pins = self._pins(lock_file)
        if not pins.pins:
            raise Unobservable(f"{lock_file} pins nothing that can be scanned")
        return self._scan(pins)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Advisories:
        if self.target.advisories is None:
            raise Unobservable("the target describes no advisories")
        return self.target.advisories

    def _control(self, ecosystem: str) -> Pin | None:
        name, _, version = self._described.controls.get(ecosystem, "").partition("==")
        return Pin(name, version) if version else None

    def _pins(self, lock_file: str) -> Pins:
        git = cast("Git", self.session.probe(Git))
        try:
            return read_lock_file(lock_file, git.text(lock_file))
        except ImportError as error:
            raise Unobservable(f"reading lock files needs {error.name}: pip install 'upheld[code]'") from error

    def _query(self) -> Query:
        if self._asked is None:
            described = self._described
            if described.folder is not None:
                self._asked = mirror_query(read_mirror(self.session.target_folder / described.folder))
            else:
                self._asked = service_query(self._client, str(described.url))
        return self._asked

    def _scan(self, pins: Pins) -> Scan:
        if pins.ecosystem == PYPI:
            found = self._pip_audit(pins.pins)
            scanner = "pip-audit"
        else:
            query = self._query()
            found = {
                pin: tuple(sorted(str(record["id"]) for record in query(pins.ecosystem, pin.name, pin.version)))
                for pin in pins.pins
            }
            scanner = "OSV records"
        bad = tuple(Vulnerable(str(pin), ids) for pin, ids in found.items() if ids)
        missing = tuple((str(pin), "was not scanned") for pin in pins.pins if pin not in found)
        return Scan(pins.ecosystem, scanner, len(found), (*pins.skipped, *missing), bad)

    def _pip_audit(self, pins: Sequence[Pin]) -> dict[Pin, tuple[str, ...]]:
        """What pip-audit says of each package; those of which it says nothing, or that it skipped, are missing."""
        wanted = [pin for pin in pins if pin not in self._audited]
        if wanted:
            # A start of pip-audit costs more than the scan, so everything Python that there is goes along the first time.
            everything = sorted({*wanted, *self._all_python()})
            for pin, ids in self._ask_pip_audit(everything).items():
                self._audited[pin] = ids
        return {pin: self._audited[pin] for pin in pins if pin in self._audited}

    def _all_python(self) -> Iterator[Pin]:
        from upheld.probes.codebase import Codebase  # noqa: PLC0415  (only where it is needed)

        if control := self._control(PYPI):
            yield control
        codebase = cast("Codebase", self.session.probe(Codebase))
        with contextlib.suppress(Unobservable):
            for lock in codebase.lock_files():
                # What cannot be read is told when that file is scanned.
                with contextlib.suppress(Unobservable):
                    pins = self._pins(lock.path)
                    if pins.ecosystem == PYPI and not lock.left_out:
                        yield from pins.pins

    def _ask_pip_audit(self, pins: Sequence[Pin]) -> dict[Pin, tuple[str, ...]]:
        tool = find_tool("pip-audit", "pip install 'upheld[code]'")
        query = self._query()
        self.session.scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="pip-audit-", dir=self.session.scratch))
        try:
            report = folder / "report.json"
            found: dict[Pin, tuple[str, ...]] = {}
            with relay(query) as (url, faults):
                command = [tool, "--disable-pip", "--no-deps", "-s", "osv", "--osv-url", url, "-f", "json", "-o"]
                command += [str(report), "--progress-spinner", "off", "--cache-dir", str(folder), "-r"]
                for file in _written(pins, folder):
                    try:
                        said = run_tool(
                            [*command, str(file)],
                            folder=folder,
                            report=report,
                            seconds=SECONDS,
                            places=[place(url)],
                        )
                    except Unobservable as unobservable:
                        if faults:
                            raise Unobservable(faults[0]) from unobservable
                        raise
                    if faults:
                        raise Unobservable(faults[0])
                    found |= _as_told(said, pins)
            return found
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _written(pins: Sequence[Pin], folder: Path) -> list[Path]:
    """Files for as many runs of pip-audit as it takes, for it takes only one version of a package at a time."""
    rounds: list[dict[str, Pin]] = []
    for pin in pins:
        place = next((one for one in rounds if pin.name not in one), None)
        if place is None:
            rounds.append(place := {})
        place[pin.name] = pin
    files = []
    for number, one in enumerate(rounds):
        files.append(folder / f"requirements-{number}.txt")
        files[-1].write_text("".join(f"{pin.name}=={pin.version}\n" for pin in one.values()), encoding="utf-8")
    return files


def _as_told(said: Any, pins: Sequence[Pin]) -> dict[Pin, tuple[str, ...]]:
    asked = {(pin.name, pin.version): pin for pin in pins}
    found: dict[Pin, tuple[str, ...]] = {}
    try:
        for one in said["dependencies"]:
            pin = asked.get((str(one["name"]), str(one.get("version", ""))))
            if pin is not None and "skip_reason" not in one:
                ids = {identity for each in one["vulns"] for identity in _ids(each)}
                found[pin] = tuple(sorted(ids))
    except (KeyError, TypeError, AttributeError) as error:
        raise Unobservable(f"the report of pip-audit cannot be understood: {error}") from error
    return found


def _ids(vulnerability: dict[str, Any]) -> Iterator[str]:
    """The advisory's id, as the same records are named in other ecosystems: GitHub's where it has one."""
    names = [str(vulnerability["id"]), *map(str, vulnerability.get("aliases", ()))]
    yield next((name for name in names if name.startswith("GHSA-")), names[0])
