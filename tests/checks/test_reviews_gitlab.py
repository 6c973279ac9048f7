"""The checks of reviews and builds against a GitLab over HTTPS, looked at by python-gitlab."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, Unobservable
from upheld.probes.base import Session
from upheld.probes.forge import Forge
from upheld.target.model import Target

from ..gitlab_server import (
    BOT,
    HOST,
    MAINTAINERS,
    NO_ONE,
    PROTECTED,
    RULE,
    SETTINGS,
    MergeRequest,
    Project,
    commit,
    instant,
)
from ..loopback import Pki, free_port, server_context, web
from ..repositories import PEOPLE, TOKEN, days
from .test_pipeline import BUILDS, LOCKS, NPM, PIP, SCANS
from .test_reviews import APPROVED, DEPLOYS, OWNERS, PROTECTION, SENSITIVE, Auditor, deployed, entry

AREAS = {"sensitive_paths": {"auth": ["app/*login*"]}, "security_team": "security"}
GARBAGE = (200, {}, b"<html>hello</html>")
WAYS = ["merge", "squash", "squash and merge", "fast-forward"]


class GitLabAuditor(Auditor):
    """Runs checks on a project whose GitLab listens with a certificate of the target's own authority."""

    shop: Any
    job_token = False
    context: Any = None

    @contextlib.contextmanager
    def session(self, **parts: Any) -> Iterator[Session]:
        with web(self.shop.forge, self.context) as port:
            described = self.shop.described(port, **parts.pop("repository", {}))
            described["forge"]["job_token"] = self.job_token
            yield self.session_of(**described, **parts)


@pytest.fixture
def auditor(tmp_path: Path, session_of: Callable[..., Session]) -> GitLabAuditor:
    project: Any = Project(tmp_path)
    project.merge({"app/a.py": "a\n"}, days_ago=20)
    project.merge({"app/b.py": "b\n"}, by="ben", approved_by="anna", days_ago=15, way="squash")
    made = GitLabAuditor(project, session_of)
    made.context = server_context(Pki(tmp_path).issue(HOST))
    return made


def test_reviewed_changes_pass_however_they_were_merged(auditor: GitLabAuditor) -> None:
    for number, way in enumerate(WAYS):
        auditor.shop.merge({f"app/{number}.py": "x\n"}, days_ago=9 - number, way=way)
    found = auditor.run(APPROVED)
    assert len(found) == 6
    assert all(isinstance(one, Finding) and one.passed for one in found), found
    # Page by page, though the server's links lead to the name that it believes to have.
    assert len([path for path in auditor.shop.forge.asked if "/merge_requests?" in path]) == 3


def test_a_job_token_is_sent_as_such(auditor: GitLabAuditor) -> None:
    auditor.job_token = True
    assert "401" in auditor.unseen(APPROVED)
    auditor.shop.forge.header = "job-token"
    assert auditor.failed(APPROVED) == []
    forge = {"url": "https://api.github.com", "owner": "a", "repository": "b", "token": "env:T", "job_token": True}
    with pytest.raises(ValueError, match="only GitLab has tokens of CI jobs"):
        Target.model_validate({"name": "x", "environment": "reference", "forge": forge})


def test_a_direct_push_is_refuted(auditor: GitLabAuditor) -> None:
    auditor.shop.forge.head = auditor.shop.repository.commit({"x": "x"}, at=days(3), message="Quick fix")
    (failed,) = auditor.failed(APPROVED)
    assert '"Quick fix": it came without a change' in failed


def test_a_change_of_several_commits_that_was_fast_forwarded_is_found_by_each(auditor: GitLabAuditor) -> None:
    first = auditor.shop.repository.commit({"x": "1"}, at=days(4.3), message="One")
    request = auditor.shop.merge({"x": "2"}, days_ago=4, way="fast-forward")
    request.commits.append(commit(first))
    assert auditor.failed(APPROVED) == []


def unapproved(request: MergeRequest) -> None:
    request.approvals.clear()
    request.notes.clear()


def by_its_author(request: MergeRequest) -> None:
    request.approvals = [("anna", days(4.1))]


def before_the_last_push(request: MergeRequest) -> None:
    request.approvals = [("ben", days(4.5))]


def before_all_versions(request: MergeRequest) -> None:
    request.approvals = [("ben", days(9))]


