"""Logs of another host: a real sshd, the real ssh, and behind them files, a real journald and a real Podman."""

from __future__ import annotations

import gzip
import lzma
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import journald
import podman
import sshd
from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.host import Host
from upheld.probes.logs import Logs

pytestmark = pytest.mark.skipif(bool(sshd.cannot()), reason=sshd.cannot() or "-")
SECRET = "canary-Zk93mQpX7vTb2LwRy"
FOUND = ("[redacted:canary]",)
Make = Callable[..., Logs]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    running = sshd.Sshd(tmp_path_factory.mktemp("sshd"))
    yield running
    running.stop()


@pytest.fixture
def logs(session_of: Callable[..., Session], server: sshd.Sshd) -> Make:
    def make(at: sshd.Sshd = server, **source: Any) -> Logs:
        given = {"name": "app", "security": True, "connection": at.url, **source}
        probe = session_of(logs=[given], timeout_seconds=20).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sshd.Sshd]:
    """One that a test changes or ends."""
    running = sshd.Sshd(tmp_path / "sshd")
    yield running
    running.stop()


def test_files_rotated_and_compressed_are_read(logs: Make, server: sshd.Sshd, tmp_path: Path) -> None:
    """Two shells read the line, the one here and the one there, and neither takes the folder's name for a command."""
    folder = tmp_path / "a'b $(touch owned) `touch owned` \"é"
    folder.mkdir()
    (folder / "app.log").write_text("clean\n")
    (folder / "app.log.1").write_text(f"x\n\x1b[31m{SECRET}\n")
    (folder / "app.log.2.gz").write_bytes(gzip.compress(f"{SECRET}\n".encode()))
    (folder / "app.log.3.gz").write_bytes(gzip.compress(os.urandom(100_000))[:-20])
    (folder / "app.log-20261001.xz").write_bytes(lzma.compress(f"{SECRET}\n".encode()))
    before = server.logged_in()
    probe = logs(path=f"{folder}/app.log")
    searched = probe.search(FOUND)
    assert {(Path(hit.file).name, hit.line) for hit in searched.hits} == {
        ("app.log.1", 2), ("app.log.2.gz", 1), ("app.log-20261001.xz", 1),
    }  # fmt: skip
    assert [Path(one.name).name for one in searched.unread] == ["app.log.3.gz"]
    assert "\x1b" not in str(searched)
    assert server.logged_in() > before
    assert not list(tmp_path.rglob("owned"))
    assert not Path("owned").exists()


