"""Outputs of containers: the real Podman, which runs real containers and keeps what they print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podman import Podman, cannot
from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.host import Host
from upheld.probes.logs import Logs

SECRET = "canary-Zk93mQpX7vTb2LwRy"
FOUND = ("[redacted:canary]",)
Make = Callable[..., Logs]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    if why := cannot():
        pytest.skip(why)
    running = Podman(tmp_path_factory.mktemp("podman"))
    yield running
    running.stop()


@pytest.fixture
def logs(session_of: Callable[..., Session], engine: Podman, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("PATH", f"{engine.bin}{os.pathsep}{os.environ['PATH']}")

    def make(container: str, **more: Any) -> Logs:
        where = {"docker": {"container": container, "podman": True}, **more}
        probe = session_of(logs=[{"name": "shop", "security": True, **where}], timeout_seconds=20).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


def test_both_streams_are_searched_and_what_came_since_a_mark_counts(logs: Make, engine: Podman) -> None:
    engine.start("web")
    engine.say("web", "login of anna failed")
    probe = logs("web")
    mark = probe.mark()
    probe._begun = datetime.now(UTC)
    assert not probe.contains("anna failed", since=mark).found
    engine.say("web", f"token={SECRET}", f"e:a crash: {SECRET}", "e:login of anna failed")
    evidence = probe.contains("anna failed", since=mark, kind="security")
    assert (evidence.count, evidence.file) == (1, "output of web")
    assert probe.lines_since(mark) == 3
    assert probe.contains("anna failed", since=mark.at).count == 1
    # Podman keeps a long line in pieces, and what the other stream says comes in between.
    lines = [f"{'x' * 8_180}{SECRET}", "e:meanwhile"] * 20
    engine.say("web", *lines, "the last", kept=False)
    searched = probe.search(FOUND)
    assert searched.hit_count == 22
    assert not searched.unread
    assert probe.tried(probe.target.logs[0]) == "1 log"


def test_a_container_that_was_made_anew_has_lost_its_output(logs: Make, engine: Podman) -> None:
    engine.start("anew")
    engine.say("anew", "started")
    probe = logs("anew")
    mark = probe.mark()
    engine.say("anew", f"lost with it: {SECRET}")
    engine.run("rm", "--force", "--time=0", "anew")
    with pytest.raises(Unobservable, match=r"(?i)no such|no container"):
        logs("anew").search(FOUND)
    engine.start("anew")
    engine.say("anew", "started anew")
    with pytest.raises(Unobservable, match="another container has its name since"):
        logs("anew").contains("lost with it", since=mark)
    assert logs("anew").contains("started anew", since=mark).found


def test_drivers_that_keep_little_or_nothing_are_never_clean(logs: Make, engine: Podman) -> None:
    engine.start("none", "--log-driver=none")
    probe = logs("none")
    for look in (lambda: probe.search(FOUND), probe.mark, lambda: probe.contains("x", since=datetime.now(UTC))):
        with pytest.raises(Unobservable):
            look()
    # Podman takes Docker's name of a driver for its own, and says its limit elsewhere than Docker does.
    engine.start("small", "--log-driver=json-file", "--log-opt=max-size=2k")
    probe = logs("small")
    engine.say("small", "started")
    mark = probe.mark()
    engine.say("small", f"leaked {SECRET}", *(f"{number} {'x' * 100}" for number in range(40)), kept=False)
    with pytest.raises(Unobservable, match="after the harness began"):
        probe.search(FOUND)
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("leaked", since=mark)
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("lockout", since=datetime.now(UTC) - timedelta(hours=1))


def test_files_and_processes_in_a_container_are_read(
    logs: Make, engine: Podman, session_of: Callable[..., Session]
) -> None:
    engine.start("files")
    (engine.root("files") / "var/log/app.log").write_text("clean\n")
    (engine.root("files") / "var/log/app.log.1").write_text(f"{SECRET}\n")
    probe = logs("files", docker=None, path="/var/log/app.log", connection="podman://files")
    assert [hit.file for hit in probe.search(FOUND).hits] == ["/var/log/app.log.1"]
    host = session_of(host={"connection": "podman://files", "services": ["sh"]}, timeout_seconds=20).probe(Host)
    assert isinstance(host, Host)
    with pytest.raises(Unobservable):  # There is no ps in it.
        host.processes()
