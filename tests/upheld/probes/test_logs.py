"""The logs probe on real files: rotated, compressed, broken, unreadable and growing ones."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import resource
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upheld.errors import Unobservable
from upheld.probes import logs as logs_module
from upheld.probes.base import Session
from upheld.probes.logs import Logs, LogsSearched

SECRET = "canary-Zk93mQpX7vTb2LwRy"


@pytest.fixture
def logs(session_of: Callable[..., Session], tmp_path: Path) -> Callable[..., Logs]:
    def make(*sources: Any) -> Logs:
        (tmp_path / "logs").mkdir(exist_ok=True)
        described = [one if isinstance(one, dict) else {"name": one, "path": f"logs/{one}.log"} for one in sources]
        probe = session_of(logs=described).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


def search(probe: Logs) -> LogsSearched:
    with probe.session.recording("t") as recorder:
        searched = probe.search(("[redacted:canary]",))
    assert SECRET not in str(recorder.observations)
    return searched


def test_rotated_and_compressed_files_are_read(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app")
    line = f"x\nuser {SECRET} end\n".encode()
    names = {
        "app.log.1": line,
        "app.log.2.gz": gzip.compress(line),
        "app.log.3.bz2": bz2.compress(line),
        "app.log.4.xz": lzma.compress(line),
    }
    names |= {
        "app-20261101.log": line,
        "app.log-20261102.gz": gzip.compress(line),
        "app.7.log": line,
        "app.log": b"clean\n",
    }
    for name, content in names.items():
        (tmp_path / "logs" / name).write_bytes(content)
    (tmp_path / "logs" / "other.log").write_bytes(line)
    (tmp_path / "logs" / "app.log.d").mkdir()
    searched = search(probe)
    assert {file.name for file in searched.files} == set(names)
    assert {(hit.file, hit.line, hit.encoding) for hit in searched.hits} == {
        (name, 2, "plain") for name in names if name != "app.log"
    }
    assert {hit.excerpt for hit in searched.hits} == {"user [redacted:canary] end"}
    assert searched.bytes == 7 * len(line) + 6
    assert searched.lines == 15


def test_what_stands_beside_a_leak_gives_nothing_away(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app")
    other = "b3RoZXJzZWNyZXQtb3RoZXJzZWNyZXQ"
    (tmp_path / "logs/app.log").write_text(f"key={other} token={SECRET} \x1b[31m<b>{other}\n")
    (hit,) = search(probe).hits
    assert other not in hit.excerpt
    assert "[redacted:canary]" in hit.excerpt
    assert "\x1b" not in hit.excerpt


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("app.log.1.gz", gzip.compress(b"line\n" * 1000, mtime=0)[:-20], "cannot be read"),
        ("app.log.1.gz", b"not gzip at all", "cannot be read"),
        ("app.log.1.xz", b"not xz at all", "cannot be read"),
        ("app.log.1.bz2", b"not bz2 at all", "cannot be read"),
        ("app.log.1.zst", b"whatever", "compressed in a way that cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_so_and_the_others_are_read(
    logs: Callable[..., Logs], tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    probe = logs("app", "missing")
    (tmp_path / "logs/app.log").write_text(f"{SECRET}\n")
    (tmp_path / "logs" / name).write_bytes(content)
    searched = search(probe)
    assert [file.name for file in searched.files] == ["app.log"]
    assert searched.hit_count == 1
    unread = {(one.source, one.name): one.reason for one in searched.unread}
    assert reason in unread["app", name]
    assert unread["missing", ""] == "no file at logs/missing.log"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app")
    (tmp_path / "logs/app.log").write_text("a\n")
    os.mkfifo(tmp_path / "logs/app.log.1")
    assert [one.reason for one in search(probe).unread] == ["it is no regular file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_unread(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app")
    (tmp_path / "logs/app.log").write_text("a\n")
    (tmp_path / "logs/app.log.1").write_text("a\n")
    (tmp_path / "logs/app.log.1").chmod(0)
    assert [one.reason for one in search(probe).unread] == ["permission denied"]


def test_a_decompression_bomb_is_given_up(
    logs: Callable[..., Logs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_module, "UNPACKED_LIMIT", 8 << 20)
    probe = logs("app")
    (tmp_path / "logs/app.log").write_text("a\n")
    (tmp_path / "logs/app.log.1.gz").write_bytes(gzip.compress(bytes(64 << 20)))
    assert [one.reason for one in search(probe).unread] == ["it holds more than 8 MiB"]


def test_nothing_to_search_is_unobservable(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app")
    with pytest.raises(Unobservable, match=r"log app: no file at logs/app\.log"):
        search(probe)
    (tmp_path / "logs/app.log").touch()
    with pytest.raises(Unobservable, match="every log file is empty"):
        search(probe)
    (tmp_path / "logs/app.log").write_text("a\n")
    with pytest.raises(Unobservable, match="nothing to search the logs for"):
        probe.search(())
    with pytest.raises(Unobservable, match="not known to this run"):
        probe.search(("[redacted:stranger]",))


def test_contains_counts_only_what_came_after_the_mark(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app", {"name": "audit", "path": "logs/audit.log", "security": True})
    app, audit = tmp_path / "logs/app.log", tmp_path / "logs/audit.log"
    app.write_text("login failed for anna\n")
    audit.write_text("login failed for anna\n")
    mark = probe.mark()
    assert not probe.contains("login failed", since=mark).found
    with audit.open("a") as file:
        file.write("start\nLOGIN FAILED for bert\n")
    evidence = probe.contains("login failed", kind="security", since=mark)
    assert (evidence.count, evidence.source, evidence.file, evidence.line) == (1, "audit", "audit.log", 2)
    assert probe.contains("login failed").count == 3
    assert probe.contains("bert", kind="security").count == 1
    assert probe.lines_since(mark) == 2
    app.write_text("rotated\n")  # Shorter than at the mark: it was begun anew, and all of it counts.
    assert probe.contains("rotated", since=mark).found


@pytest.mark.parametrize(
    "stamp",
    [
        "%Y-%m-%dT%H:%M:%S.%fZ",
        "%Y-%m-%d %H:%M:%S,000 +0000",
        '{"at": "%Y-%m-%dT%H:%M:%S+00:00"}',
        "[%d/%b/%Y:%H:%M:%S +0000]",
    ],
)
def test_contains_since_a_time_reads_the_lines_times(logs: Callable[..., Logs], tmp_path: Path, stamp: str) -> None:
    probe = logs({"name": "audit", "path": "logs/audit.log", "security": True})
    now = datetime.now(UTC)
    old, new = ((now + timedelta(minutes=m)).strftime(stamp) for m in (-5, 5))
    (tmp_path / "logs/audit.log").write_text(
        f"{old} lockout of anna\n    lockout, continued\n{new} lockout of bert\n    lockout again\n"
    )
    assert probe.contains(kind="security", since=now, text="lockout").count == 2


def test_contains_says_when_it_cannot_see(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app")
    (tmp_path / "logs/app.log").write_text("no time here\n")
    with pytest.raises(Unobservable, match="no security log"):
        probe.contains("lockout", kind="security")
    with pytest.raises(Unobservable, match="carry no time"):
        probe.contains("time", since=datetime.now(UTC))
    (tmp_path / "logs/app.log").unlink()
    with pytest.raises(Unobservable, match="no file"):
        probe.contains("lockout")
    with pytest.raises(Unobservable, match="no file"):
        probe.mark()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measures with getrusage")
def test_a_log_of_200_megabytes_is_searched_in_bounded_memory(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs("app")
    block = b'2026-11-23T10:00:00Z INFO {"path": "/v1/x?q=%20", "ip": "10.0.0.1", "note": "ordinary"}\n' * 10_000
    with (tmp_path / "logs/app.log").open("wb") as file:
        while file.tell() < 200 << 20:
            file.write(block)
        file.write(f"{SECRET}\n".encode())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    searched = search(probe)
    assert searched.hit_count == 1
    assert searched.hits[0].line == searched.lines
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 * 1024 * (1024 if sys.platform == "darwin" else 1)