def after_the_merge(request: MergeRequest) -> None:
    request.approvals = [("ben", days(1))]


def taken_back(request: MergeRequest) -> None:
    request.approvals.clear()
    request.notes.append(("ben", "unapproved this merge request", days(4.05)))


def no_longer_standing(request: MergeRequest) -> None:
    request.approvals.clear()


def followed_by_a_request_for_changes(request: MergeRequest) -> None:
    request.notes.append(("ben", "requested changes", days(4.05)))


def by_a_bot(request: MergeRequest) -> None:
    request.approvals = [(BOT, days(4.1))]


def committed_by_the_approver(request: MergeRequest) -> None:
    request.commits = [commit(request.head, committer=("Ben", PEOPLE["ben"][1].upper()))]


def written_under_another_address(request: MergeRequest) -> None:
    request.commits.append(commit("1" * 40, ("ben  BERG", "ben@home.example.org")))


def written_under_a_private_address(request: MergeRequest) -> None:
    request.commits.append(commit("1" * 40, ("B.", f"12-ben@users.noreply.{HOST}")))


def with_a_co_author(request: MergeRequest) -> None:
    request.commits = [commit(request.head, message="Work\n\nCo-authored-by: Ben Berg <b@home.example.org>\n")]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (unapproved, "nobody approved it"),
        (by_its_author, "anna approved what anna wrote"),
        (before_the_last_push, "ben approved eeeeeeeeeeee, not its last revision"),
        (before_all_versions, "ben approved nothing, not its last revision"),
        (after_the_merge, "after the merge only"),
        (taken_back, "nobody approved it"),
        (no_longer_standing, "nobody approved it"),
        (followed_by_a_request_for_changes, "nobody approved it"),
        (by_a_bot, "is no person"),
        (committed_by_the_approver, "ben approved what ben wrote"),
        (written_under_another_address, "ben approved what ben wrote"),
        (written_under_a_private_address, "ben approved what ben wrote"),
        (with_a_co_author, "under another identity"),
    ],
)
def test_an_approval_that_does_not_count_is_refuted(
    auditor: GitLabAuditor, spoil: Callable[[MergeRequest], None], words: str
) -> None:
    spoil(auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4, way=WAYS[len(words) % 4]))
    (failed,) = auditor.failed(APPROVED)
    assert '#3 "Change something"' in failed
    assert words in failed


def test_the_forge_itself_is_nobody_and_a_second_approval_is_enough(auditor: GitLabAuditor) -> None:
    request = auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    request.commits = [commit(request.head, committer=("GitLab", f"noreply@{HOST}"))]
    request.approvals = [("anna", days(4.1)), ("sec", days(4.1))]
    assert auditor.failed(APPROVED) == []


def test_an_author_whom_gitlab_does_not_tell_may_be_the_approver(auditor: GitLabAuditor) -> None:
    request = auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    request.commits.append(commit("1" * 40, ("bb", "bb@home.example.org")))
    assert "does not tell whether bb, who wrote a part of it, is ben" in auditor.unseen(APPROVED)
    unapproved(request)
    assert "nobody approved it" in auditor.failed(APPROVED)[0]


def test_an_approver_who_was_deleted_cannot_be_compared(auditor: GitLabAuditor) -> None:
    request = auditor.shop.merge({"app/c.py": "c\n"}, approved_by=None, days_ago=4)
    request.notes = [("ghost", "approved this merge request", days(4.1))]
    assert "was deleted" in auditor.unseen(APPROVED)
    request.approvals = [("sec", days(4.05))]
    assert auditor.failed(APPROVED) == []
    request.approvals, request.notes, request.author = [], [], "ghost"
    assert "nobody approved it" in auditor.failed(APPROVED)[0]


def test_older_servers_tell_times_in_notes_and_events(auditor: GitLabAuditor) -> None:
    request = auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    request.says_when_merged = request.says_when_approved = False
    assert auditor.failed(APPROVED) == []
    request.notes = [("ben", "approved this merge request", days(1))]
    assert "after the merge only" in auditor.failed(APPROVED)[0]
    request.notes.clear()
    assert "does not say when ben approved change #3" in auditor.unseen(APPROVED)
    auditor.shop.forge.broken["/resource_state_events"] = (200, {}, b"[]")
    assert "does not say when change #3 was merged" in auditor.unseen(APPROVED)


