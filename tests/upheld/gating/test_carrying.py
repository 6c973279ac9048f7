"""What the gate carries from a run of the base, what it looks at all the same, and why."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upheld.errors import InputError
from upheld.gating.checkout import Checkout
from upheld.model import CheckResult, Run, Verdict, timestamp
from upheld.probes.publication import Publication
from upheld.running import TOOLS

from .conftest import GOOD, PLAIN, Project


def only(run: Run) -> CheckResult:
    return run.claims[0].checks[0]


def with_result(run: Run, **values: Any) -> Run:
    claim = run.claims[0]
    check = dataclasses.replace(claim.checks[0], **values)
    return dataclasses.replace(run, claims=(dataclasses.replace(claim, checks=(check,)), *run.claims[1:]))


def test_what_the_change_does_not_touch_is_carried_and_marked_with_its_age(project: Project) -> None:
    base = project.full()
    project.write("README.md", "A better shop.\n")
    outcome = project.gate(base=base, since="HEAD")
    assert (outcome.code, outcome.looked, outcome.carried) == (0, 0, 1)
    taken = only(outcome.run)
    assert taken.origin == f"carried: from run {base.id[:8]} of {base.started}"
    assert taken.started == only(base).started
    assert any("carried" in note and "old" in note for note in outcome.run.notes)
    assert outcome.run.complete


def test_what_it_touches_is_looked_at_with_what_is_not_committed(project: Project) -> None:
    base = project.full()
    project.write("app/a.py", PLAIN)
    outcome = project.gate(base=base, since="HEAD")
    assert (outcome.code, outcome.looked) == (1, 1)
    assert [(one.place and one.place.uri, one.place and one.place.line) for one in outcome.broken] == [("app/a.py", 1)]
    # The index is as it was: nothing was staged for it.
    assert project.git("status", "--porcelain") == "M app/a.py"


def test_the_chain_of_carried_results_never_makes_one_younger(project: Project) -> None:
    first = project.full()
    old = with_result(first, started=timestamp(datetime.now(UTC) - timedelta(days=6)))
    second = project.gate(base=old).run
    assert only(second).started == only(old).started
    later = with_result(second, started=timestamp(datetime.now(UTC) - timedelta(days=8)))
    outcome = project.gate(base=later)
    assert outcome.looked == 1
    assert any("older than 7 days" in note for note in outcome.run.notes)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"complete": False}, "it was interrupted"),
        ({"versions": {"upheld": "0.0.1"}}, "another version of upheld"),
        ({"target": {"digest": "0" * 64}}, "the target's description"),
        ({"target": {"name": "elsewhere"}}, "another target"),
        ({"target": {"sabotages": ("one",)}}, "defects put in on purpose"),
        ({"target": {"tree": ""}}, "does not say of which files"),
        ({"target": {"tree": "1" * 40}}, "does not have the files"),
        ({"result": {"code_digest": "0" * 64}}, "the check's code has changed"),
        ({"result": {"parameters": {"host": "other.example.com"}}}, "does not have it with these parameters"),
        ({"result": {"started": "2999-01-01T00:00:00.000Z"}}, "of the future"),
        ({"result": {"started": ""}}, "older than"),
        ({"result": {"verdict": Verdict.INCONCLUSIVE}}, "no end of it that was observed"),
        ({"result": {"findings": ()}}, "no end of it that was observed"),
        ({"result": {"observations": ()}}, "no end of it that was observed"),
    ],
)
def test_what_differs_for_the_claim_is_not_carried(project: Project, what: dict[str, Any], said: str) -> None:
    base = project.full()
    if "target" in what:
        base = dataclasses.replace(base, target=dataclasses.replace(base.target, **what["target"]))
    elif "result" in what:
        base = with_result(base, **what["result"])
    else:
        base = dataclasses.replace(base, **what)
    outcome = project.gate(base=base)
    assert (outcome.looked, outcome.carried) == (1, 0)
    assert any(said in note for note in outcome.run.notes), outcome.run.notes


def test_another_policy_carries_what_it_did_not_change(project: Project) -> None:
    project.policy("own.has_no_plain_url", "own.has_a_lock_file")
    base = project.full()
    project.policy("own.has_no_plain_url: {host: other.example.com}", "own.has_a_lock_file")
    outcome = project.gate(base=base)
    assert (outcome.looked, outcome.carried) == (1, 1), outcome.run.notes
    carried = outcome.run.claims[1].checks[0]
    assert carried.key != base.claims[1].checks[0].key
    # It rests on its observations under its own name.
    ids = {one.id for one in carried.observations}
    assert ids
    assert all(one.startswith(f"{carried.key}.") for one in ids)
    assert {name for one in carried.findings for name in one.observations} <= ids


def test_a_file_of_which_only_the_name_is_seen(project: Project) -> None:
    project.policy("own.has_a_lock_file")
    base = project.full()
    project.write("requirements.lock", "jinja2==3.1.7\n")
    assert project.gate(base=base).carried == 1
    project.write("web/package-lock.json", "{}")
    project.git("add", "web/package-lock.json")
    assert project.gate(base=base).looked == 1


def test_a_tool_that_is_another_one_is_asked_again(project: Project) -> None:
    project.policy("code.bandit_finds_nothing_serious")
    base = project.full()
    assert project.gate(base=base).carried == 1
    other = dataclasses.replace(base, versions={**base.versions, "tool bandit": "bandit 0"})
    assert project.gate(base=other).looked == 1
    assert {f"tool {name}" for name in TOOLS} <= set(base.versions)


def test_a_refuted_result_is_carried_as_refuted(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    project.commit()
    base = project.full()
    project.write("README.md", "x\n")
    outcome = project.gate(base=base)
    assert (outcome.code, outcome.carried) == (1, 1)


# --- the deployment ----------------------------------------------------------------------------------------------------


def test_code_alone_says_nothing_of_the_deployment(project: Project) -> None:
    project.policy("own.says_good")
    base = project.full()
    outcome = project.gate(base=base)
    assert outcome.looked == 1
    assert any("gate.deployed_from" in note for note in outcome.run.notes)


@pytest.mark.parametrize(
    ("patterns", "path", "carried"),
    [
        ("[]", "app/a.py", True),
        ("['app/*']", "README.md", True),
        ("['app/*']", "app/a.py", False),
        ("['app/*']", "app/deep/er.py", False),
        ("[]", "registers/partners.yaml", False),
    ],
)
def test_the_policy_says_which_changes_reach_it(project: Project, patterns: str, path: str, carried: bool) -> None:
    project.policy("own.says_good", more=f"gate: {{deployed_from: {patterns}}}\n")
    project.write("target.yaml", (project.folder / "target.yaml").read_text() + "registers: {folder: registers}\n")
    project.write("registers/partners.yaml", "[]\n")
    project.write("app/deep/er.py", "\n")
    project.commit()
    base = project.full()
    project.write(path, "changed = 1\n")
    assert (project.gate(base=base).carried == 1) is carried


# --- the working copy --------------------------------------------------------------------------------------------------


def test_a_reference_that_is_none_is_wrong_usage(project: Project) -> None:
    for reference in ("nowhere", "--all", ""):
        if reference:
            with pytest.raises(InputError, match="names no commit"):
                project.gate(since=reference)


def test_what_the_change_itself_touches_counts_though_the_base_had_it(project: Project) -> None:
    start = project.git("rev-parse", "HEAD")
    project.write("app/a.py", GOOD + "\n")
    project.commit()
    base = project.full()  # Of the change itself.
    assert project.gate(base=base).carried == 1
    assert project.gate(base=base, since=start).looked == 1


def test_files_that_git_does_not_know_are_told_and_not_looked_at(project: Project) -> None:
    project.write("app/new.py", PLAIN)
    outcome = project.gate()
    assert outcome.code == 0
    assert any(note.startswith("1 file lies there that git does not know") for note in outcome.run.notes)
    project.git("add", "app/new.py")
    assert project.gate().code == 1


def test_a_change_in_the_very_moment_of_the_commit_is_seen(project: Project) -> None:
    # Of the same length, and as old as the index: git itself must read such a file to see that it differs.
    for number in range(10):
        project.write("app/a.py", f"{GOOD}# {number}\n")
        project.commit()
        project.write("app/a.py", f"\n{PLAIN}# {number}\n")
        assert len(f"{GOOD}") == len(f"\n{PLAIN}")
        with_change = Checkout(project.folder).snapshot(project.beside / f"scratch-{number}")
        assert with_change.tree != project.git("rev-parse", "HEAD^{tree}")


def test_a_file_that_was_deleted_is_gone(project: Project) -> None:
    project.write("app/bad.py", PLAIN)
    project.commit()
    assert project.gate().code == 1
    (project.folder / "app/bad.py").unlink()
    assert project.gate().code == 0


def test_a_shallow_clone_and_a_detached_head_have_files_too(project: Project) -> None:
    project.write("app/a.py", PLAIN)
    project.commit()
    clone = project.beside / "clone"
    project.git("clone", "-q", "--depth", "1", f"file://{project.folder}", str(clone))
    project.folder = clone
    project.git("checkout", "-q", "--detach")
    assert project.gate().code == 1


def test_a_repository_without_working_copy_is_judged_at_its_branch(project: Project) -> None:
    mirror = project.beside / "mirror"
    project.git("clone", "-q", "--bare", str(project.folder), str(mirror))
    text = (project.folder / "target.yaml").read_text().replace('path: "."', f'path: "{mirror}"')
    project.write("target.yaml", text)
    outcome = project.gate()
    assert outcome.code == 0
    assert any("no working copy" in note for note in outcome.run.notes)
    with pytest.raises(InputError, match="no working copy"):
        project.gate(since="HEAD")


def test_what_compares_with_the_policy_is_carried_only_under_the_same_one(project: Project) -> None:
    project.policy("own.has_a_lock_file")
    base = project.full()
    looks = tuple(
        dataclasses.replace(one, probe=Publication.name, look=Publication.policy_sentences.__name__)
        for one in only(base).observations
    )
    compares = with_result(base, observations=looks)
    assert project.gate(base=compares).carried == 1
    project.policy("own.has_a_lock_file", "own.has_no_plain_url")
    outcome = project.gate(base=compares)
    assert outcome.carried == 0
    assert any("it compares with the policy" in note for note in outcome.run.notes)
