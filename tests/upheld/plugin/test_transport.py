"""Results survive the way from worker to controller, or the check is inconclusive."""

from __future__ import annotations

import dataclasses

import pytest

from upheld.execution import unfinished
from upheld.model import Basis, FindingRecord, Observation, PlannedCheck, Population, Verdict
from upheld.plugin.transport import INLINE_LIMIT, pack, unpack

PLANNED = PlannedCheck("k" * 16, "claim", "family.check", {"days": 90}, Basis.OBSERVED, "It holds.", "d" * 64)
PLAN = {PLANNED.key: PLANNED}


def result(text: str = "x"):
    observation = Observation(
        "k.1", "http", "get", {"url": "u"}, True, {"text": text}, "", "2026-01-01T00:00:00.000Z", 0.1, "here"
    )
    finding = FindingRecord("f" * 16, "subject", Verdict.PASS, "e", "o", "", ("k.1",))
    return dataclasses.replace(
        unfinished(PLANNED, ""),
        verdict=Verdict.PASS,
        findings=(finding,),
        observations=(observation,),
        population=Population(2, 1, (("left", "out"),)),
    )


@pytest.mark.parametrize("size", [1, INLINE_LIMIT + 1])
def test_a_result_comes_back_as_it_was(tmp_path, size):
    sent = result("ä" * size)
    packed = pack(sent, tmp_path)
    assert len(packed) <= INLINE_LIMIT
    assert packed.isascii() or size == 1
    assert unpack(packed, tmp_path, PLAN) == sent
    assert not list(tmp_path.iterdir()), "evidence files are removed once they are read"


@pytest.mark.parametrize("harm", ["missing", "altered"])
def test_evidence_that_is_not_intact_is_inconclusive(tmp_path, harm):
    packed = pack(result("x" * (INLINE_LIMIT + 1)), tmp_path)
    (file,) = tmp_path.iterdir()
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes().replace(b'"pass"', b'"PASS"'))
    got = unpack(packed, tmp_path, PLAN)
    assert got is not None
    assert got.verdict is Verdict.INCONCLUSIVE


def test_a_result_that_nobody_planned_is_refused(tmp_path):
    assert unpack(pack(result(), tmp_path), tmp_path, {}) is None