@pytest.mark.parametrize(
    ("ending", "page", "words"),
    [
        ("/merge_requests", (401, {}, b"{}"), "the token is not accepted"),
        ("/merge_requests", (403, {}, b"{}"), "the token lacks the right"),
        ("/merge_requests", (404, {}, b"{}"), "404"),
        ("/merge_requests", (429, {"Retry-After": "60"}, b"{}"), "rate limit"),
        ("/merge_requests", (302, {"Location": "https://elsewhere.example/"}, b""), "302"),
        ("/merge_requests", (502, {}, b""), "502"),
        ("/merge_requests", GARBAGE, "no JSON"),
        ("/merge_requests", (200, {}, b'{"message": "no"}'), "something else than a list"),
        ("/merge_requests", (200, {}, b"[1]"), "something else than a list"),
        ("/merge_requests", (200, {}, b'[{"iid": 1}]'), "cannot be read"),
        ("/approvals", (403, {}, b"{}"), "the token lacks the right"),
        ("/approvals", (429, {}, b"{}"), "rate limit"),
        ("/approvals", (200, {}, b'{"approved": true}'), "cannot be read"),
        ("/approvals", (200, {}, b"[]"), "something else than an object"),
        ("/versions", (200, {}, b"[]"), "shows no version"),
        ("/versions", (200, {}, b"[{}]"), "cannot be read"),
        ("/notes", (403, {}, b"{}"), "the token lacks the right"),
        ("/notes", (200, {}, b'[{"id": 1}]'), "cannot be read"),
        ("/commits", (200, {}, b"[]"), "shows no commit"),
        ("/commits", (200, {}, b'[{"id": "a"}]'), "cannot be read"),
        ("/users/12", (404, {}, b"{}"), "404"),
        ("/users/12", (200, {}, b'{"id": 12, "username": "ben"}'), "cannot be read"),
        ("/branches/main", (200, {}, b'{"name": "main"}'), "cannot be read"),
    ],
)
def test_what_gitlab_does_not_show_is_not_seen(auditor: GitLabAuditor, ending: str, page: Any, words: str) -> None:
    auditor.shop.forge.broken[ending] = page
    assert words in auditor.unseen(APPROVED)


def test_an_empty_project_is_not_seen_and_an_empty_list_of_changes_is_no_pass(auditor: GitLabAuditor) -> None:
    auditor.shop.forge.requests.clear()
    assert len(auditor.failed(APPROVED)) == 2
    auditor.shop.forge.head = None
    assert "404" in auditor.unseen(APPROVED)


def test_a_dead_gitlab_and_one_with_a_foreign_certificate_are_not_seen(
    auditor: GitLabAuditor, tmp_path: Path, session_of: Callable[..., Session]
) -> None:
    with pytest.raises(Unobservable, match="connection refused"):
        session_of(**auditor.shop.described(free_port())).probe(Forge).changes()
    (tmp_path / "other").mkdir()
    auditor.context = server_context(Pki(tmp_path / "other").issue(HOST))
    assert "certificate" in auditor.unseen(APPROVED)
    assert auditor.shop.forge.asked == []


def test_the_token_goes_nowhere_else(auditor: GitLabAuditor) -> None:
    auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    asked = []

    def other(method: str, path: str, headers: Any) -> Any:
        asked.append(headers)
        return 200, {}, b"[]"

    with web(other) as port:
        auditor.shop.forge.elsewhere = f"http://127.0.0.1:{port}/"
        assert "goes on at another address" in auditor.unseen(APPROVED)
    assert asked == []


