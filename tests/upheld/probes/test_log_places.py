"""Logs that are read by commands: files through local://, on real files; engines that are not there."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    probe = logs(path=f"{folder}/app.log", connection="local://")
    searched = probe.search(FOUND)
    assert [(Path(hit.file).name, hit.line) for hit in searched.hits] == [("app.log.1", 2), ("app.log.2.gz", 1)]
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


@pytest.mark.skipif(shutil.which("journalctl") is None, reason="journalctl is not installed")
def test_a_journal_without_entries_is_never_clean(logs: Callable[..., Logs], tmp_path: Path) -> None:
    probe = logs(journald={"unit": "app.service", "directory": str(tmp_path)})
    with pytest.raises(Unobservable):
        probe.search(FOUND)
    with pytest.raises(Unobservable):
        probe.contains("lockout", since=datetime.now(UTC))


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_an_engine_that_is_not_there_is_said(logs: Callable[..., Logs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(Unobservable, match=r"daemon|docker"):
        logs(docker={"container": "app"}).search(FOUND)
