"""Whether a log is whole from a time or a mark on: files that are rotated, copied, compressed and removed while they are looked at."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.log_files import logs_by_file
from upheld.probes.logs import Logs

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture
def logs(session_of: Callable[..., Session]) -> Logs:
    probe = session_of(logs=[{"name": "audit", "path": "*.log", "security": True}]).probe(Logs)
    assert isinstance(probe, Logs)
    return probe


def line(minutes: int, text: str) -> str:
    return f"{NOW + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ} {text}\n"


def test_a_log_that_begins_later_shows_not_what_was_before(logs: Logs, tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text(line(5, "login of anna"))
    assert logs.contains("login of anna", since=NOW).count == 1
    with pytest.raises(Unobservable, match=r"log audit: audit\.log: it begins at .*, and nothing older is there"):
        logs.contains("lockout of anna", since=NOW)
    assert not logs.contains("lockout of anna").found


@pytest.mark.parametrize(
    "name", ["audit.log.1", "audit.log.2.gz", "audit.log-20261125", "audit-20261125.log", "audit.7.log"]
)
def test_a_rotated_part_covers_what_was_before(logs: Logs, tmp_path: Path, name: str) -> None:
    older = line(-5, "login of bert").encode()
    (tmp_path / "audit.log").write_text(line(5, "login of anna"))
    (tmp_path / name).write_bytes(gzip.compress(older) if name.endswith("gz") else older)
    assert not logs.contains("lockout of anna", since=NOW).found
    with pytest.raises(Unobservable, match="nothing older is there"):
        logs.contains("lockout of anna", since=NOW - timedelta(minutes=10))


def test_another_log_does_not_cover_it(logs: Logs, tmp_path: Path) -> None:
    (tmp_path / "node-1.log").write_text(line(-5, "login of bert"))
    (tmp_path / "node-2.log").write_text(line(5, "login of anna"))
    with pytest.raises(Unobservable, match=r"node-2\.log: it begins"):
        logs.contains("lockout", since=NOW)


def test_a_log_that_is_empty_shows_nothing_of_before(logs: Logs, tmp_path: Path) -> None:
    (tmp_path / "audit.log").touch()
    with pytest.raises(Unobservable, match="it is empty, so that from when on it is kept is not known"):
        logs.contains("lockout", since=NOW)
    (tmp_path / "audit.log.1").write_text(line(-5, "login of bert"))
    assert not logs.contains("lockout", since=NOW).found


def test_files_that_are_parts_of_one_log() -> None:
    names = [
        "audit.log",
        "audit.log.1",
        "audit.log.2.gz",
        "audit.log-20261125.gz",
        "audit-2026-11-25.log",
        "audit.7.log",
    ]
    assert set(logs_by_file(names).values()) == {"audit.log"}
    assert set(logs_by_file(["audit.log-2026112513", "audit.log.old", "audit.log.2026-11-25T13"]).values()) == {
        "audit.log"
    }
    assert logs_by_file(["syslog.1", "syslog.2.gz"]) == {"syslog.1": "syslog", "syslog.2.gz": "syslog"}
    apart = [
        "node-1.log",
        "node-2.log",
        "worker.1.log",
        "worker.2.log",
        "10.0.0.1",
        "10.0.0.2",
        "a/b.log",
        "c/b.log",
        "v1",
    ]
    assert logs_by_file(apart) == {one: one for one in apart}


# --- since a mark -----------------------------------------------------------------------------------------------------


def test_a_file_that_was_renamed_goes_on_where_it_ended(logs: Logs, tmp_path: Path) -> None:
    log, older = tmp_path / "audit.log", tmp_path / "audit.log.1"
    older.write_text("login of anna\n" * 2)
    log.write_text("login of anna\n" * 3)
    mark = logs.mark()
    with log.open("a") as file:
        file.write("login of bert\n")
    older.rename(tmp_path / "audit.log.2")
    log.rename(older)
    log.write_text("login of carl\n")
    assert not logs.contains("login of anna", since=mark).found
    assert logs.contains("login of bert", since=mark).count == 1
    assert logs.contains("login of carl", since=mark).count == 1
    assert logs.lines_since(mark) == 2


def test_a_file_that_was_compressed_may_hold_what_is_older(logs: Logs, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("login of anna\n")
    mark = logs.mark()
    (tmp_path / "audit.log.1.gz").write_bytes(gzip.compress(log.read_bytes() + b"login of bert\n"))
    log.unlink()
    log.write_text("login of carl\n")
    for name in ("anna", "bert"):
        with pytest.raises(Unobservable, match="rotated meanwhile"):
            logs.contains(f"login of {name}", since=mark)
    assert logs.contains("login of carl", since=mark).count == 1
    assert not logs.contains("login of dora", since=mark).found
    assert logs.lines_since(mark) <= 1


def test_a_file_that_was_copied_and_emptied_may_hold_what_is_older(logs: Logs, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("login of anna\n")
    mark = logs.mark()
    shutil.copy(log, tmp_path / "audit.log.1")
    log.write_text("new\n")
    with pytest.raises(Unobservable, match="rotated meanwhile"):
        logs.contains("login of anna", since=mark)
    assert logs.contains("new", since=mark).found
    assert not logs.contains("login of dora", since=mark).found
    assert logs.lines_since(mark) == 1


def test_what_was_emptied_or_removed_shows_nothing_of_what_was_there(logs: Logs, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("login of anna\n" * 2)
    mark = logs.mark()
    log.write_text("new\n")
    with pytest.raises(Unobservable, match=r"audit\.log: it was emptied since"):
        logs.contains("login of bert", since=mark)
    assert logs.contains("new", since=mark).found
    log.write_text("login of anna\n" * 2)
    mark = logs.mark()
    (tmp_path / "kept").write_text("so that the number of the file is not used again")
    log.rename(tmp_path / "kept")
    log.write_text("new\n")
    with pytest.raises(Unobservable, match="the file that was written to is gone since"):
        logs.contains("login of bert", since=mark)


def test_old_parts_that_go_away_take_nothing_with_them(logs: Logs, tmp_path: Path) -> None:
    log, older = tmp_path / "audit.log", tmp_path / "audit.log.1"
    older.write_text("login of anna\n")
    log.write_text("login of anna\n")
    os.utime(older, (1, 1))
    mark = logs.mark()
    older.unlink()
    assert not logs.contains("login of bert", since=mark).found


def test_a_leak_is_seen_in_what_cannot_be_read_to_its_end(logs: Logs, tmp_path: Path) -> None:
    secret = "canary-Zk93mQpX7vTb2LwRy"
    logs.session.redactor.add(secret, "canary")
    (tmp_path / "audit.log").write_text("clean\n")
    (tmp_path / "audit.log.1.gz").write_bytes(gzip.compress(f"{secret}\n".encode() + bytes(3 << 20))[:-20])
    searched = logs.search(("[redacted:canary]",))
    assert [hit.file for hit in searched.hits] == ["audit.log.1.gz"]
    assert [one.name for one in searched.unread] == ["audit.log.1.gz"]
    assert [one.name for one in searched.files] == ["audit.log"]