def test_without_the_library_nothing_is_seen(auditor: GitLabAuditor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gitlab", None)
    monkeypatch.delitem(sys.modules, "upheld.probes.forge_gitlab_transport", raising=False)
    assert "pip install 'upheld[gitlab]'" in auditor.unseen(APPROVED)


# --- protection -----------------------------------------------------------------------------------------------------


def test_a_project_that_is_held_to_reviews_passes(auditor: GitLabAuditor) -> None:
    assert auditor.failed(PROTECTION) == []
    regular = {**RULE, "rule_type": "regular", "eligible_approvers": [{"id": 12}, {"id": 13}], "approvals_required": 2}
    auditor.shop.forge.rules = [RULE, {**regular, "protected_branches": [{"name": "ma*"}]}]
    assert auditor.failed(PROTECTION, parameters={"approvals": 2}) == []


def described(**protection: Any) -> dict[str, Any]:
    return {"protected_branches": [{**PROTECTED, **protection}]}


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        (described(push_access_levels=[MAINTAINERS]), ["administrators", "exemptions"]),
        (described(push_access_levels=[NO_ONE, {**NO_ONE, "access_level": 40, "user_id": 11}]), ["exemptions"]),
        (described(push_access_levels=[{**MAINTAINERS, "deploy_key_id": 5}]), ["exemptions"]),
        (described(push_access_levels=[MAINTAINERS], allow_force_push=True), ["administrators", "exemptions", "pushes by force"]),
        # The most permissive of the rules that match counts.
        ({"protected_branches": [PROTECTED, {**PROTECTED, "name": "m*", "push_access_levels": [MAINTAINERS]}]}, ["administrators", "exemptions"]),
        ({"version": "15.11.2-ee"}, ["administrators"]),
        ({"default": False}, ["deletion"]),
        ({"settings": {**SETTINGS, "reset_approvals_on_push": False}}, ["approvals before the last push"]),
        ({"settings": {**SETTINGS, "merge_requests_author_approval": True}}, ["exemptions"]),
        ({"settings": {**SETTINGS, "disable_overriding_approvers_per_merge_request": False}}, ["exemptions"]),
        ({"rules": []}, ["approvals"]),
        ({"rules": [{**RULE, "approvals_required": 0}]}, ["approvals"]),
        ({"rules": [{**RULE, "rule_type": "code_owner"}]}, ["approvals"]),
        ({"rules": [{**RULE, "protected_branches": [{"name": "release/*"}]}]}, ["approvals"]),
        # A rule that nobody can meet is taken as met.
        ({"rules": [{**RULE, "rule_type": "regular"}]}, ["approvals"]),
    ],
)  # fmt: skip
def test_protection_that_lets_something_through_is_refuted(
    auditor: GitLabAuditor, changed: dict[str, Any], failed: list[str]
) -> None:
    for name, value in changed.items():
        setattr(auditor.shop.forge, name, value)
    assert [one.partition(":")[0] for one in auditor.failed(PROTECTION)] == failed


def test_an_unprotected_branch_is_refuted(auditor: GitLabAuditor) -> None:
    auditor.shop.forge.protected_branches = [{**PROTECTED, "name": name} for name in ("mainly", "mai", "Main")]
    assert "rules that the token may not see" in auditor.unseen(PROTECTION)
    auditor.shop.forge.protected = False
    assert len(auditor.failed(PROTECTION)) == 5


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"settings": None}, "Premium and Ultimate only"),
        ({"rules": None}, "Premium and Ultimate only"),
        ({"settings": {"approvers": []}}, "cannot be read"),
        (described(push_access_levels=[]), "does not say who may push to main"),
        (
            {"rules": [{**RULE, "rule_type": "regular", "contains_hidden_groups": True}]},
            "may not see who can approve by the rule All Members",
        ),
        ({"broken": {"/protected_branches": (403, {}, b"{}")}}, "the token lacks the right"),
        ({"broken": {"/approvals": (403, {}, b"{}")}}, "Premium and Ultimate only"),
        ({"broken": {"/approval_rules": (429, {}, b"{}")}}, "rate limit"),
        ({"broken": {"/version": (200, {}, b"{}")}}, "something else than an object"),
    ],
)
def test_protection_that_gitlab_does_not_tell_is_not_seen(
    auditor: GitLabAuditor, changed: dict[str, Any], words: str
) -> None:
    for name, value in changed.items():
        setattr(auditor.shop.forge, name, value)
    assert words in auditor.unseen(PROTECTION)


# --- the security team, owners, deploys -----------------------------------------------------------------------------


