"""A worker host that is cut off in mid run: it stops by itself, another one starts anew, and nothing passes in between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cut_off import LEASE, MARGIN
from hosts_apart import in_namespace, why_not

from ...loopback import ROOT


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if why := why_not():
        pytest.skip(f"no network namespace can be made here: {why}")
    said = in_namespace(ROOT / "tests" / "cut_off.py", str(tmp_path_factory.mktemp("apart")), seconds=150)
    found: dict[str, Any] = json.loads(said)
    return found


def test_it_stops_within_its_lease_and_sends_nothing_when_another_one_has_begun(came: dict[str, Any]) -> None:
    first, second = came["first"], came["second"]
    assert len(first) >= 5
    # The lease is counted from the last word of the controller, which came before the cut.
    assert max(first) <= came["cut"]["at"] + LEASE + MARGIN
    assert max(first) < min(second)


def test_the_target_is_audited_anew_as_a_whole_by_the_other_host(came: dict[str, Any]) -> None:
    assert came["second"]
    (member,) = came["account"]["members"]
    assert (member["state"], member["code"], came["account"]["complete"]) == ("ran", 0, True)
    # On a machine that hardly gets on, Dask may lose the other one for a moment, too.
    lost, *_, done = member["attempts"]
    assert came["cut"]["host"] in lost["worker"]
    assert came["second_host"] in done["worker"]


def test_nothing_passes_until_it_was_audited_by_somebody_who_is_heard(came: dict[str, Any]) -> None:
    assert came["cut"]["through"] == 0
    (through,) = came["through"]
    assert through["at"] > max(came["second"])
    # One run is in the ledger, and none of the one that was cut off.
    assert came["ledger"] == [[through["run"], True, "U"]]
