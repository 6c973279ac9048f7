"""Journals: a real journald writes them, and the real journalctl prints them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journald import Journald, cannot
from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.logs import Logs

SECRET = "canary-Zk93mQpX7vTb2LwRy"
FOUND = ("[redacted:canary]",)
DROPPED = "a596d6fe7bfa4994828e72309e95d61e"
needs_journald = pytest.mark.skipif(bool(cannot()), reason=cannot() or "-")


@pytest.fixture(scope="module")
def journald(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journald]:
    daemon = Journald(tmp_path_factory.mktemp("journald"))
    try:
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture
def logs(session_of: Callable[..., Session]) -> Callable[..., Logs]:
    def make(unit: str, directory: Path, **more: Any) -> Logs:
        source = {"name": "app", "journald": {"unit": unit, "directory": str(directory)}, "security": True, **more}
        probe = session_of(logs=[source]).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


@needs_journald
@pytest.mark.parametrize("through", [{}, {"connection": "local://"}])
def test_entries_of_a_unit_are_searched_in_every_field(
    logs: Callable[..., Logs], journald: Journald, through: dict[str, str]
) -> None:
    unit = f"shop{len(through)}.service"
    probe = logs(unit, journald.directory, **through)
    journald.send(unit, "started")
    probe._begun = datetime.now(UTC)
    journald.send(unit, "a request", TOKEN=SECRET)
    journald.send("other.service", f"not of this unit: {SECRET}")
    journald.send(unit, f"\x1b[31m{SECRET[:12]}\x1b[0m{SECRET[12:]} {'x' * 100_000}")
    searched = probe.search(FOUND)
    assert not searched.unread
    assert [hit.line for hit in searched.hits] == [2, 3]
    assert searched.hits[0].file == f"journal of {unit}"
    assert "\x1b" not in str(searched)


@needs_journald
def test_what_was_written_since_a_mark_counts(logs: Callable[..., Logs], journald: Journald) -> None:
    probe = logs("login.service", journald.directory)
    journald.send("login.service", "login of anna failed")
    mark = probe.mark()
    assert not probe.contains("anna failed", since=mark, kind="security").found
    assert probe.lines_since(mark) == 0
    journald.send("login.service", "login of Anna failed")
    evidence = probe.contains("anna failed", since=mark, kind="security")
    assert (evidence.count, evidence.source) == (1, "app")
    assert probe.lines_since(mark) == 1
    assert probe.contains("anna failed", since=mark.at).count == 1
    assert probe.contains("anna failed").count == 2


@needs_journald
def test_a_unit_without_entries_is_never_clean(logs: Callable[..., Logs], journald: Journald) -> None:
    """Its name may be mistaken, and journalctl then prints nothing and ends well."""
    journald.send("other.service", "something")
    probe = logs("ship.service", journald.directory)
    with pytest.raises(Unobservable, match="nothing is kept there"):
        probe.search(FOUND)
    for since in (None, datetime.now(UTC), probe.mark()):
        with pytest.raises(Unobservable, match=r"nothing is kept there|from when on it is kept is not known"):
            probe.contains("lockout", since=since)
    with pytest.raises(Unobservable, match="nothing is kept there"):
        probe.tried(probe.target.logs[0])


@needs_journald
def test_what_a_journal_lost_is_not_taken_for_not_there(logs: Callable[..., Logs], journald: Journald) -> None:
    unit = "lost.service"
    probe = logs(unit, journald.directory)
    journald.send(unit, "started")
    mark = probe.mark()
    probe._begun = datetime.now(UTC)
    journald.send(unit, "login of bert failed")
    journald.rotate()
    journald.send(unit, "something else")
    assert probe.contains("bert failed", since=mark).found
    assert not probe.contains("carl failed", since=mark).found
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("carl failed", since=mark.at - timedelta(minutes=5))
    assert not probe.search(FOUND).unread
    journald.vacuum()
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("bert failed", since=mark)
    assert probe.contains("something else", since=mark).found
    with pytest.raises(Unobservable, match="after the harness began"):
        probe.search(FOUND)


@needs_journald
def test_what_journald_left_out_is_said(logs: Callable[..., Logs], journald: Journald) -> None:
    """The entry is what journald itself writes for a unit that writes too much; here the test sends it."""
    unit = "chatty.service"
    probe = logs(unit, journald.directory)
    journald.send(unit, "started")
    mark = probe.mark()
    probe._begun = datetime.now(UTC)
    journald.send(unit, f"Suppressed 512 messages from {unit}", MESSAGE_ID=DROPPED, N_DROPPED="512")
    journald.send(unit, f"leaked {SECRET}")
    searched = probe.search(FOUND)
    assert searched.hit_count == 1
    assert "journald left out 512 messages" in searched.unread[0].reason
    assert probe.contains("leaked", since=mark).found
    with pytest.raises(Unobservable, match="left out 512 messages"):
        probe.contains("not there", since=mark)


@needs_journald
def test_a_journal_that_may_not_be_read_is_never_clean(
    logs: Callable[..., Logs], journald: Journald, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journald.send("shop.service", "something")
    program = tmp_path / "journalctl"
    program.write_text(f'#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups {shutil.which("journalctl")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin:/usr/sbin:/sbin")
    probe = logs("shop.service", journald.directory)
    for look in (
        lambda: probe.search(FOUND),
        probe.mark,
        lambda: probe.contains("something"),
        lambda: probe.tried(probe.target.logs[0]),
    ):
        with pytest.raises(Unobservable, match=r"(?i)permission"):
            look()


@pytest.mark.skipif(shutil.which("journalctl") is None, reason="journalctl is not installed")
def test_a_folder_without_a_journal_is_never_clean(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app.service", tmp_path)
    with pytest.raises(Unobservable):
        probe.search(FOUND)
    with pytest.raises(Unobservable):
        probe.contains("lockout", since=datetime.now(UTC))