def test_a_sensitive_change_needs_the_security_group(auditor: GitLabAuditor) -> None:
    auditor.shop.merge({"app/login.py": "1\n"}, approved_by="sec", days_ago=9)
    assert auditor.failed(SENSITIVE, repository=AREAS) == []
    auditor.shop.merge({"app/login.py": "2\n"}, approved_by="ben", days_ago=8)
    whole = {**AREAS, "security_team": "shop/platform/security"}
    (failed,) = auditor.failed(SENSITIVE, repository=whole)
    assert "by ben only, who are not of the team shop/platform/security" in failed
    auditor.shop.forge.group, auditor.shop.forge.users["ben"]["state"] = ["sec", "ben"], "blocked"
    assert len(auditor.failed(SENSITIVE, repository=AREAS)) == 1
    auditor.shop.forge.group = []
    assert "has no members" in auditor.unseen(SENSITIVE, repository=AREAS)
    assert "404" in auditor.unseen(SENSITIVE, repository={**AREAS, "security_team": "nobody"})


@pytest.mark.parametrize("team", ["security", "Shop/platform/security"])
def test_owners_are_groups_below_groups(auditor: GitLabAuditor, team: str) -> None:
    repository = {**AREAS, "security_team": team}
    auditor.shop.merge({"app/login.py": "1\n", "CODEOWNERS": "* @shop/platform/security\n"}, days_ago=9)
    assert auditor.failed(OWNERS, repository=repository) == []
    for other in ("@shop/security", "@security", "@other/platform/security"):
        auditor.shop.merge({"CODEOWNERS": f"* {other}\n"}, days_ago=8)
        assert other in auditor.failed(OWNERS, repository=repository)[0]


@pytest.mark.parametrize(
    ("text", "observed"),
    [
        ("[Auth]\n/app/ @shop/platform/security\n", ""),
        ("* @shop/all\n[Auth][2] @shop/platform/security\n/app/\n^[Web]\n*.py @shop/web\n", ""),
        ("^[Auth]\n/app/ @shop/platform/security\n", "by line 2 of the owners file (section Auth, optional)"),
        ("[Auth] @shop/platform/security\n/app/\n!*.py\n", "belongs to nobody by line 3"),
        ("/app @shop/platform/security\n", "app/login.py belongs to nobody"),
        ("/app/** @shop/platform/security\n/app/* @shop/all\n", "belongs to @shop/all by line 2"),
        ("/app/ @shop/platform/security # not @anna\n", "belongs to @shop/platform/security, @anna by line 1"),
        ("[Auth]\n/app/ @shop/platform/security @anna\n", "@anna by line 2 of the owners file (section Auth)"),
        ("* @shop/platform/security\n[Web]\n/app/ @shop/web\n", ""),
        # Both approvals may be of the two beside the team.
        ("[Auth][2]\n/app/ @shop/platform/security @anna @ben\n", "@anna, @ben by line 2 of the owners file"),
    ],
)
def test_sections_ask_each_for_itself(auditor: GitLabAuditor, text: str, observed: str) -> None:
    auditor.shop.merge({"app/login.py": "1\n", "CODEOWNERS": text}, days_ago=9)
    failed = auditor.failed(OWNERS, repository=AREAS)
    assert bool(failed) == bool(observed)
    assert observed in "".join(failed)


def test_owners_files_that_say_nothing_certain(auditor: GitLabAuditor) -> None:
    auditor.shop.merge({"app/login.py": "1\n", ".github/CODEOWNERS": "* @shop/platform/security\n"}, days_ago=9)
    assert "no owners file where gitlab looks for it" in auditor.unseen(OWNERS, repository=AREAS)
    two = "[Auth][2]\n/app/ @shop/platform/security @anna\n"
    auditor.shop.merge({".gitlab/CODEOWNERS": two}, days_ago=8)
    assert "may be of the team or not" in auditor.unseen(OWNERS, repository=AREAS)
    auditor.shop.merge({"docs/CODEOWNERS": "/app/[b-a]* @shop/platform/security\n"}, days_ago=7)
    assert "docs/CODEOWNERS:1: the pattern" in auditor.unseen(OWNERS, repository=AREAS)


def test_deploys_of_reviewed_commits(auditor: GitLabAuditor) -> None:
    unreviewed = auditor.shop.merge({"x": "x"}, approved_by=None, days_ago=5)
    good = auditor.shop.forge.requests[1]
    parts = deployed(auditor, entry(good.squash_commit, 14), entry(unreviewed.merge_commit, 4), entry(good.head, 3))
    failed = auditor.failed(DEPLOYS, **parts)
    assert len(failed) == 2
    assert "nobody approved it" in failed[0]
    assert "is not on the branch" in failed[1]


# --- builds ---------------------------------------------------------------------------------------------------------