def test_a_log_that_is_rotated_goes_on_where_it_ended(logs: Make, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("login of anna failed\n")
    probe = logs(path=str(log))
    mark = probe.mark()
    with log.open("a") as file:
        file.write("login of bert failed\n")
    log.rename(tmp_path / "app.log.1")
    log.write_text("begun anew\n")
    assert not probe.contains("anna failed", since=mark).found
    assert probe.contains("bert failed", since=mark, kind="security").count == 1
    assert probe.contains("begun anew", since=mark).found
    (tmp_path / "app.log.1").unlink()
    with pytest.raises(Unobservable):
        probe.contains("carl failed", since=mark)


@pytest.mark.skipif(bool(journald.cannot()), reason=journald.cannot() or "-")
def test_a_journal_of_another_host_is_read(logs: Make, tmp_path: Path) -> None:
    daemon = journald.Journald(tmp_path / "journald")
    try:
        probe = logs(journald={"unit": "shop.service", "directory": str(daemon.directory)})
        with pytest.raises(Unobservable, match="nothing is kept there"):
            probe.search(FOUND)
        daemon.send("shop.service", "started")
        probe._begun = datetime.now(UTC)
        mark = probe.mark()
        daemon.send("shop.service", "login of anna failed", TOKEN=SECRET)
        assert [hit.line for hit in probe.search(FOUND).hits] == [2]
        assert probe.contains("anna failed", since=mark, kind="security").count == 1
        assert not probe.contains("bert failed", since=mark).found
        daemon.rotate()
        daemon.vacuum()
        with pytest.raises(Unobservable):
            probe.contains("bert failed", since=mark)
    finally:
        daemon.stop()


def test_an_output_of_a_container_on_another_host_is_read(logs: Make, tmp_path: Path) -> None:
    if why := podman.cannot():
        pytest.skip(why)
    engine = podman.Podman(tmp_path / "podman")
    there = sshd.Sshd(tmp_path / "sshd", f"SetEnv PATH={engine.bin}:{os.environ['PATH']}")
    try:
        engine.start("shop")
        engine.say("shop", "started")
        probe = logs(there, docker={"container": "shop", "podman": True})
        mark = probe.mark()
        engine.say("shop", "login of anna failed")
        assert probe.contains("anna failed", since=mark).count == 1
        assert not probe.contains("bert failed", since=mark).found
    finally:
        there.stop()
        engine.stop()


def test_the_way_over_a_jump_host_is_taken(logs: Make, server: sshd.Sshd, other: sshd.Sshd, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text(f"{SECRET}\n")
    other.trusts(server)
    before, passed = server.logged_in(), other.logged_in()
    probe = logs(other, path=f"{tmp_path}/app.log", jump=f"{server.user}@127.0.0.1:{server.port}")
    assert probe.search(FOUND).hit_count == 1
    assert server.logged_in() - before == other.logged_in() - passed > 0


def test_whoever_is_not_the_host_is_told_nothing(logs: Make, other: sshd.Sshd, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("x\n")
    probe = logs(other, path=f"{tmp_path}/app.log")
    other.take_another_host_key()
    for look in (lambda: probe.search(FOUND), probe.mark, lambda: probe.contains("x", since=datetime.now(UTC))):
        with pytest.raises(Unobservable, match=r"(?i)host key"):
            look()
    assert other.logged_in() == 0


def test_a_key_that_is_not_taken_and_a_host_that_is_gone_are_never_clean(
    logs: Make, other: sshd.Sshd, tmp_path: Path
) -> None:
    (tmp_path / "app.log").write_text("x\n")
    probe = logs(other, path=f"{tmp_path}/app.log")
    mark = probe.mark()
    looks = (lambda: probe.search(FOUND), probe.mark, lambda: probe.contains("lockout", since=mark))
    other.take_no_key()
    for look in looks:
        with pytest.raises(Unobservable, match=r"(?i)permission denied"):
            look()
    other.stop()
    for look in looks:
        with pytest.raises(Unobservable, match=r"(?i)connect"):
            look()


def test_a_connection_that_breaks_off_leaves_the_rest_unread(logs: Make, other: sshd.Sshd, tmp_path: Path) -> None:
    """The log is a file of many holes, which takes longer to read than the connection lasts."""
    log = tmp_path / "app.log"
    with log.open("wb") as file:
        file.truncate(64 << 30)
    probe = logs(other, path=str(log))
    over = threading.Event()

    def breaks() -> None:
        while not over.is_set() and other.logged_in() < 2:
            over.wait(0.01)
        other.drop()

    breaking = threading.Thread(target=breaks)
    breaking.start()
    try:
        with pytest.raises(Unobservable, match=r"(?i)closed|broken|reset|255") as caught:
            probe.search(FOUND)
    finally:
        over.set()
        breaking.join()
    assert "app" in caught.value.reason


@pytest.mark.parametrize("setting", [sshd.NOISY, "ForceCommand internal-sftp", "ForceCommand true"])
def test_a_shell_that_says_something_else_is_never_clean(setting: str, logs: Make, tmp_path: Path) -> None:
    running = sshd.Sshd(tmp_path / "sshd", setting)
    (tmp_path / "app.log").write_text("x\n")
    probe = logs(running, path=f"{tmp_path}/app.log")
    try:
        for look in (lambda: probe.search(FOUND), lambda: probe.contains("lockout", since=probe.mark())):
            with pytest.raises(Unobservable):
                look()
    finally:
        running.stop()


def test_the_host_itself_is_looked_at_over_ssh(session_of: Callable[..., Session], server: sshd.Sshd) -> None:
    session = session_of(host={"connection": server.url, "services": ["sshd"]}, timeout_seconds=20)
    probe = session.probe(Host)
    assert isinstance(probe, Host)
    assert "sshd" in {one.command for one in probe.processes().processes}
