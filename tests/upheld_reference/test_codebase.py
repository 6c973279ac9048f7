"""The platform's repository: how it came about, what holds it together, and how each defect of it shows."""

from __future__ import annotations

import ast
import datetime as dt
import importlib.metadata
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from dulwich.repo import Repo

from upheld_reference import deployment as deployments
from upheld_reference import people, sabotages
from upheld_reference.codebase import areas, changes, history, protection, tree, writing
from upheld_reference.codebase.history import HistoryError
from upheld_reference.codebase.model import Change, Edit, Push
from upheld_reference.codebase.record import Record
from upheld_reference.deployment import Deployment
from upheld_reference.platform import Platform
from upheld_reference.settings import Settings

from . import development as held_to

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)

NEEDS_GIT = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to compare with")


@pytest.fixture
def made_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Record, protection.Protection]]:
    """The record and the protection of a repository with the named sabotages; what they replace is put back later."""

    def make(*names: str) -> tuple[Record, protection.Protection]:
        for module, attribute in ((changes, "planned"), (tree, "files"), (protection, "of_main")):
            monkeypatch.setattr(module, attribute, getattr(module, attribute))
        sabotages.apply(Platform(Settings(folder=tmp_path)), names)
        return history.build(tree.files(), changes.planned(), NOW).record, protection.of_main()

    return make


def violations(made: Record, held: protection.Protection) -> dict[str, set[str]]:
    """The promises about the repository that are not kept, by claim; code and credentials are looked at elsewhere."""
    found = {
        "peer-reviewed": held_to.peer_review(made, held),
        "deps-scanned": held_to.scans(made, held),
        "security-reviews": held_to.security_reviews(made, held),
        "pipelines-reviewed": held_to.deploys(made, writing.deploy_log(made)),
        "auto-patching": held_to.updates(made),
    }
    return {claim: what for claim, what in found.items() if what}


def test_every_promise_is_kept(made_with: Callable[..., Any]) -> None:
    made, held = made_with()
    assert violations(made, held) == {}
    assert len(made.pulls) > 20
    assert len(made.deploys) > 10
    assert len({pull.author for pull in made.pulls}) > 6


JINJA = {
    f"jinja2 3.1.3: {one}"
    for one in ("GHSA-h75v-3vvj-5mfj", "GHSA-q2x7-8rv6-6q7h", "GHSA-gmj6-6f8f-6699", "GHSA-cpwx-vrp4-4pq7")
}
UNAPPROVED = {"no approval of the last revision by somebody else"}

