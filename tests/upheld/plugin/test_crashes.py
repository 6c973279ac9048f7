"""Closed world: whatever happens to workers, every planned check is reported, and none of the lost ones as a pass."""

from __future__ import annotations

import pytest

MANY = tuple((f"good-{number}", "own.holds") for number in range(10))


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_a_worker_killed_in_mid_check_leaves_that_check_inconclusive_and_loses_nothing(project, dist):
    project.claims(*MANY[:5], ("killer", "own.kills_its_worker"), *MANY[5:])
    done = project.pytest("policies.yaml", "-n", "2", "--dist", dist, "--upheld-out", "out")
    assert done.returncode == 1
    run = project.run_json()
    assert len(run["claims"]) == 11
    statuses = {claim["id"]: claim["status"] for claim in run["claims"]}
    assert statuses.pop("killer") == "inconclusive"
    assert set(statuses.values()) == {"upheld"}
    assert project.results()["kills_its_worker"] == ("inconclusive", "worker died in mid check")


def test_checks_that_no_worker_was_left_to_run_are_inconclusive(project):
    project.claims(*((f"killer-{n}", "own.kills_its_worker") for n in range(2)), *MANY)
    project.pytest("policies.yaml", "-n", "2", "--max-worker-restart=0", "--upheld-out", "out")
    run = project.run_json()
    statuses = [claim["status"] for claim in run["claims"]]
    assert len(statuses) == run["planned"] == 12
    assert all(check["verdict"] != "pass" or check["findings"] for claim in run["claims"] for check in claim["checks"])
    assert [claim["status"] for claim in run["claims"][:2]] == ["inconclusive", "inconclusive"]


def test_large_evidence_comes_through_whole(project):
    project.claims(("large", "own.is_large"), *MANY[:3])
    done = project.pytest("policies.yaml", "-n", "2", "--upheld-out", "out")
    assert done.returncode == 0
    (finding,) = project.run_json()["claims"][0]["checks"][0]["findings"]
    assert finding["observed"] == "x" * 300_000


def test_a_target_that_is_wrong_is_a_usage_error_before_anything_runs(project):
    project.claims(*MANY[:1])
    (project.folder / "target.yaml").write_text("upheld: target/1\nname: x\nenvironment: stagign\n", encoding="utf-8")
    for extra in ((), ("-n", "2")):
        done = project.pytest("policies.yaml", *extra)
        assert done.returncode == 4, done.stdout + done.stderr
        assert "target.yaml:3:" in done.stdout + done.stderr
        assert "staging" in done.stdout + done.stderr
