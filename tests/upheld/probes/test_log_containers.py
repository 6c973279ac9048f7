"""Outputs of containers: the real client of Docker, before what stands in for its engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from container_engine import Container, Engine
from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.logs import Logs

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
SECRET = "canary-Zk93mQpX7vTb2LwRy"
FOUND = ("[redacted:canary]",)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    running = Engine(tmp_path_factory.mktemp("engine"))
    monkeypatch.setenv("DOCKER_HOST", running.host)
    yield running
    running.stop()


@pytest.fixture
def logs(session_of: Callable[..., Session]) -> Callable[..., Logs]:
    def make(**more: Any) -> Logs:
        source = {"name": "shop", "docker": {"container": "shop-web-1"}, "security": True, **more}
        probe = session_of(logs=[source]).probe(Logs)
        assert isinstance(probe, Logs)
        probe.session.redactor.add(SECRET, "canary")
        return probe

    return make


def test_both_streams_are_searched_and_what_came_since_a_mark_counts(logs: Callable[..., Logs], engine: Engine) -> None:
    shop = engine.containers["shop-web-1"] = Container("a" * 64, LONG_AGO)
    shop.write("login of anna failed")
    probe = logs()
    mark = probe.mark()
    assert not probe.contains("anna failed", since=mark).found
    shop.write(f"token={SECRET}")
    shop.write(f"a crash: {SECRET}", error=True)
    shop.write("login of anna failed", error=True)
    evidence = probe.contains("anna failed", since=mark, kind="security")
    assert (evidence.count, evidence.file) == (1, "output of shop-web-1")
    assert probe.lines_since(mark) == 3
    assert probe.contains("anna failed", since=mark.at).count == 1
    searched = probe.search(FOUND)
    assert [hit.line for hit in searched.hits] == [1, 4]  # First what it wrote to its standard error.
    assert not searched.unread
    assert probe.tried(probe.target.logs[0]) == "1 log"


def test_an_engine_on_another_host_is_asked_there(logs: Callable[..., Logs], engine: Engine, tmp_path: Path) -> None:
    """Through a connection the variables of the account there are taken away, so that its client asks its own engine."""
    engine.containers["shop-web-1"] = Container("a" * 64, LONG_AGO)
    probe = logs(connection="local://")
    with pytest.raises(Unobservable, match=r"daemon|docker\.sock"):
        probe.search(FOUND)
    assert not engine.asked


def test_a_container_that_was_made_anew_has_lost_its_output(logs: Callable[..., Logs], engine: Engine) -> None:
    engine.containers["shop-web-1"] = Container("a" * 64, LONG_AGO)
    engine.containers["shop-web-1"].write("started")
    probe = logs()
    mark = probe.mark()
    engine.containers["shop-web-1"].write(f"lost with it: {SECRET}")
    engine.containers["shop-web-1"] = Container("b" * 64, datetime.now(UTC))
    engine.containers["shop-web-1"].write("started anew")
    with pytest.raises(Unobservable, match="another container has its name since"):
        probe.contains("lost with it", since=mark)
    assert probe.contains("started anew", since=mark).found
    with pytest.raises(Unobservable, match="after the harness began"):
        probe.search(FOUND)
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("lost with it", since=mark.at)


def test_an_output_that_its_driver_cuts_is_whole_from_its_oldest_line_on(
    logs: Callable[..., Logs], engine: Engine
) -> None:
    shop = engine.containers["shop-web-1"] = Container("a" * 64, LONG_AGO)
    probe = logs()
    shop.write("the first line of a quiet container")
    assert not probe.search(FOUND).unread
    shop.settings = {"max-size": "10m"}
    with pytest.raises(Unobservable, match="after the harness began"):
        probe.search(FOUND)
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("lockout", since=datetime.now(UTC) - timedelta(hours=1))
    mark = probe.mark()
    shop.write("more")
    assert not probe.contains("lockout", since=mark).found
    del shop.lines[0]
    with pytest.raises(Unobservable, match=r"is kept from .* on only"):
        probe.contains("lockout", since=mark)


def test_drivers_that_keep_nothing_or_leave_something_out_are_never_clean(
    logs: Callable[..., Logs], engine: Engine
) -> None:
    shop = engine.containers["shop-web-1"] = Container("a" * 64, LONG_AGO, driver="none")
    probe = logs()
    for look in (lambda: probe.search(FOUND), probe.mark, lambda: probe.contains("x", since=datetime.now(UTC))):
        with pytest.raises(Unobservable, match="driver does not support reading"):
            look()
    shop.driver = "local"
    with pytest.raises(Unobservable, match="nothing is kept there"):
        probe.search(FOUND)
    with pytest.raises(Unobservable, match="nothing is kept there"):
        probe.contains("lockout", since=probe.mark())
    shop.driver, shop.settings = "json-file", {"mode": "non-blocking"}
    mark = probe.mark()
    shop.write(f"leaked {SECRET}")
    searched = probe.search(FOUND)
    assert searched.hit_count == 1
    assert "leaves out what comes too fast" in searched.unread[0].reason
    assert probe.contains("leaked", since=mark).found
    with pytest.raises(Unobservable, match="leaves out what comes too fast"):
        probe.contains("lockout", since=mark)


def test_no_container_and_no_engine_are_said(
    logs: Callable[..., Logs], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = logs()
    with pytest.raises(Unobservable, match="No such container"):
        probe.search(FOUND)
    with pytest.raises(Unobservable, match="No such container"):
        probe.mark()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(Unobservable, match=r"daemon|docker"):
        probe.search(FOUND)
