"""Outputs of containers and looks into them, by the real Podman and by the real client of Docker before Podman, which speaks Docker's API too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Engine:
    """A running engine, the client by which it is asked, and what the environment must say for that."""

    client: str
    podman: Podman
    environment: dict[str, str]


@pytest.fixture(scope="module", params=["docker", "podman"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    client = request.param
    if shutil.which(client) is None:
        pytest.skip(f"{client} is not installed")
    if why := cannot():
        pytest.skip(why)
    podman = Podman(tmp_path_factory.mktemp(client))
    if client == "podman":
        yield Engine(client, podman, {"PATH": f"{podman.bin}{os.pathsep}{os.environ['PATH']}"})
        podman.stop()
        return
    with podman.serving() as url:
        yield Engine(client, podman, {"DOCKER_HOST": url})
        podman.stop()


@pytest.fixture
def client(running: Engine, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return running.client


@pytest.fixture
def engine(running: Engine) -> Podman:
    return running.podman


@pytest.fixture
def logs(session_of: Callable[..., Session], client: str) -> Make:
    said = {"podman": True} if client == "podman" else {}

    def make(container: str, **more: Any) -> Logs:
        source = {"name": "shop", "security": True, "docker": {"container": container, **said}, **more}
        probe = session_of(logs=[source], timeout_seconds=20).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


@pytest.mark.parametrize("running", ["docker"], indirect=True)
def test_docker_s_streams_are_both_searched_and_what_came_since_a_mark_counts(logs: Make, engine: Podman) -> None:
    engine.start("web")
    engine.say("web", "login of anna failed")
    probe = logs("web")
    for number in range(2):
        engine.say("web", f"login of anna failed {number}")
        mark = probe.mark()
        # What stood there before is no sign of what came after, also within one second: this engine tells whole ones only.
        assert not probe.contains("anna failed", since=mark).found
        engine.say("web", f"token={number}", f"e:login of anna failed {number} again")
        assert probe.contains("anna failed", since=mark, kind="security").count == 1
        assert probe.lines_since(mark) == 2
    engine.say("web", f"token={SECRET}", f"e:a crash: {SECRET}")
    searched = logs("web").search(FOUND)
    assert searched.hit_count == 2
    assert probe.tried(probe.target.logs[0]) == "1 log"


@pytest.mark.parametrize("running", ["podman"], indirect=True)
def test_podman_s_streams_are_both_searched_and_what_came_since_a_mark_counts(logs: Make, engine: Podman) -> None:
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


def test_a_driver_that_keeps_nothing_is_never_clean(logs: Make, engine: Podman) -> None:
    engine.start("none", "--log-driver=none")
    probe = logs("none")
    for look in (lambda: probe.search(FOUND), probe.mark, lambda: probe.contains("x", since=datetime.now(UTC))):
        with pytest.raises(Unobservable):
            look()


@pytest.mark.parametrize("running", ["docker"], indirect=True)
def test_a_log_that_is_not_known_to_be_whole_is_never_clean(logs: Make, engine: Podman) -> None:
    probe = logs("late")
    engine.start("late")
    engine.say("late", "started")
    # It says nothing of the time before its first line, in the second of which something may have been lost.
    with pytest.raises(Unobservable, match="after the harness began"):
        probe.search(FOUND)


@pytest.mark.parametrize("running", ["podman"], indirect=True)
def test_a_driver_that_keeps_little_is_never_clean(logs: Make, engine: Podman) -> None:
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
    logs: Make, engine: Podman, client: str, session_of: Callable[..., Session]
) -> None:
    engine.start("files")
    (engine.root("files") / "var/log/app.log").write_text("clean\n")
    (engine.root("files") / "var/log/app.log.1").write_text(f"{SECRET}\n")
    probe = logs("files", docker=None, path="/var/log/app.log", connection=f"{client}://files")
    assert [hit.file for hit in probe.search(FOUND).hits] == ["/var/log/app.log.1"]
    host = session_of(host={"connection": f"{client}://files", "services": ["sh"]}, timeout_seconds=20).probe(Host)
    assert isinstance(host, Host)
    with pytest.raises(Unobservable):  # There is no ps in it.
        host.processes()
