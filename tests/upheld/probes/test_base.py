"""What every look leaves behind: an observation that says from where it was made, also when it saw nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from upheld import Unobservable
from upheld.errors import TimedOut
from upheld.probes.base import Probe, Recorder, Session, look
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.model import Target


class Looking(Probe):
    name = "looking_in_tests"

    @look
    def sees(self) -> str:
        """What is there."""
        return "a thing"

    @look
    def is_blind(self) -> str:
        """Nothing."""
        raise Unobservable("connection refused")

    @look
    def looks_twice(self) -> str:
        """What another look gives."""
        return self.sees()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    target = Target.model_validate({"name": "test", "environment": "reference", "vantage": {"name": "office"}})
    return Session(target, Redactor(), Scope(target), tmp_path, vantage=target.vantage.name)


def test_each_look_is_recorded_with_the_place_from_where_it_was_made(session: Session) -> None:
    probe = session.probe(Looking)
    assert isinstance(probe, Looking)
    with session.recording("t") as recorder:
        probe.sees()
        with pytest.raises(Unobservable):
            probe.is_blind()
        probe.looks_twice()
    assert [(one.look, one.seen, one.value, one.reason) for one in recorder.observations] == [
        ("sees", True, "a thing", ""),
        ("is_blind", False, None, "connection refused"),
        ("looks_twice", True, "a thing", ""),
    ]
    assert {one.vantage for one in recorder.observations} == {"office"}


def test_no_look_is_made_after_the_time_of_the_check(session: Session) -> None:
    session.recorder = Recorder("t", Redactor(), "office", limit_seconds=1e-9)
    probe = session.probe(Looking)
    assert isinstance(probe, Looking)
    with pytest.raises(TimedOut, match="time limit"):
        probe.sees()


def test_looks_side_by_side_are_recorded_as_if_one_followed_the_other(session: Session) -> None:
    probe = session.probe(Looking)
    assert isinstance(probe, Looking)
    meeting = threading.Barrier(2, timeout=20)

    def first() -> Iterator[str]:
        meeting.wait()
        time.sleep(0.02)
        yield f"first {probe.sees()}"
        yield "first, without a look"

    def second() -> Iterator[str]:
        meeting.wait()
        probe.looks_twice()
        yield f"second {probe.sees()}"

    with session.recording("t") as recorder:
        probe.sees()
        came_to = probe.side_by_side([first(), second()])
        probe.sees()
    assert came_to == [["first a thing", "first, without a look"], ["second a thing"]]
    assert [one.look for one in recorder.observations] == ["sees", "sees", "looks_twice", "sees", "sees"]
    ids = [one.id for one in recorder.observations]
    assert len(set(ids)) == len(ids)
    assert [[recorder.behind(one) for one in lane] for lane in came_to] == [[tuple(ids[1:2]), ()], [tuple(ids[2:4])]]


def test_an_error_side_by_side_is_raised_once_all_are_done(session: Session) -> None:
    probe = session.probe(Looking)
    assert isinstance(probe, Looking)
    with session.recording("t") as recorder, pytest.raises(Unobservable, match="connection refused"):
        probe.side_by_side([(one() for one in [look]) for look in (probe.is_blind, probe.sees)])
    assert [(one.look, one.seen) for one in recorder.observations] == [("is_blind", False), ("sees", True)]