EXPECTED: dict[str, dict[str, set[str]]] = {
    "direct_push": {"peer-reviewed": {"no pull request"}},
    "self_approved_change": {"peer-reviewed": UNAPPROVED},
    "approval_before_last_push": {"peer-reviewed": UNAPPROVED},
    "author_approves_under_second_address": {"peer-reviewed": UNAPPROVED},
    "protection_off_for_administrators": {"peer-reviewed": {"protection"}},
    "scan_continues_on_error": {"deps-scanned": {"findings do not fail"}},
    "scan_only_nightly": {"deps-scanned": {"no scan on a build", "a build without its scan"}},
    "vulnerable_pin": {"deps-scanned": JINJA},
    "lock_file_not_scanned": {"deps-scanned": {"requirements-ci.lock is not scanned"}},
    "build_without_scan": {"deps-scanned": {"a build without its scan"}},
    "auth_change_without_security_review": {"security-reviews": {"a sensitive change without the security team"}},
    "codeowners_with_a_hole": {"security-reviews": {"a hole in the owners file"}},
    "deploy_outside_main": {"pipelines-reviewed": {"a deploy from outside main"}},
    "deploy_of_unreviewed_commit": {
        "pipelines-reviewed": {"a deploy that nobody reviewed"},
        "peer-reviewed": UNAPPROVED,
    },
    "update_bot_covers_part": {"auto-patching": {"npm in /rivet/edge/client", "docker in /", "github-actions in /"}},
    "high_bandit_finding": {},
    "certificate_verification_off_in_code": {},
    "graph_http_url_in_code": {},
    "graph_verification_off_in_code": {},
    "credential_in_repository_env_file": {},
    "credential_in_repository_history": {},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sabotage_breaks_what_it_names_and_no_more(made_with: Callable[..., Any], name: str) -> None:
    found = violations(*made_with(name))
    assert found == EXPECTED[name]
    assert set(found) <= set(sabotages.find(name).breaks)


def test_every_sabotage_of_the_repository_is_expected_here() -> None:
    modules = {f"upheld_reference.sabotages.{name}" for name in ("peer_review", "dependencies", "development")}
    assert {name for name, one in sabotages.catalogue().items() if one.module in modules} == EXPECTED.keys()


def test_equal_dates_give_equal_commits_and_other_dates_others(made_with: Callable[..., Any]) -> None:
    first = made_with()[0]
    again = history.build(tree.files(), changes.planned(), NOW).record
    assert first.main == again.main
    later = history.build(tree.files(), changes.planned(), NOW + dt.timedelta(days=1)).record
    assert not set(first.main) & set(later.main)


def test_every_change_changes_something_and_none_overlaps(made_with: Callable[..., Any]) -> None:
    made = made_with()[0]
    empty = [
        made.commits[sha].message
        for pull in made.pulls
        for sha in pull.commits
        if made.commits[sha].files == made.commits[made.commits[sha].parents[0]].files
    ]
    # A change of codebase/changes.py is due when a module that it names has moved.
    assert empty == []
    merged = [pull for pull in made.pulls if pull.merged_at]
    for before, after in itertools.pairwise(merged):
        assert before.merged_at is not None
        assert before.merged_at < after.created_at, after.title


def test_who_has_left_did_nothing_afterwards(made_with: Callable[..., Any]) -> None:
    made = made_with()[0]
    left = {
        person.login: NOW - dt.timedelta(days=person.left_days_ago) for person in people.PEOPLE if person.left_days_ago
    }
    done = [(commit.author.login, commit.at) for commit in made.commits.values()]
    done += [(review.by, review.at) for pull in made.pulls for review in pull.reviews]
    assert {login for login, _ in done} & left.keys()
    assert [login for login, at in done if at > left.get(str(login), NOW)] == []


def test_a_text_that_nobody_wrote_is_an_error() -> None:
    change = Change("Title", "branch", "sipho", (Push("m", edits=(Edit("a", "before", "now"),)),), 1.0, "sipho")
    with pytest.raises(HistoryError, match="a has 'now' 2 times, not once"):
        history.build({"a": b"now now"}, (change,), NOW)
    with pytest.raises(HistoryError, match="a has 'now' 0 times"):
        history.build({}, (change,), NOW)


def test_the_declared_areas_and_the_names_of_files_agree(made_with: Callable[..., Any]) -> None:
    made = made_with()[0]
    files = [path for path in made.commits[made.main[0]].files if path.endswith(".py")]
    assert {area for path in files for area in areas.touched([path])} >= {"auth", "billing", "credentials"}
    declared = {path for path in files if areas.touched([path]) - {"pipelines"}}
    assert {path for path in declared if held_to.owners_of(made, path) != {"@rivet/security"}} == set()


def test_the_code_passes_static_analysis(made_with: Callable[..., Any], tmp_path: Path) -> None:
    made, _ = made_with()
    assert held_to.static_analysis(held_to.unpack(made, tmp_path / "tree")) == set()


def test_static_analysis_finds_what_is_wrong(made_with: Callable[..., Any], tmp_path: Path) -> None:
    made, _ = made_with("high_bandit_finding", "certificate_verification_off_in_code")
    assert held_to.static_analysis(held_to.unpack(made, tmp_path / "tree")) == {
        "B602 in rivet/operations/archive.py",
        "B501 in rivet/operations/mirror.py",
    }


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("graph_http_url_in_code", "rivet/graph/retrying.py", '"http://graph.rivet.example/"'),
        ("graph_verification_off_in_code", "rivet/graph/lenient.py", "context.verify_mode = ssl.CERT_NONE"),
    ],
)
def test_code_that_calls_graph_without_https_is_merged_and_not_deployed(
    made_with: Callable[..., Any], name: str, path: str, words: str
) -> None:
    untouched = made_with()[0]
    made, _ = made_with(name)
    head = made.commits[made.main[0]]
    assert words in made.blobs[head.files[path]].decode("utf-8")
    assert path not in untouched.commits[untouched.main[0]].files
    assert not [deploy for deploy in made.deploys if path in made.commits[deploy.commit].files]


