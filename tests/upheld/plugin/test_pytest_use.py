"""`pytest policies.yaml` works as a pytest user expects, and no silence becomes a pass."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

THREE = (("good", "own.holds"), ("bad", "own.is_broken"), ("dark", "own.is_dark"))


@pytest.mark.parametrize("extra", [(), ("-n", "2")])
def test_verdicts_exit_code_and_words(project, extra):
    project.claims(*THREE)
    done = project.pytest("policies.yaml", "--upheld-out", "out", *extra)
    assert done.returncode == 1
    assert "1 failed, 1 passed, 1 inconclusive" in done.stdout
    assert "claims: 1 upheld, 1 inconclusive, 1 refuted" in done.stdout
    assert "REFUTED bad: “Promise bad.”" in done.stdout
    assert "observed: it is bad" in done.stdout
    assert "not observed: connection refused by it" in done.stdout
    assert "Traceback" not in done.stdout
    assert "\x1b[31m<script>" not in done.stdout, "what a target sends must not reach the terminal alive"
    assert {claim["id"]: claim["status"] for claim in project.run_json()["claims"]} == {
        "good": "upheld",
        "bad": "refuted",
        "dark": "inconclusive",
    }


def test_inconclusive_alone_is_a_failure_too(project):
    project.claims(THREE[2])
    assert project.pytest("policies.yaml").returncode == 1


def test_node_ids_are_claim_and_check(project):
    project.claims(*THREE)
    listed = project.pytest("policies.yaml", "--collect-only", "-q").stdout.splitlines()
    assert listed[:3] == [
        "policies.yaml::good::own.holds",
        "policies.yaml::bad::own.is_broken",
        "policies.yaml::dark::own.is_dark",
    ]


@pytest.mark.parametrize("extra", [(), ("-n", "2")])
def test_a_node_id_or_a_claim_selects(project, extra):
    project.claims(*THREE)
    assert "1 passed in" in project.pytest("policies.yaml::good::own.holds", *extra).stdout
    assert "1 passed in" in project.pytest("policies.yaml::good", *extra).stdout


def test_k_selects_and_what_it_leaves_out_is_not_upheld(project):
    project.claims(("good", "own.holds"), ("also", "own.is_large"))
    done = project.pytest("policies.yaml", "-k", "good", "--upheld-out", "out")
    assert done.returncode == 0
    assert "1 passed, 1 deselected" in done.stdout
    assert project.results()["is_large"] == ("inconclusive", "not selected in this run")
    assert project.run_json()["complete"] is False


def test_x_stops_and_what_was_not_run_is_not_upheld(project):
    project.claims(THREE[1], ("good", "own.holds"))
    done = project.pytest("policies.yaml", "-x", "--upheld-out", "out")
    assert done.returncode == 1
    verdict, reason = project.results()["holds"]
    assert verdict == "inconclusive"
    assert reason.startswith("the run was stopped before this check")


def test_lf_runs_what_did_not_pass(project):
    project.claims(*THREE)
    project.pytest("policies.yaml")
    again = project.pytest("policies.yaml", "--lf")
    assert "1 failed, 1 inconclusive" in again.stdout or "1 failed, 1 deselected, 1 inconclusive" in again.stdout
    assert "passed" not in again.stdout


def test_junitxml_has_every_check(project):
    project.claims(*THREE)
    project.pytest("policies.yaml", "--junitxml=junit.xml")
    suite = ET.parse(project.folder / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    texts = {case.get("name"): "".join(case.itertext()) for case in suite}
    assert "REFUTED" in texts["own.is_broken"]
    assert "INCONCLUSIVE" in texts["own.is_dark"]
    assert texts["own.holds"].strip() == ""


def test_the_same_check_twice_has_two_ids_and_two_results(project):
    (project.folder / "policies.yaml").write_text(
        "upheld: policy/1\nname: twice\nclaims:\n"
        '  - {id: twice, statement: "Both.", section: S, severity: low, owner: platform,\n'
        "     checks: [own.holds: {subject: first}, own.holds: {subject: second}]}\n",
        encoding="utf-8",
    )
    done = project.pytest("policies.yaml", "-n", "2", "--upheld-out", "out")
    assert "2 passed" in done.stdout
    checks = project.run_json()["claims"][0]["checks"]
    assert sorted(check["findings"][0]["subject"] for check in checks) == ["first", "second"]


def test_a_policy_is_collected_only_when_it_is_named(project):
    project.claims(*THREE)
    (project.folder / "test_other.py").write_text("def test_other():\n    pass\n", encoding="utf-8")
    done = project.pytest(".", target=None)
    assert "1 passed" in done.stdout
    assert "claims" not in done.stdout


def test_other_names_work_when_the_content_is_a_policy(project):
    project.claims(THREE[0], name="promises.yaml")
    assert "1 passed" in project.pytest("promises.yaml").stdout


def test_without_a_target_it_is_an_error_and_not_a_pass(project):
    project.claims(THREE[0])
    done = project.pytest("policies.yaml", target=None)
    assert done.returncode == 4
    assert "no target" in done.stderr
    assert project.pytest("policies.yaml", "--collect-only", target=None).returncode == 0


def test_wrong_input_is_a_usage_error_with_file_and_line(project):
    project.claims(("good", "own.hold"))
    done = project.pytest("policies.yaml")
    assert done.returncode == 4
    assert "policies.yaml:4:" in done.stderr
    assert "own.holds" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("dist", ["loadgroup", "loadscope", "loadfile"])
def test_distributions_that_lose_items_are_refused(project, dist):
    project.claims(*THREE)
    done = project.pytest("policies.yaml", "-n", "2", "--dist", dist)
    assert done.returncode == 4
    assert "lose" in done.stderr


def test_a_conftest_may_name_the_target(project):
    project.claims(THREE[0])
    (project.folder / "conftest.py").write_text(
        "def pytest_upheld_target():\n    return 'target.yaml'\n", encoding="utf-8"
    )
    assert "1 passed" in project.pytest("policies.yaml", target=None).stdout
