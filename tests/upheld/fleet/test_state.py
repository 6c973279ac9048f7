"""The journal of a fleet's run and its account: what a crash leaves is read for what it is, and nothing in it looks better than it was."""

from __future__ import annotations

import dataclasses
import json

import pytest

from upheld.errors import InputError
from upheld.fleet import state
from upheld.fleet.state import Attempt, FleetRun, Journal, MemberRun, standing

MADE = Attempt("tls://10.0.0.7:4001", "host-7", "2026-03-02T09:30:00.000Z", 12.5, "ran")
LOST = Attempt("tls://10.0.0.8:4001", "host-8", "2026-03-02T09:31:00.000Z", 3.0, "the worker is gone")


def journal(folder):
    """One target ran and is in the ledger, one ran, one was lost and is under way again, one is under way for the first time."""
    with Journal(folder) as made:
        made.begin("r1", "production", "d" * 64, "2026-03-02T09:30:00.000Z")
        made.started("acme", 1, MADE.worker, MADE.started, {"acme.example": 50})
        made.ended("acme", 1, MADE, {"acme.example": 20}, ("a" * 64, "run-acme", 1))
        made.recorded("acme")
        made.started("eu", 1, LOST.worker, LOST.started, {"eu.example": 30, "shared.example": None})
        made.ended("eu", 1, LOST, {"eu.example": 30, "shared.example": 0}, lost=True)
        made.started("us", 1, MADE.worker, MADE.started, {})
        made.ended("us", 1, MADE, {}, ("b" * 64, "run-us", 0))
        made.started("eu", 2, MADE.worker, MADE.started, {"eu.example": 10, "shared.example": None})
        made.started("asia", 1, MADE.worker, MADE.started, {"shared.example": None})
    return folder / state.PROGRESS


def test_what_stands_is_told(tmp_path):
    journal(tmp_path)
    found = standing(tmp_path)
    assert (found.id, found.fleet, found.digest) == ("r1", "production", "d" * 64)
    assert {name: (one.run, one.code, one.recorded) for name, one in found.ran.items()} == {
        "acme": ("run-acme", 1, True),
        "us": ("run-us", 0, False),
    }
    begun = Attempt(MADE.worker, "", MADE.started, 0.0, state.UNKNOWN)
    assert found.attempts == {"acme": (MADE,), "eu": (LOST, begun), "us": (MADE,), "asia": (begun,)}
    assert found.spent == {"acme.example": 20, "eu.example": 40, "shared.example": 0}, "what is not known was sent"
    assert found.open == {
        "eu": frozenset({"eu.example", "shared.example"}),
        "asia": frozenset({"shared.example"}),
    }


def test_a_lost_attempt_may_be_under_way_until_it_was_tried_again(tmp_path):
    journal(tmp_path)
    path = tmp_path / state.PROGRESS
    lines = path.read_bytes().splitlines(keepends=True)
    again = next(number for number, line in enumerate(lines) if b'"attempt":2' in line)
    path.write_bytes(b"".join(lines[:again]))
    assert standing(tmp_path).open == {"eu": frozenset({"eu.example", "shared.example"})}
    path.write_bytes(b"".join(lines[: again - 1]))
    assert standing(tmp_path).open.keys() == {"eu", "us"}


def test_a_journal_may_end_anywhere(tmp_path):
    path = journal(tmp_path)
    whole = path.read_bytes()
    ends = [number + 1 for number, byte in enumerate(whole) if byte == 0x0A]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        found = standing(tmp_path)
        lines = sum(end <= cut for end in ends)
        if not lines:
            assert found is None
            continue
        assert found.end == ends[lines - 1]
        assert set(found.ran) == {name for name, line in (("acme", 3), ("us", 8)) if lines >= line}
        assert found.spent.get("acme.example", 0) == (0 if lines < 2 else 50 if lines < 3 else 20)