def built(auditor: GitLabAuditor, sha: str, days_ago: float, *jobs: tuple[str, str], **more: Any) -> None:
    forge = auditor.shop.forge
    number = 900 - len(forge.pipelines)
    at = instant(days(days_ago))
    made = {"id": number, "iid": number, "project_id": 7, "sha": sha, "ref": "main", "created_at": at, "updated_at": at}
    forge.pipelines.append({**made, "status": "success", "source": "push", **more})
    forge.jobs[number] = [
        {"id": number * 10 + index, "name": name, "stage": "test", "status": status, "allow_failure": False}
        for index, (name, status) in enumerate(jobs)
    ]


@pytest.fixture
def builds(auditor: GitLabAuditor) -> GitLabAuditor:
    auditor.shop.merge({".gitlab-ci.yml": f"audit:\n  script:\n    - {PIP}\n    - {NPM}\n", **LOCKS})
    built(auditor, "a" * 40, 1, ("tests", "success"), ("lint", "success"), ("audit", "success"))
    built(auditor, "b" * 40, 2, ("audit", "failed"), status="failed")
    built(auditor, "c" * 40, 3, ("tests", "success"), source="push")
    built(auditor, "c" * 40, 3, ("audit", "success"), source="merge_request_event")
    built(auditor, "f" * 40, 3, source="schedule")
    built(auditor, "d" * 40, 40, ("tests", "success"))
    return auditor


def test_builds_with_their_scan_pass(builds: GitLabAuditor) -> None:
    assert builds.failed(SCANS) == []
    assert builds.failed(BUILDS) == []
    assert len(builds.run(BUILDS)) == 3


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ((("tests", "success"),), "no job that scans"),
        ((("audit", "skipped"),), "was skipped"),
        ((("audit", "canceled"),), "was cancelled"),
        ((("audit", "manual"),), "was manual"),
        ((("audit", "failed"),), "succeeded although its scan (audit) failed"),
        ((), "no job that scans"),
    ],
)
def test_a_build_without_its_scan_is_refuted(builds: GitLabAuditor, jobs: Any, words: str) -> None:
    built(builds, "e" * 40, 0.5, *jobs)
    (failed,) = builds.failed(BUILDS)
    assert "builds of eeeeeeeeeeee (push)" in failed
    assert words in failed


def test_jobs_of_child_pipelines_are_of_the_build(builds: GitLabAuditor) -> None:
    forge = builds.shop.forge
    forge.jobs[1] = [{"id": 1, "name": "audit", "stage": "test", "status": "success", "allow_failure": False}]
    built(builds, "e" * 40, 0.5, ("tests", "success"))
    number = forge.pipelines[-1]["id"]
    assert len(builds.failed(BUILDS)) == 1
    for children in ({number: 1}, {number: 2, 2: 1}):
        forge.children = children
        assert builds.failed(BUILDS) == []
    for children in ({number: -1}, {number: 2, 2: 3, 3: 1}):
        forge.children = children
        assert len(builds.failed(BUILDS)) == 1
    forge.broken["/bridges"] = (403, {}, b"{}")
    assert "the token lacks the right" in builds.unseen(BUILDS)
    forge.broken["/bridges"] = (200, {}, b'[{"id": 1}]')
    assert "cannot be read" in builds.unseen(BUILDS)


def test_builds_that_cannot_be_seen(builds: GitLabAuditor) -> None:
    built(builds, "e" * 40, 0.01, ("audit", "running"), status="running")
    assert "still going on" in next(one.reason for one in builds.run(BUILDS) if not isinstance(one, Finding))
    builds.shop.forge.broken["/jobs"] = (403, {}, b"{}")
    assert "the token lacks the right" in builds.unseen(BUILDS)
    builds.shop.forge.broken["/pipelines"] = (200, {}, b'[{"id": 1}]')
    assert "cannot be read" in builds.unseen(BUILDS)
    builds.shop.forge.broken.clear()
    builds.shop.forge.pipelines.clear()
    assert "no record of a build" in builds.unseen(BUILDS)


def test_nothing_that_is_kept_holds_the_token(auditor: GitLabAuditor) -> None:
    with auditor.session() as session, session.recording("t") as recorder:
        with contextlib.suppress(Unobservable):
            session.probe(Forge).team("nobody")
        assert TOKEN not in str(recorder.observations)