def test_no_credential_is_or_was_in_the_repository(made_with: Callable[..., Any], tmp_path: Path) -> None:
    assert held_to.secrets_in(made_with()[0], tmp_path / "blobs") == set()


def test_credentials_are_found_in_files_and_in_the_history(made_with: Callable[..., Any], tmp_path: Path) -> None:
    untouched = made_with()[0]
    made, _ = made_with("credential_in_repository_env_file", "credential_in_repository_history")
    found = {one.partition(":")[0] for one in held_to.secrets_in(made, tmp_path / "blobs", untouched.blobs)}
    assert found == {".env.production", ".env.staging"}
    assert ".env.staging" not in made.commits[made.main[0]].files


def git(folder: str, *arguments: str) -> str:
    command = ["git", "-c", f"safe.directory={folder}", "-C", folder, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@NEEDS_GIT
def test_git_itself_finds_the_repository_whole(deployment: Deployment) -> None:
    folder = deployment.facts["codebase"]["repository"]
    command = ["git", "-C", folder, "fsck", "--strict", "--full", "--no-progress"]
    checked = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (checked.stdout + checked.stderr).strip() == ""
    assert git(folder, "status", "--porcelain").strip() == ""
    assert git(folder, "branch", "--show-current").strip() == "main"
    assert git(folder, "rev-list", "--max-parents=0", "main").split() == [deployment.facts["codebase"]["since_commit"]]


def of_forge(deployment: Deployment, request_of: Callable[..., httpx.Response], path: str) -> list[dict[str, Any]]:
    """Everything of a list of the forge, page by page."""
    head = {"authorization": f"Bearer {deployment.facts['forge']['token']}"}
    found: list[dict[str, Any]] = []
    page = f"/repos/rivet/platform{path}{'&' if '?' in path else '?'}per_page=100"
    while page:
        answer = request_of(deployment, "forge", page, headers=head)
        found += answer.json()
        page = httpx.URL(answer.links["next"]["url"]).raw_path.decode() if "next" in answer.links else ""
    return found


@NEEDS_GIT
def test_git_and_the_forge_tell_the_same(deployment: Deployment, request_of: Callable[..., httpx.Response]) -> None:
    folder = deployment.facts["codebase"]["repository"]
    lines = git(folder, "log", "--format=%H|%T|%P|%an|%ae|%cn|%ce|%aI|%s", "main").splitlines()
    told = of_forge(deployment, request_of, "/commits")
    shown = {
        "|".join(
            (
                one["sha"],
                one["commit"]["tree"]["sha"],
                " ".join(parent["sha"] for parent in one["parents"]),
                one["commit"]["author"]["name"],
                one["commit"]["author"]["email"],
                one["commit"]["committer"]["name"],
                one["commit"]["committer"]["email"],
                dt.datetime.fromisoformat(one["commit"]["author"]["date"])
                .astimezone(dt.timezone(dt.timedelta(hours=2)))
                .isoformat(),
                one["commit"]["message"].partition("\n")[0],
            )
        )
        for one in told
    }
    assert shown == set(lines)
    for pull in of_forge(deployment, request_of, "/pulls?state=all"):
        assert git(folder, "rev-parse", f"refs/pull/{pull['number']}/head").strip() == pull["head"]["sha"]
        changed = git(folder, "diff", "--numstat", pull["base"]["sha"], pull["head"]["sha"]).splitlines()
        files = of_forge(deployment, request_of, f"/pulls/{pull['number']}/files")
        assert {(str(one["additions"]), str(one["deletions"]), one["filename"]) for one in files} == {
            tuple(line.split("\t")) for line in changed
        }


def test_the_deploy_log_points_into_main(deployment: Deployment) -> None:
    facts = deployment.facts["codebase"]
    entries = [json.loads(line) for line in Path(facts["deploy_log"]).read_text(encoding="utf-8").splitlines()]
    assert len(entries) > 10
    repository = Repo(facts["repository"])
    try:
        main = {
            entry.commit.id.decode() for entry in repository.get_walker(include=[repository.refs[b"refs/heads/main"]])
        }
    finally:
        repository.close()
    assert {entry["commit"] for entry in entries} <= main
    assert {(entry["environment"], entry["branch"], entry["result"]) for entry in entries} == {
        ("production", "main", "success")
    }
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)