def test_a_torn_line_is_dropped_before_the_journal_goes_on(tmp_path):
    path = journal(tmp_path)
    with path.open("ab") as stream:
        stream.write(b'{"event":"ended","member":"asia","attempt":1,"ma')
    found = standing(tmp_path)
    assert "asia" in found.open
    with Journal(tmp_path, found) as more:
        more.ended("asia", 1, MADE, {}, ("c" * 64, "run-asia", 0))
    again = standing(tmp_path)
    assert again.ran["asia"].run == "run-asia"
    assert "asia" not in again.open
    assert all(json.loads(line) for line in path.read_text(encoding="ascii").splitlines())


@pytest.mark.parametrize("damage", [b"nonsense\n", b"[1]\n", b"\n", b'{"event":"started","member":"x"}\n'])
def test_a_journal_that_is_damaged_inside_is_refused(tmp_path, damage):
    path = journal(tmp_path)
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + damage + rest)
    with pytest.raises(InputError, match=r"progress\.jsonl.*damaged"):
        standing(tmp_path)


@pytest.mark.parametrize("first", [b'{"event":"begun","format":"upheld-fleet-progress/9"}\n', b"{}\n"])
def test_a_journal_of_another_format_is_refused(tmp_path, first):
    (tmp_path / state.PROGRESS).write_bytes(first)
    with pytest.raises(InputError, match="no journal"):
        standing(tmp_path)


def test_there_may_be_no_journal(tmp_path):
    assert standing(tmp_path) is None
    assert standing(tmp_path / "nowhere") is None


def test_only_what_was_audited_with_the_same_is_taken_over(tmp_path):
    journal(tmp_path)
    found = standing(tmp_path)
    assert dict(state.reusable(found, {"acme": "a" * 64, "us": "f" * 64, "eu": "e" * 64})).keys() == {"acme"}
    assert dict(state.reusable(found, {})) == {}


def member(name: str, **changes: object) -> MemberRun:
    made = MemberRun(name, "policies.yaml", state.RAN, "", f"run-{name}", 0, f"targets/{name}", 1.5, False, (MADE,))
    return dataclasses.replace(made, **changes)


def fleet_run(*members: MemberRun, **changes: object) -> FleetRun:
    made = FleetRun(state.FORMAT, "r1", "production", "d" * 64, "2026", "2026", 3.5, True, members)
    return dataclasses.replace(made, **changes)


def unseen(code: int | None = None) -> MemberRun:
    return member("dark", state=state.NOT_OBSERVED, reason="the worker is gone", run="", code=code, folder="")


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (fleet_run(member("a"), member("b")), 0),
        (fleet_run(member("a"), member("b", code=1)), 1),
        (fleet_run(member("a", code=3), member("b")), 3),
        (fleet_run(member("a", code=3), member("b", code=1)), 1),
        (fleet_run(member("a", code=4), member("b", code=1)), 4),
        (fleet_run(member("a"), unseen()), 3),
        (fleet_run(member("a"), unseen(0)), 3),
        (fleet_run(member("a", code=1), unseen()), 1),
        (fleet_run(member("a", code=1), unseen(4)), 4),
        (fleet_run(member("a"), unseen(2)), 3),
        (fleet_run(member("a", code=2)), 3),
        (fleet_run(member("a", code=None)), 3),
        (fleet_run(member("a"), faults=1), 4),
        (fleet_run(member("a"), complete=False), 3),
        (fleet_run(), 3),
    ],
)
def test_the_exit_code_is_that_of_the_worst(run, code):
    assert run.code() == code


def test_an_account_is_read_as_it_was_written(tmp_path):
    run = fleet_run(member("a"), unseen(), notes=("one",), complete=False)
    state.write(run, tmp_path)
    assert state.read(tmp_path) == run
    assert state.read(tmp_path / state.ACCOUNT) == run


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"not observed"', '"upheld"'),
        ("upheld-fleet-run/1", "upheld-fleet-run/2"),
        ('"resumed": false', '"resumed": "no"'),
        ("{", "["),
    ],
)
def test_what_is_no_account_is_refused(tmp_path, old, new):
    state.write(fleet_run(unseen()), tmp_path)
    path = tmp_path / state.ACCOUNT
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"fleet\.json"):
        state.read(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        state.read(tmp_path / "nowhere")
