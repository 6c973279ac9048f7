"""Which checks run beside which, over two worker processes."""

from __future__ import annotations

import pytest

CHECKS = '''
import time
from collections.abc import Iterator
from pathlib import Path

from upheld import OBSERVED, Finding, check
from upheld.probes.base import Probe, look
from upheld.probes.clock import Clock

HERE = Path(__file__).parent


class Live(Probe):
    """Something that looks at the running system."""

    name = "live"

    @look
    def note(self, word: str) -> str:
        """Write a word down."""
        with (HERE / "log").open("a") as file:
            file.write(f"{word}\\n")
        return word


def detached() -> int:
    """How many detached checks have begun."""
    return len(list(HERE.glob("detached-*")))


@check(basis=OBSERVED, exclusive=True)
def disturbs(live: Live) -> Iterator[Finding]:
    """It disturbs."""
    live.note("in")
    before = detached()
    for _ in range(300):
        if detached() > before:
            break
        time.sleep(0.1)
    live.note("out")
    yield Finding("another", detached() > before, "begins meanwhile", str(detached()))


@check(basis=OBSERVED, intrusive=True, undisturbed=True)
def would_notice(live: Live) -> Iterator[Finding]:
    """It would notice what others change."""
    live.note("alone")
    time.sleep(0.5)
    live.note("no longer")
    yield Finding("it", True, "", "")


@check(basis=OBSERVED, intrusive=True)
def changes(live: Live, *, number: int = 0) -> Iterator[Finding]:
    """It changes something."""
    live.note(f"change {number}")
    yield Finding("change", True, "", "")


@check(basis=OBSERVED)
def is_detached(clock: Clock, *, number: int = 0) -> Iterator[Finding]:
    """It looks at nothing that could be disturbed."""
    (HERE / f"detached-{number}").touch()
    clock.wait(0.5)
    yield Finding("it", True, "", "")


@check(basis=OBSERVED)
def looks(live: Live, *, number: int = 0) -> Iterator[Finding]:
    """It looks."""
    live.note(f"look {number}")
    yield Finding("look", True, "", "")
'''
LEAVING = '''
import time
from collections.abc import Iterator
from pathlib import Path

from upheld import OBSERVED, Finding, check
from upheld.probes.base import Probe, look
from upheld.probes.planted import Planted

PLANTED = Path(__file__).parent.parent / "kept" / "planted"
ONCE = Path(__file__).parent.parent / "once"


class Kept(Probe):
    """A folder of the running system."""

    name = "kept"

    @look
    def plant(self) -> str:
        """Plant a file, which whoever closes the session removes."""
        self.session.journal.about(Planted("file", "a file", file=str(PLANTED)))
        PLANTED.touch()
        ONCE.touch()
        return "planted"

    @look
    def there(self) -> bool:
        """Whether the file is there."""
        return PLANTED.exists()


@check(basis=OBSERVED, intrusive=True)
def leaves(kept: Kept) -> Iterator[Finding]:
    """It leaves something behind."""
    yield Finding("it", True, "", kept.plant())


@check(basis=OBSERVED)
def waits(kept: Kept, *, number: int = 0) -> Iterator[Finding]:
    """It sees that something was planted, which may be gone again by now."""
    until = time.monotonic() + 60
    while not ONCE.exists() and time.monotonic() < until:
        time.sleep(0.05)
    yield Finding("the file", ONCE.exists(), "", str(kept.there()))


@check(basis=OBSERVED, exclusive=True)
def stays_alone(kept: Kept) -> Iterator[Finding]:
    """It is disturbed by whatever changes."""
    before = kept.there()
    time.sleep(2)
    yield Finding("the file", before == kept.there(), "there all the while, or gone before", f"{before}, {kept.there()}")
'''
SHARED = 6
DETACHED = 8


@pytest.mark.parametrize("distribution", ["load", "worksteal"])
def test_detached_checks_run_beside_exclusive_ones_and_others_do_not(project, distribution):
    (project.folder / "checks" / "own.py").write_text(CHECKS, encoding="utf-8")
    project.claims(
        ("first", "own.disturbs"),
        ("second", "own.would_notice"),
        *((f"beside-{number}", f"own.is_detached: {{number: {number}}}") for number in range(DETACHED)),
        *((f"more-{number}", f"own.looks: {{number: {number}}}") for number in range(SHARED)),
        *((f"change-{number}", f"own.changes: {{number: {number}}}") for number in range(SHARED)),
    )
    done = project.pytest("policies.yaml", "-n", "2", "--dist", distribution)
    assert f"{2 * SHARED + DETACHED + 2} passed" in done.stdout, done.stdout
    log = (project.folder / "checks" / "log").read_text(encoding="utf-8").splitlines()
    looks, changes = ([f"{what} {number}" for number in range(SHARED)] for what in ("look", "change"))
    assert sorted(log) == sorted(["in", "out", "alone", "no longer", *looks, *changes])
    assert log.index("out") == log.index("in") + 1, "something looked while the exclusive check ran"
    meanwhile = log[log.index("alone") : log.index("no longer")]
    assert not set(meanwhile) & set(changes), "something changed while the undisturbed check ran"


def test_what_is_left_behind_is_removed_beside_no_check_that_is_to_be_alone(project):
    (project.folder / "checks" / "own.py").write_text(LEAVING, encoding="utf-8")
    (project.folder / "kept").mkdir()
    with (project.folder / "target.yaml").open("a", encoding="utf-8") as file:
        file.write("retention: {files: [{name: kept, folder: kept}]}\n")
    # One worker plants and looks, and has nothing left to do while the other is at what is to be alone.
    waits = ((f"more-{number}", f"own.waits: {{number: {number}}}") for number in range(2))
    project.claims(("first", "own.leaves"), ("second", "own.stays_alone"), *waits)
    done = project.pytest("policies.yaml", "-n", "2")
    assert "4 passed" in done.stdout, done.stdout
    assert not list((project.folder / "kept").iterdir())


def test_more_workers_than_checks_lose_none(project):
    project.claims(("good", "own.holds"))
    assert "1 passed" in project.pytest("policies.yaml", "-n", "3").stdout
