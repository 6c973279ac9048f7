"""Files that are read by commands: through local://, by this machine's own shell, stat, cat and tail."""

from __future__ import annotations

import gzip
import lzma
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.logs import Logs

SECRET = "canary-Zk93mQpX7vTb2LwRy"
FOUND = ("[redacted:canary]",)


@pytest.fixture
def logs(session_of: Callable[..., Session]) -> Callable[..., Logs]:
    def make(**source: Any) -> Logs:
        probe = session_of(logs=[{"name": "app", **source}]).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


def test_files_of_a_host_are_read_rotated_and_compressed(logs: Callable[..., Logs], tmp_path: Path) -> None:
    folder = tmp_path / "a'b $(touch owned) é"
    folder.mkdir()
    (folder / "app.log").write_text("clean\n")
    (folder / "app.log.1").write_text(f"x\n\x1b[31m{SECRET}\n")
    (folder / "app.log.2.gz").write_bytes(gzip.compress(f"{SECRET}\n".encode()))
    (folder / "app.log.3.gz").write_bytes(gzip.compress(b"line\n" * 1000)[:-20])
    (folder / "app.log.4.xz").write_bytes(lzma.compress(f"{SECRET}\n".encode()))
    probe = logs(path=f"{folder}/app.log", connection="local://")
    searched = probe.search(FOUND)
    assert [(Path(hit.file).name, hit.line) for hit in searched.hits] == [
        ("app.log.1", 2),
        ("app.log.2.gz", 1),
        ("app.log.4.xz", 1),
    ]
    assert "\x1b" not in searched.hits[0].excerpt
    assert [Path(one.name).name for one in searched.unread] == ["app.log.3.gz"]
    (folder / "app.log.3.gz").unlink()
    mark = probe.mark()
    assert not probe.contains(SECRET, since=mark).found
    with (folder / "app.log").open("a") as file:
        file.write(f"later {SECRET}\n")
    assert probe.contains(SECRET, since=mark).count == 1
    assert probe.lines_since(mark) == 1
    assert not list(tmp_path.rglob("owned"))


def test_no_file_of_a_host_is_unobservable(logs: Callable[..., Logs], tmp_path: Path) -> None:
    with pytest.raises(Unobservable, match="no file at"):
        logs(path=f"{tmp_path}/none.log", connection="local://").search(FOUND)


def test_a_folder_that_may_not_be_listed_is_said_by_the_exit_code(
    logs: Callable[..., Logs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell without root's rights lists it; the folder's name says nothing."""
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        folder = Path(open_to_all) / "77"
        folder.mkdir()
        (folder / "app.log").write_text("x\n")
        probe = logs(path=f"{folder}/app.log", connection="local://")
        assert not probe.search(FOUND).unread
        if os.geteuid() == 0:
            program = tmp_path / "sh"
            program.write_text('#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups /bin/sh "$@"\n')
            program.chmod(0o755)
            monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        folder.chmod(0)
        try:
            with pytest.raises(Unobservable, match=f"permission denied for {folder}"):
                probe.search(FOUND)
        finally:
            folder.chmod(0o700)


def test_a_log_of_a_host_that_was_renamed_goes_on_where_it_ended(logs: Callable[..., Logs], tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("login of anna failed\n")
    probe = logs(path=str(log), connection="local://", security=True)
    mark = probe.mark()
    log.rename(tmp_path / "app.log.1")
    log.write_text("begun anew\n")
    assert not probe.contains("login of anna", since=mark).found
    assert probe.contains("begun anew", since=mark).found
    assert probe.lines_since(mark) == 1


def test_times_without_a_zone_are_read_in_the_zone_that_is_named(logs: Callable[..., Logs], tmp_path: Path) -> None:
    zone = ZoneInfo("Pacific/Kiritimati")
    now = datetime.now(UTC)
    old, new = ((now + timedelta(minutes=m)).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") for m in (-5, 5))
    (tmp_path / "app.log").write_text(f"{old} lockout of anna\n{new} lockout of bert\n")
    there = {"path": f"{tmp_path}/app.log", "connection": "local://"}
    assert logs(**there, time_zone=zone.key).contains("lockout", since=now).count == 1
    with pytest.raises(Unobservable, match="carry no time that can be read"):
        logs(**there).contains("lockout", since=now)