def test_lock_files_pin_their_manifests(made_with: Callable[..., Any]) -> None:
    made = made_with()[0]
    pinned = {(ecosystem, name) for ecosystem, name, _ in held_to.pins(made)}
    for manifest in ("requirements.in", "requirements-ci.in"):
        for line in held_to.text(made, manifest).split():
            assert ("PyPI", line.partition("[")[0]) in pinned
    wanted = json.loads(held_to.text(made, "rivet/edge/client/package.json"))["devDependencies"]
    assert {("npm", name) for name in wanted} <= pinned
    for lock in ("requirements.lock", "requirements-ci.lock"):
        blocks = held_to.text(made, lock).replace("\\\n", "").splitlines()
        assert [line for line in blocks if "==" in line and "--hash=sha256:" not in line] == []


def test_lock_files_pin_what_the_code_imports(made_with: Callable[..., Any]) -> None:
    made = made_with()[0]
    distributions = importlib.metadata.packages_distributions()
    imported: set[str] = set()
    for path in made.commits[made.main[0]].files:
        if path.startswith("rivet/") and path.endswith(".py"):
            for node in ast.walk(ast.parse(held_to.text(made, path))):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                imported |= {name.partition(".")[0] for name in names}
    others = imported - sys.stdlib_module_names - {tree.PACKAGE}
    wanted = {distributions[name][0].lower().replace("_", "-") for name in others}
    assert len(wanted) > 10
    listed = {line.partition("[")[0] for line in held_to.text(made, "requirements.in").split()}
    assert wanted - listed - {"psycopg-pool"} == set()  # it is an extra of psycopg, which is listed with it


def test_an_approval_does_not_outlive_a_push(made_with: Callable[..., Any]) -> None:
    made = made_with()[0]
    states = {(review.state, review.commit == pull.head) for pull in made.pulls for review in pull.reviews}
    assert ("DISMISSED", False) in states
    assert ("APPROVED", False) not in states


def test_a_deployment_shows_its_defects_to_git_and_on_the_forge(request_of: Callable[..., httpx.Response]) -> None:
    names = (
        "direct_push",
        "protection_off_for_administrators",
        "deploy_outside_main",
        "credential_in_repository_env_file",
    )
    with deployments.start(names) as running:
        base = "/commits?sha=main&path=CHANGELOG.md"
        pushed = next(
            one
            for one in of_forge(running, request_of, base)
            if one["commit"]["message"].startswith("Name the workspace in exports")
        )
        assert of_forge(running, request_of, f"/commits/{pushed['sha']}/pulls") == []
        head = {"authorization": f"Bearer {running.facts['forge']['token']}"}
        path = "/repos/rivet/platform/branches/main/protection"
        assert request_of(running, "forge", path, headers=head).json()["enforce_admins"]["enabled"] is False
        log = Path(running.facts["codebase"]["deploy_log"]).read_text(encoding="utf-8").splitlines()
        main = {one["sha"] for one in of_forge(running, request_of, "/commits")}
        assert [json.loads(line)["commit"] in main for line in log].count(False) == 1
        assert "META_APP_SECRET=" in Path(running.facts["codebase"]["repository"], ".env.production").read_text()


def test_every_suppression_names_its_rule_and_says_why() -> None:
    bare, seen = [], 0
    for path, content in tree.files().items():
        lines = content.decode("utf-8", errors="replace").splitlines() if path.endswith(".py") else []
        for above, line in itertools.pairwise(["", *lines]):
            if "# nosec" in line:
                seen += 1
                named = re.search(r"# nosec B\d{3}$", line)
                reasoned = re.search(r"# noqa: S\d{3}\b *[-(]", line) or above.lstrip().startswith("#")
                bare += [] if named and reasoned else [f"{path}: {line.strip()}"]
    assert seen > 0
    assert bare == []
