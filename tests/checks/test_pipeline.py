"""The checks of the pipeline: what scans dependencies on every build, which builds were scanned, what a bot keeps up to date."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.probes.base import Session

from ..repositories import Shop, days, stamp
from .test_reviews import Auditor

SCANS = "pipeline.every_lock_file_is_scanned_on_every_build"
BUILDS = "pipeline.every_build_was_scanned"
UPDATES = "pipeline.update_bot_covers_every_ecosystem"
CI = ".github/workflows/ci.yml"
LOCKS = {"requirements.lock": "jinja2==3.1.6\n", "web/package-lock.json": '{"packages": {}}'}
PIP, NPM = "pip-audit --strict -r requirements.lock", "npm audit --prefix web"


@pytest.fixture
def auditor(tmp_path: Path, session_of: Callable[..., Session]) -> Auditor:
    return Auditor(Shop(tmp_path), session_of)


def workflow(*steps: str | dict[str, Any], on: Any = ("push", "pull_request"), name: str = "scan", **job: Any) -> str:
    """A workflow as JSON, which is YAML."""
    made = [{"run": step} if isinstance(step, str) else step for step in steps]
    return json.dumps(
        {"on": list(on) if isinstance(on, tuple) else on, "jobs": {"scan": {"name": name, "steps": made, **job}}}
    )


def failed_with(auditor: Auditor, text: str, path: str = CI, **more: str) -> dict[str, str]:
    """What fails, by lock file, with this definition of the pipeline."""
    auditor.shop.merge({path: text, **LOCKS, **more})
    found = auditor.run(SCANS)
    assert all(isinstance(one, Finding) for one in found), found
    return {str(one.subject): one.observed for one in found if not one.passed}


@pytest.mark.parametrize(
    "text",
    [
        workflow(PIP, NPM),
        workflow(f"python -m {PIP}\ncd web && npm audit"),
        workflow("cd web\nnpm ci\nnpm audit --audit-level low\ncd ..\n" + PIP),
        workflow(PIP + " \\\n  --require-hashes", {"run": "npm audit", "working-directory": "./web"}),
        workflow("osv-scanner scan source -r ."),
        workflow("osv-scanner -L requirements.lock -L web/package-lock.json"),
        workflow("osv-scanner --lockfile=requirements.lock", "trivy fs --exit-code 1 ./web"),
        workflow({"uses": "google/osv-scanner-action@v2", "with": {"scan-args": "-r ./"}}),
        workflow({"uses": "pypa/gh-action-pip-audit@v1", "with": {"inputs": "requirements.lock"}}, NPM),
        workflow({"uses": "aquasecurity/trivy-action@v1", "with": {"scan-ref": ".", "exit-code": "1"}}),
        workflow(PIP, "osv-scanner scan -r ./docs ./web"),
        workflow({"uses": "anchore/scan-action@v6", "with": {"fail-build": True}}),
        workflow("snyk test"),
        workflow(f"set -o pipefail\n{PIP} | tee report.txt", {"run": f"{NPM} | tee x", "shell": "bash"}),
        workflow(f"{PIP} 2>&1", f"{NPM} || exit 1"),
        workflow(PIP, NPM, on={"push": None, "pull_request": {"branches": ["main"]}}),
        workflow(PIP, NPM, on={"push": {"branches": "main", "tags": ["v*"]}, "pull_request": None}),
    ],
)
def test_scans_that_count(auditor: Auditor, text: str) -> None:
    assert failed_with(auditor, text) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (workflow(NPM), "no scan of the pipeline covers it"),
        (workflow("pip-audit", NPM), "no scan of the pipeline covers it"),
        (workflow("pip-audit -r requirements-dev.lock", NPM), "no scan of the pipeline covers it"),
        (workflow(f"# {PIP}", f"echo {PIP}", NPM), "no scan of the pipeline covers it"),
        (workflow(f"if {PIP}; then exit 1; fi", NPM), "no scan of the pipeline covers it"),
        (workflow(f"{PIP} --dry-run", NPM), "no scan of the pipeline covers it"),
        (workflow(f"{PIP} || true", NPM), "passed over (|| true)"),
        (workflow(f"{PIP} || echo found", NPM), "passed over (|| echo found)"),
        (workflow(f"{PIP} | tee report.txt", NPM), "only the last command of a pipe counts"),
        (workflow(f"set -e\n{PIP} | tee report.txt", NPM), "only the last command of a pipe counts"),
        (workflow(f"{PIP} &", NPM), "in the background"),
        (workflow(f"set +e\n{PIP}\nexit 0", NPM), "set +e"),
        (workflow({"run": PIP, "shell": "bash {0}"}, NPM), "its shell goes on after a failure"),
        (workflow({"run": PIP, "continue-on-error": True}, NPM), "continue-on-error"),
        (workflow({"run": PIP, "continue-on-error": "${{ matrix.may }}"}, NPM), "continue-on-error"),
        (workflow({"run": PIP, "if": "github.actor == 'x'"}, NPM), "only on a condition"),
    ],
)
def test_scans_that_do_not_count_are_refuted_by_name(auditor: Auditor, text: str, words: str) -> None:
    failed = failed_with(auditor, text)
    assert list(failed) == ["requirements.lock"]
    assert words in failed["requirements.lock"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (workflow(PIP, NPM, **{"continue-on-error": True}), "the job's failure is passed over"),
        (workflow(PIP, NPM, **{"if": "github.event_name == 'schedule'"}), "the job runs only on a condition"),
        (workflow(PIP, NPM, on={"schedule": [{"cron": "17 2 * * *"}]}), "does not run on a push"),
        (workflow(PIP, NPM, on="push"), "does not run on a pull_request"),
        (workflow(PIP, NPM, on={"push": {"paths": ["*.lock"]}, "pull_request": None}), "every push (paths)"),
        (workflow(PIP, NPM, on={"push": None, "pull_request": {"paths-ignore": ["docs"]}}), "(paths-ignore)"),
        (workflow(PIP, NPM, on={"push": {"branches": ["next"]}, "pull_request": None}), "a push of main"),
        (workflow("trivy fs ."), "not told to fail on findings"),
        (workflow("trivy fs --exit-code 0 ."), "told not to fail on findings"),
        (workflow({"uses": "aquasecurity/trivy-action@v1"}), "not told to fail on findings"),
        (workflow({"uses": "anchore/scan-action@v6", "with": {"fail-build": "false"}}), "told not to fail on findings"),
        (workflow({"uses": "google/osv-scanner-action@v2", "with": {"fail-on-vuln": "false"}}), "told not to fail"),
        (workflow({"uses": "anchore/scan-action@v6", "with": {"fail-build": False}}), "(fail-build)"),
        (workflow({"uses": "google/osv-scanner-action@v2", "with": {"fail-on-vuln": False}}), "(fail-on-vuln)"),
        (workflow({"uses": "anchore/scan-action@v6", "with": {"fail-build": "${{ inputs.strict }}"}}), "(fail-build)"),
        (workflow({"uses": "aquasecurity/trivy-action@v1", "with": {"exit-code": 0}}), "(exit-code)"),
        (
            workflow({"uses": "aquasecurity/trivy-action@v1", "with": {"exit-code": "${{ inputs.code }}"}}),
            "(exit-code)",
        ),
        (
            workflow(
                {
                    "uses": "pypa/gh-action-pip-audit@v1",
                    "with": {
                        "inputs": "requirements.lock web/package-lock.json",
                        "internal-be-careful-allow-failure": True,
                    },
                }
            ),
            "(internal-be-careful-allow-failure)",
        ),
        (workflow("npm audit"), "no scan of the pipeline covers it"),
        (workflow("osv-scanner scan -r web/app"), "no scan of the pipeline covers it"),
        (workflow("pytest"), "no scan of the pipeline covers it"),
    ],
)
def test_what_spoils_every_scan(auditor: Auditor, text: str, words: str) -> None:
    failed = failed_with(auditor, text)
    assert set(failed) == set(LOCKS)
    assert all(words in one for one in failed.values()), failed


def test_a_scan_of_a_part_of_the_packages_does_not_count(auditor: Auditor) -> None:
    assert "leaves out a part" in failed_with(auditor, workflow(PIP, f"{NPM} --omit=dev"))["web/package-lock.json"]


SHARED = ".github/workflows/shared.yml"


def calling(uses: str = f"./{SHARED}", **more: Any) -> str:
    """A workflow whose only job calls another one, as JSON."""
    return json.dumps({"on": ["push", "pull_request"], "jobs": {"checks": {"uses": uses, **more}}})


def test_scans_in_workflows_that_are_called_count(auditor: Auditor) -> None:
    shared = workflow(PIP, NPM, on={"workflow_call": None})
    assert failed_with(auditor, calling(), **{SHARED: shared}) == {}
    between = {".github/workflows/between.yml": calling().replace("pull_request", "workflow_call")}
    assert failed_with(auditor, calling("./.github/workflows/between.yml"), **between, **{SHARED: shared}) == {}
    for wrong in (calling(**{"if": "github.actor != 'bot'"}), calling(**{"continue-on-error": True})):
        assert set(failed_with(auditor, wrong)) == set(LOCKS)
    assert set(failed_with(auditor, calling(), **{SHARED: workflow(PIP + " || true", on="workflow_call")})) == set(
        LOCKS
    )
    auditor.shop.merge({CI: calling(), SHARED: shared})
    built(auditor, "a" * 40, 1, ("checks / scan", "success"))
    built(auditor, "b" * 40, 2, ("checks", "success"))
    (failed,) = auditor.failed(BUILDS)
    assert "builds of bbbbbbbbbbbb" in failed


@pytest.mark.parametrize(
    ("uses", "words"),
    [
        ("shop/shared/.github/workflows/scan.yml@v1", "no file of the repository"),
        ("./.github/workflows/missing.yml", "missing.yml"),
        (f"./{CI}", "too many below one another"),
        ("./requirements.lock", "has no jobs"),
    ],
)
def test_a_called_workflow_that_cannot_be_read_decides_nothing(auditor: Auditor, uses: str, words: str) -> None:
    auditor.shop.merge({CI: calling(uses), **LOCKS})
    assert words in auditor.unseen(SCANS)
    assert words in auditor.unseen(BUILDS)


def test_the_word_on_is_read_as_yaml_reads_it(auditor: Auditor) -> None:
    text = f"on:\n  push:\n  pull_request:\njobs:\n  a:\n    steps:\n      - run: {PIP}\n      - run: {NPM}\n"
    assert failed_with(auditor, text) == {}


def test_a_pipeline_of_gitlab(auditor: Auditor) -> None:
    text = f"audit:\n  script:\n    - {PIP}\n    - {NPM}\n"
    assert failed_with(auditor, text, ".gitlab-ci.yml") == {}
    assert set(failed_with(auditor, f"{text}  allow_failure: true\n", ".gitlab-ci.yml")) == set(LOCKS)
    assert set(failed_with(auditor, f"{text}  rules:\n    - if: $NIGHTLY\n", ".gitlab-ci.yml")) == set(LOCKS)
    auditor.shop.merge({".gitlab-ci.yml": f"include: other.yml\n{text}"})
    assert "includes other definitions" in auditor.unseen(SCANS)


def parent(include: Any = "ci/scans.yml", strategy: str | None = "depend", **job: Any) -> str:
    """A pipeline of GitLab that starts another one, as JSON."""
    trigger = {"include": include, **({"strategy": strategy} if strategy else {})}
    return json.dumps({"tests": {"script": "pytest"}, "scans": {"trigger": trigger, **job}})


def child(**more: Any) -> str:
    return json.dumps({"audit": {"script": [PIP, NPM], **more.pop("job", {})}, **more})


IN_A_CHILD = {"if": '$CI_PIPELINE_SOURCE == "parent_pipeline"'}


@pytest.mark.parametrize(
    ("include", "files"),
    [
        ("ci/scans.yml", {"ci/scans.yml": child()}),
        ({"local": "/ci/scans.yml"}, {"ci/scans.yml": child(job={"rules": [IN_A_CHILD]})}),
        (["/ci/scans.yml"], {"ci/scans.yml": child(workflow={"rules": [IN_A_CHILD, {"when": "never"}]})}),
        ("ci/scans.yml", {"ci/scans.yml": child(job={"rules": [{"if": "$NIGHTLY"}, {"when": "always"}]})}),
        (
            [{"local": "ci/pip.yml"}, {"local": "ci/npm.yml"}],
            {"ci/pip.yml": f"pip: {{script: {PIP}}}\n", "ci/npm.yml": f"npm: {{script: {NPM}}}\n"},
        ),
        ("ci/more.yml", {"ci/more.yml": parent(), "ci/scans.yml": child()}),
    ],
)
def test_scans_in_child_pipelines_of_gitlab_count(auditor: Auditor, include: Any, files: dict[str, str]) -> None:
    assert failed_with(auditor, parent(include), ".gitlab-ci.yml", **files) == {}
    assert failed_with(auditor, parent(include, "mirror", rules=[{"when": "on_success"}]), ".gitlab-ci.yml") == {}


@pytest.mark.parametrize(
    ("text", "scans", "words"),
    [
        (parent(strategy=None), child(), "does not wait for the pipeline that it starts"),
        (parent(allow_failure=True), child(), "the job's failure is passed over"),
        (parent(when="manual"), child(), "only on a condition (when: manual)"),
        (parent(rules=[IN_A_CHILD]), child(), "only on a condition (rules)"),
        (parent(), child(job={"allow_failure": True}), "the job's failure is passed over"),
        (parent(), child(job={"rules": [{"if": "$CI_MERGE_REQUEST_ID"}]}), "only on a condition (rules)"),
        (parent(), child(job={"rules": [{"if": "$LATER", "when": "never"}, IN_A_CHILD]}), "only on a condition (rules)"),
        (parent(), json.dumps({"audit": {"script": "make audit"}}), "no scan of the pipeline covers it"),
    ],
)  # fmt: skip
def test_scans_in_child_pipelines_that_do_not_count(auditor: Auditor, text: str, scans: str, words: str) -> None:
    failed = failed_with(auditor, text, ".gitlab-ci.yml", **{"ci/scans.yml": scans})
    assert set(failed) == set(LOCKS)
    assert all(words in one for one in failed.values()), failed


@pytest.mark.parametrize(
    ("text", "scans", "words"),
    [
        (parent({"artifact": "made.yml", "job": "make"}), "", "defined by artifact, job"),
        (parent(["ci/scans.yml", {"template": "Jobs/SAST.gitlab-ci.yml"}]), child(), "defined by template"),
        (parent({"local": "ci/scans.yml", "rules": [{"exists": ["x"]}]}), child(), "defined by local, rules"),
        (parent("https://ci.example.com/scans.yml"), child(), "not one file of the repository"),
        (parent("ci/*.yml"), child(), "not one file of the repository"),
        (parent("ci/missing.yml"), child(), "missing.yml"),
        (parent(), child(include="other.yml"), "includes other definitions"),
        (parent(), child(workflow={"rules": [{"if": "$CI_COMMIT_TAG"}]}), "limits when it runs"),
        (parent(), child(job={"extends": ".audit"}), "extends another"),
        (parent(["ci/scans.yml", "ci/scans.yml"]), "[", "no YAML"),
        (parent(["ci/scans.yml", "web/ci.yml"]), child(), "changes the job audit of ci/scans.yml"),
        (parent(), parent(), "too many below one another"),
        (json.dumps({"scans": {"trigger": "shop/scans"}}), "", "one of the project shop/scans"),
        (json.dumps({"scans": {"trigger": {"project": "shop/scans"}}}), "", "one of the project shop/scans"),
    ],
)
def test_a_child_pipeline_that_cannot_be_read_decides_nothing(
    auditor: Auditor, text: str, scans: str, words: str
) -> None:
    auditor.shop.merge({".gitlab-ci.yml": text, "ci/scans.yml": scans, "web/ci.yml": child(), **LOCKS})
    assert words in auditor.unseen(SCANS)
    assert words in auditor.unseen(BUILDS)
    # What another job scans is scanned, whatever the child does.
    scanned = json.loads(text) | {"audit": {"script": [PIP, NPM]}}
    assert failed_with(auditor, json.dumps(scanned), ".gitlab-ci.yml") == {}


@pytest.mark.parametrize("text", ["[", "a: b\n", "jobs: 3\n", "on: push\njobs:\n  a: 3\n", "jobs: {}\n"])
def test_a_definition_that_cannot_be_read_is_no_pass(auditor: Auditor, text: str) -> None:
    auditor.shop.merge({CI: text, **LOCKS})
    assert auditor.unseen(SCANS)


def test_nothing_to_scan_and_nothing_that_scans_is_no_pass(auditor: Auditor) -> None:
    assert "no definition of a pipeline" in auditor.unseen(SCANS)
    auditor.shop.merge({CI: workflow(PIP)})
    assert "no lock file" in auditor.unseen(SCANS)
    auditor.shop.merge(LOCKS)
    assert "no lock file missing.lock" in auditor.unseen(SCANS, repository={"lock_files": ["missing.lock"]})
    left_out = dict.fromkeys(LOCKS, "an example")
    assert "no lock file" in auditor.unseen(SCANS, repository={"left_out_lock_files": left_out})
    del left_out["requirements.lock"]
    found = auditor.run(SCANS, repository={"left_out_lock_files": left_out})
    assert [type(one) for one in found] == [Finding, LeftOut]


# --- builds ---------------------------------------------------------------------------------------------------------


def built(
    auditor: Auditor,
    commit: str,
    days_ago: float,
    *jobs: tuple[str, str],
    event: str = "push",
    conclusion: str = "success",
    status: str = "completed",
) -> None:
    forge = auditor.shop.forge
    number = 100 + len(forge.runs)
    forge.runs.append(
        {
            "id": number,
            "path": CI,
            "event": event,
            "head_sha": commit,
            "created_at": stamp(days(days_ago)),
            "status": status,
            "conclusion": conclusion if status == "completed" else None,
        }
    )
    forge.jobs[number] = [
        {"name": name, "status": status if outcome else "queued", "conclusion": outcome or None}
        for name, outcome in jobs
    ]


@pytest.fixture
def builds(auditor: Auditor) -> Auditor:
    auditor.shop.merge({CI: workflow(PIP, name="audit"), **LOCKS})
    built(auditor, "a" * 40, 1, ("tests", "success"), ("audit", "success"))
    built(auditor, "b" * 40, 2, ("tests", "success"), ("audit", "failure"), conclusion="failure")
    built(auditor, "c" * 40, 3, ("tests", "success"), event="push")
    built(auditor, "c" * 40, 3, ("audit", "success"), event="pull_request")
    return auditor


def test_builds_with_their_scan_pass_and_older_ones_are_not_judged(builds: Auditor) -> None:
    built(builds, "d" * 40, 40, ("tests", "success"))
    assert builds.failed(BUILDS) == []
    assert len(builds.run(BUILDS)) == 3
    assert len(builds.failed(BUILDS, parameters={"days": 50})) == 1


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ((("tests", "success"),), "no job that scans"),
        ((("audit", "skipped"),), "was skipped"),
        ((("audit", "cancelled"),), "was cancelled"),
        ((("audit", "failure"),), "succeeded although its scan (audit) failed"),
        ((), "no job that scans"),
    ],
)
def test_a_build_without_its_scan_is_refuted(builds: Auditor, jobs: Any, words: str) -> None:
    builds.shop.forge.runs.clear()
    built(builds, "e" * 40, 5, *jobs)
    (failed,) = builds.failed(BUILDS)
    assert "builds of eeeeeeeeeeee (push)" in failed
    assert words in failed


def test_a_job_that_was_called_otherwise_may_be_named(builds: Auditor) -> None:
    built(builds, "e" * 40, 5, ("old audit", "success"))
    assert len(builds.failed(BUILDS)) == 1
    assert builds.failed(BUILDS, parameters={"jobs": ("old audit",)}) == []


def test_a_build_whose_scan_may_still_come_is_left_for_the_next_time(builds: Auditor) -> None:
    builds.shop.forge.runs.clear()
    built(builds, "e" * 40, 0.01, ("tests", "success"), status="in_progress")
    assert [type(one) for one in builds.run(BUILDS)] == [LeftOut]


def test_builds_that_cannot_be_seen(builds: Auditor) -> None:
    built(builds, "e" * 40, 0.01, ("audit", ""), status="in_progress")
    (left_out,) = [one for one in builds.run(BUILDS) if not isinstance(one, Finding)]
    assert isinstance(left_out, LeftOut)
    assert "still going on" in left_out.reason
    builds.shop.forge.broken["/jobs"] = (403, {}, b"{}")
    assert "the token lacks the right" in builds.unseen(BUILDS)
    builds.shop.forge.broken["/actions/runs"] = (200, {}, b'{"workflow_runs": [{}]}')
    assert "cannot be read" in builds.unseen(BUILDS)
    builds.shop.forge.broken["/actions/runs"] = (200, {}, b"{}")
    assert "something else than a list" in builds.unseen(BUILDS)
    builds.shop.forge.broken.clear()
    builds.shop.forge.runs.clear()
    assert "no record of a build" in builds.unseen(BUILDS)
    builds.shop.merge({CI: workflow("pytest")})
    assert "no job of the pipeline scans" in builds.unseen(BUILDS)


# --- the update bot -------------------------------------------------------------------------------------------------

PLACES = {
    "pyproject.toml": 'dependencies = ["x"]\n',
    "web/package.json": "{}",
    "Dockerfile": "FROM x\n",
    CI: workflow(PIP),
}


def dependabot(*entries: tuple[str, str], **more: Any) -> str:
    return json.dumps(
        {
            "updates": [
                {"package-ecosystem": one, "directory": folder, "schedule": {"interval": "daily"}, **more}
                for one, folder in entries
            ]
        }
    )


EVERYTHING = (("uv", "/"), ("npm", "/web"), ("docker", "/"), ("github-actions", "/"))


def uncovered(auditor: Auditor, text: str, path: str = ".github/dependabot.yml") -> list[str]:
    auditor.shop.merge({path: text, **PLACES})
    found = auditor.run(UPDATES)
    assert not [one for one in found if isinstance(one, NotObserved)]
    return [str(one.subject) for one in found if not one.passed]


def test_a_bot_that_covers_everything(auditor: Auditor) -> None:
    assert uncovered(auditor, dependabot(*EVERYTHING)) == []
    entries = json.loads(dependabot(*EVERYTHING))
    entries["updates"][1] |= {"directories": ["/w*"], "directory": None}
    assert uncovered(auditor, json.dumps(entries)) == []
    assert uncovered(auditor, '{"extends": ["config:recommended"]}', "renovate.json") == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (dependabot(*EVERYTHING[:3]), ["github-actions in /"]),
        (dependabot(*EVERYTHING[1:], ("pip", "/elsewhere")), ["pip in /"]),
        (dependabot(*EVERYTHING, **{"open-pull-requests-limit": 0}), 4),
        (dependabot(*EVERYTHING, schedule={}), 4),
        (dependabot(*EVERYTHING, ignore=[{"dependency-name": "*"}]), 4),
        (dependabot(*EVERYTHING, **{"target-branch": "next"}), 4),
        ('{"updates": []}', 4),
    ],
)
def test_a_bot_that_covers_part_is_refuted(auditor: Auditor, text: str, places: Any) -> None:
    found = uncovered(auditor, text)
    assert found == places or len(found) == places


def test_no_bot_at_all_is_refuted_and_one_that_cannot_be_read_is_not_seen(auditor: Auditor) -> None:
    auditor.shop.merge(PLACES)
    assert len(auditor.failed(UPDATES)) == 4
    assert uncovered(auditor, '{"enabled": false}', "renovate.json") != []
    for text in ("[", "{}", '{"enabledManagers": ["npm"]}'):
        auditor.shop.merge({"renovate.json": text} if "enabled" in text else {".github/dependabot.yml": text})
        assert auditor.unseen(UPDATES)
        auditor.shop.merge({".github/dependabot.yml": None})


def test_a_repository_without_dependencies_shows_nothing(auditor: Auditor) -> None:
    with pytest.raises(Unobservable, match="no file that names dependencies"):
        auditor.run(UPDATES)
