"""Tickets, beats and leases: what a lease does with what it hears, and a heart on a real scheduler."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fleet_parts as parts
from fleet_parts import until
from upheld.fleet.leases import Following, Heart, Lease, Lost, now


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with parts.cluster(workers=1) as client:
        yield client


def beat(number: int, *good: str) -> dict[str, object]:
    return {"number": number, "good": list(good)}


def test_a_new_beat_renews_from_when_it_was_not_there_yet() -> None:
    began = now()
    lease = Lease("a", 1000.0, began)
    lease.hear(beat(1, "a", "b"), began + 3)
    assert lease.until == began + 1000  # It may have been there when the ticket was taken.
    lease.hear(beat(1, "a"), began + 50)  # Its controller may be dead: the scheduler still tells the last one.
    assert lease.until == began + 1000
    lease.hear(None, began + 60)  # Nothing was heard, so nothing is known of that moment.
    lease.hear(beat(2, "a"), began + 90)
    assert (lease.until, lease.holds(), lease.reason) == (began + 1050, True, "")


@pytest.mark.parametrize("heard", [None, "", 3, [], {"number": 2}, beat(2), beat(2, "ab"), beat(2, "b")])
def test_what_does_not_name_the_ticket_renews_nothing(heard: object) -> None:
    began = now()
    lease = Lease("a", 1000.0, began)
    lease.hear(heard, began + 5)
    assert lease.until <= began + 1000
    assert lease.holds() == (not isinstance(heard, dict))
    assert lease.reason == ("the controller took it back" if isinstance(heard, dict) else "")


def test_a_lease_that_ended_does_not_begin_again() -> None:
    lease = Lease("a", 1.0, now() - 5)
    lease.hear(beat(1, "a"), now())
    assert not lease.holds()
    assert lease.reason == "nothing was heard of the controller for 1 s"
    lease.end("something else")
    assert lease.reason.startswith("nothing was heard")


def test_whoever_listens_is_told_of_each_change() -> None:
    lease = Lease("a", 1000.0, now())
    told: list[tuple[float, str]] = []
    lease.listen(lambda: told.append((lease.until, lease.reason)))
    lease.hear(beat(1, "a"), now() + 10)
    lease.hear(beat(2, "a"), now() + 20)
    lease.hear(beat(3), now() + 30)
    assert [reason for _, reason in told] == ["", "", "", "the controller took it back"]
    assert told[0][0] == told[1][0] < told[2][0] > told[3][0]


@given(
    st.lists(st.floats(0.01, 20), max_size=12),
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20), st.floats(0, 1), st.booleans()), max_size=30),
)
def test_it_never_outlasts_the_writing_of_the_last_beat_by_more_than_its_length(
    between: list[float], reads: list[tuple[float, float, float, bool]]
) -> None:
    """However late beats are read, and however many readings fail: `until` is at most a lease after the last beat that was written."""
    began = now()
    lease = Lease("a", 1000.0, began)
    written = [began, *(began + sum(between[:count]) for count in range(1, len(between) + 1))]
    at = began
    for passed, takes, part, answered in reads:
        asked = at + passed
        at = asked + takes
        # The scheduler answers with what stood there at some moment between the question and the answer.
        number = sum(moment <= asked + part * takes for moment in written)
        lease.hear(beat(number, "a") if answered else None, asked)
        assert lease.until <= max(moment for moment in written if moment <= at) + 1000.0


def test_a_heart_beats_and_its_tickets_are_taken_once(client: Any) -> None:
    from distributed import Variable

    with Heart(client, "beats", every=0.05) as heart:
        first, second = heart.issue(), heart.issue()
        variable = Variable(heart.beats.name, client=client)
        seen = variable.get()
        assert list(seen["good"]) == sorted([first, second])
        until(lambda: variable.get()["number"] > seen["number"] + 2)
        with Following(heart.beats, first, 600.0) as lease:
            assert lease.holds()
            with pytest.raises(Lost, match="was started before"), Following(heart.beats, first, 600.0):
                pass
            began = lease.until
            until(lambda: lease.until > began)
            heart.revoke(first)
            assert list(variable.get()["good"]) == [second]
            until(lambda: not lease.holds())
            assert lease.reason == "the controller took it back"
        with pytest.raises(Lost), Following(heart.beats, first, 600.0):
            pass
    assert not variable.get()["good"]


def test_at_its_end_a_heart_takes_everything_back(client: Any) -> None:
    with Heart(client, "ends", every=0.05) as heart:
        ticket = heart.issue()
        following = Following(heart.beats, ticket, 600.0)
        lease = following.__enter__()
    until(lambda: not lease.holds())
    assert lease.reason == "the controller took it back"
    following.__exit__(None, None, None)


def test_without_a_scheduler_there_is_no_ticket_and_nobody_waits_for_ever() -> None:
    with parts.cluster(workers=1) as client:
        heart = Heart(client, "gone", every=0.05)
        heart.__enter__()
        ticket = heart.issue()
        with Following(heart.beats, ticket, 2.0) as lease:
            client.cluster.close()
            until(lambda: not lease.holds())
            assert lease.reason == "nothing was heard of the controller for 2 s"
        with pytest.raises(Lost):
            heart.issue()
        heart.__exit__(None, None, None)
        assert not [one for one in threading.enumerate() if one.name == "upheld-heart"]
