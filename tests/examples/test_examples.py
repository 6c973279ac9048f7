"""What all examples keep: enough claims, a reason for each, tests, a README; and a comparison that notices differences."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from upheld.catalogue import Catalogue
from upheld.policies import load
from upheld.target.load import load_target

from .conftest import ROOT, running

NAMES = running.names()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_whole(name: str) -> None:
    folder = ROOT / "examples" / name
    policy = load(folder / "policy.yaml", Catalogue.load(ROOT / "checks"), today=date(2026, 1, 1))
    truth = yaml.safe_load((folder / "expected.yaml").read_text(encoding="utf-8"))
    assert len(policy.claims) >= 10
    assert list(truth) == [claim.id for claim in policy.claims]
    assert all(one["because"] for one in truth.values())
    load_target(folder / "target.yaml")
    assert f"python -m examples {name}" in (folder / "README.md").read_text(encoding="utf-8")
    assert f"[{name}]({name})" in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "tests" / "examples" / f"test_{name}.py").exists()


def claim(status: str, *findings: tuple[str, str, str]) -> dict[str, object]:
    """A claim of a run with one check and these findings: subject, verdict, and what was observed or why not."""
    made = [{"subject": a, "verdict": b, "observed": c, "reason": c} for a, b, c in findings]
    return {"id": "x", "status": status, "checks": [{"id": "a.b", "verdict": "?", "reason": "", "findings": made}]}


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        ({"status": "upheld"}, claim("refuted"), "x: refuted, expected upheld"),
        ({"status": "refuted"}, claim("refuted", ("s", "fail", "o")), "not expected to be fail: a.b: s: o"),
        ({"status": "refuted", "refuted": {"s": "o"}}, claim("refuted", ("s", "pass", "o")), "and is not: s: o"),
        ({"status": "refuted", "refuted": {"s": "o"}}, claim("refuted", ("s", "fail", "p")), "and is not: s: o"),
        (
            {"status": "inconclusive"},
            claim("inconclusive", ("s", "inconclusive", "o")),
            "not expected to be inconclusive: a.b: s: o",
        ),
    ],
)
def test_a_difference_is_noticed(wanted: dict[str, object], found: dict[str, object], words: str) -> None:
    wrong = running.differences({"x": {"because": "y", **wanted}}, {"claims": [found]})
    assert words in "\n".join(wrong)


def test_a_claim_that_was_not_run_or_not_expected_is_a_difference() -> None:
    assert running.differences({"x": {"because": "y", "status": "upheld"}}, {"claims": []})
    assert running.differences({}, {"claims": [claim("upheld")]})


def test_what_an_example_starts_ends_with_it(tmp_path: Path) -> None:
    """Also when the block fails, and also what the program started itself."""
    place = running.Place("x", tmp_path, tmp_path, {})
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        place.process("/bin/sh", "-c", "sleep 600 & sleep 600", ready=lambda: True) as process,
    ):
        raise RuntimeError("on purpose")
    assert process.poll() is not None
    assert not [one for one in Path("/proc").glob("[0-9]*/stat") if _group(one) == process.pid]


def _group(stat: Path) -> int:
    try:
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[2])
