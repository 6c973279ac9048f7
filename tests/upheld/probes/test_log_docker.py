"""Outputs of containers and looks into them by the real client of Docker, before a real engine that speaks Docker's API: Podman's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from podman import Podman, cannot
from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.host import Host
from upheld.probes.logs import Logs

SECRET = "canary-Zk93mQpX7vTb2LwRy"
FOUND = ("[redacted:canary]",)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Podman, str]]:
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    if why := cannot():
        pytest.skip(why)
    running = Podman(tmp_path_factory.mktemp("docker"))
    with running.serving() as url:
        yield running, url
        running.stop()


@pytest.fixture
def engine(served: tuple[Podman, str], monkeypatch: pytest.MonkeyPatch) -> Podman:
    monkeypatch.setenv("DOCKER_HOST", served[1])
    return served[0]


@pytest.fixture
def logs(session_of: Callable[..., Session]) -> Callable[..., Logs]:
    def make(container: str, **more: Any) -> Logs:
        source = {"name": "shop", "security": True, "docker": {"container": container}, **more}
        probe = session_of(logs=[source], timeout_seconds=20).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


def test_both_streams_are_searched_and_what_came_since_a_mark_counts(logs: Callable[..., Logs], engine: Podman) -> None:
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


def test_a_container_that_was_made_anew_has_lost_its_output(logs: Callable[..., Logs], engine: Podman) -> None:
    engine.start("anew")
    engine.say("anew", "started")
    probe = logs("anew")
    mark = probe.mark()
    engine.say("anew", f"lost with it: {SECRET}")
    engine.run("rm", "--force", "--time=0", "anew")
    with pytest.raises(Unobservable, match=r"(?i)no such container|no container"):
        logs("anew").search(FOUND)
    engine.start("anew")
    engine.say("anew", "started anew")
    with pytest.raises(Unobservable, match="another container has its name since"):
        logs("anew").contains("lost with it", since=mark)
    assert logs("anew").contains("started anew", since=mark).found


def test_a_log_that_is_not_known_to_be_whole_is_never_clean(logs: Callable[..., Logs], engine: Podman) -> None:
    engine.start("none", "--log-driver=none")
    probe = logs("none")
    for look in (lambda: probe.search(FOUND), probe.mark, lambda: probe.contains("x", since=datetime.now(UTC))):
        with pytest.raises(Unobservable):
            look()
    probe = logs("late")
    engine.start("late")
    engine.say("late", "started")
    # It says nothing of the time before its first line, in the second of which something may have been lost.
    with pytest.raises(Unobservable, match="after the harness began"):
        probe.search(FOUND)


def test_files_and_processes_in_a_container_are_read(
    logs: Callable[..., Logs], engine: Podman, session_of: Callable[..., Session]
) -> None:
    engine.start("files")
    (engine.root("files") / "var/log/app.log").write_text("clean\n")
    (engine.root("files") / "var/log/app.log.1").write_text(f"{SECRET}\n")
    probe = logs("files", docker=None, path="/var/log/app.log", connection="docker://files")
    assert [hit.file for hit in probe.search(FOUND).hits] == ["/var/log/app.log.1"]
    host = session_of(host={"connection": "docker://files", "services": ["sh"]}, timeout_seconds=20).probe(Host)
    assert isinstance(host, Host)
    with pytest.raises(Unobservable):  # There is no ps in it.
        host.processes()
