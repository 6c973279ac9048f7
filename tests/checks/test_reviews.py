"""The checks of reviews against real repositories and a forge that answers like GitHub."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.base import Session, plain
from upheld.probes.forge import Forge
from upheld.probes.git import Git

from ..loopback import ROOT, free_port, web
from ..repositories import PEOPLE, PROTECTED, TOKEN, WEB, Pull, Shop, days, forge_commit

CHECKS = Catalogue.load(ROOT / "checks")
APPROVED = "reviews.every_commit_was_approved_by_someone_else"
PROTECTION = "reviews.protection_forbids_unreviewed_changes"
SENSITIVE = "reviews.sensitive_changes_have_a_security_approval"
OWNERS = "reviews.owners_file_covers_sensitive_paths"
DEPLOYS = "reviews.deploys_are_of_reviewed_commits"
AREAS = {"sensitive_paths": {"auth": ["app/*login*"]}, "security_team": "security"}
GARBAGE = (200, {}, b"<html>hello</html>")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.merge({"app/a.py": "a\n"}, days_ago=20)
    made.merge({"app/b.py": "b\n"}, by="ben", approved_by="anna", days_ago=15, squash=True)
    return made


class Auditor:
    """Runs checks on a shop whose forge listens."""

    def __init__(self, shop: Shop, session_of: Callable[..., Session]) -> None:
        self.shop = shop
        self.session_of = session_of

    @contextlib.contextmanager
    def session(self, **parts: Any) -> Iterator[Session]:
        with web(self.shop.forge) as port:
            repository = parts.pop("repository", {})
            yield self.session_of(**self.shop.described(port, **repository), **parts)

    def run(self, check: str, *, parameters: dict[str, Any] | None = None, **parts: Any) -> list[Any]:
        one = CHECKS[check]
        with self.session(**parts) as session, session.recording("t") as recorder:
            found = list(one.run([session.probe(kind) for kind in one.probes.values()], parameters or {}))
            assert recorder.observations
            assert TOKEN not in json.dumps(plain(tuple(recorder.observations)))
        return found

    def failed(self, check: str, **parts: Any) -> list[str]:
        found = self.run(check, **parts)
        assert not [one for one in found if isinstance(one, NotObserved)], found
        return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]

    def unseen(self, check: str, **parts: Any) -> str:
        """The reasons for which nothing can be said; a check that passes or fails all the same is an error."""
        try:
            found = self.run(check, **parts)
        except Unobservable as unobservable:
            return unobservable.reason
        assert not [one for one in found if isinstance(one, Finding) and not one.passed], found
        reasons = [one.reason for one in found if isinstance(one, NotObserved)]
        assert reasons, found
        return "; ".join(reasons)


@pytest.fixture
def auditor(shop: Shop, session_of: Callable[..., Session]) -> Auditor:
    return Auditor(shop, session_of)


def test_reviewed_changes_pass_page_by_page(auditor: Auditor) -> None:
    for number in range(5):
        auditor.shop.merge({f"app/{number}.py": "x\n"}, days_ago=9 - number)
    found = auditor.run(APPROVED)
    assert len(found) == 7
    assert all(isinstance(one, Finding) and one.passed for one in found), found
    assert len([path for path in auditor.shop.forge.asked if "/pulls?" in path]) == 4


def test_a_direct_push_is_refuted(auditor: Auditor) -> None:
    auditor.shop.forge.head = auditor.shop.repository.commit({"x": "x"}, at=days(3), message="Quick fix")
    (failed,) = auditor.failed(APPROVED)
    assert '"Quick fix": it came without a change' in failed


def unapproved(pull: Pull) -> None:
    pull.reviews.clear()


def by_its_author(pull: Pull) -> None:
    pull.reviews = [("anna", "APPROVED", pull.head, days(5))]


def of_an_earlier_revision(pull: Pull) -> None:
    pull.reviews = [("ben", "APPROVED", "0" * 40, days(5))]


def after_the_merge(pull: Pull) -> None:
    pull.reviews = [("ben", "APPROVED", pull.head, days(1))]


def taken_back(pull: Pull) -> None:
    pull.reviews.append(("ben", "CHANGES_REQUESTED", pull.head, days(4.01)))


def dismissed(pull: Pull) -> None:
    pull.reviews = [("ben", "DISMISSED", pull.head, days(5))]


def only_a_comment(pull: Pull) -> None:
    pull.reviews = [("ben", "COMMENTED", pull.head, days(5))]


def by_a_bot(pull: Pull) -> None:
    pull.reviews = [("robot[bot]", "APPROVED", pull.head, days(5))]


def written_under_another_address(pull: Pull) -> None:
    pull.commits = [forge_commit(pull.head, None, ("ben  BERG", "ben@home.example.org"))]


def written_under_another_name(pull: Pull) -> None:
    pull.commits = [forge_commit(pull.head, None, ("B.", PEOPLE["ben"][1].upper()))]


def written_by_the_approver(pull: Pull) -> None:
    pull.commits.append(forge_commit("1" * 40, "ben"))


def committed_by_the_approver(pull: Pull) -> None:
    pull.commits = [forge_commit(pull.head, "anna", committer="ben")]


def with_a_co_author(pull: Pull) -> None:
    who = "Ben Berg <77+BEN@users.noreply.github.com>"
    pull.commits = [forge_commit(pull.head, "anna", message=f"Work\n\nCo-authored-by: {who}\n")]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (unapproved, "nobody approved it"),
        (by_its_author, "anna approved what anna wrote"),
        (of_an_earlier_revision, "not its last revision"),
        (after_the_merge, "after the merge only"),
        (taken_back, "nobody approved it"),
        (dismissed, "nobody approved it"),
        (only_a_comment, "nobody approved it"),
        (by_a_bot, "is no person"),
        (written_under_another_address, "under another identity"),
        (written_under_another_name, "under another identity"),
        (written_by_the_approver, "ben approved what ben wrote"),
        (committed_by_the_approver, "ben approved what ben wrote"),
        (with_a_co_author, "ben approved what ben wrote"),
    ],
)
@pytest.mark.parametrize("squash", [False, True], ids=["merged", "squashed"])
def test_an_approval_that_does_not_count_is_refuted(
    auditor: Auditor, spoil: Callable[[Pull], None], words: str, squash: bool
) -> None:
    spoil(auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4, squash=squash))
    (failed,) = auditor.failed(APPROVED)
    assert '#3 "Change something"' in failed
    assert words in failed


def test_a_second_approval_that_counts_is_enough_and_the_forge_itself_is_nobody(auditor: Auditor) -> None:
    pull = auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    by_its_author(pull)
    pull.reviews.append(("sec", "APPROVED", pull.head, days(4.5)))
    pull.commits = [forge_commit(pull.head, "anna", committer="web-flow", committer_name=WEB)]
    assert auditor.failed(APPROVED) == []


def test_an_author_whom_nobody_knows_and_an_approver_without_a_name_cannot_be_told_apart(auditor: Auditor) -> None:
    pull = auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    pull.commits = [forge_commit(pull.head, None, ("someone", "someone@home.example.org"))]
    auditor.shop.forge.accounts["ben"] |= {"name": None, "email": None}
    assert "shows no name that could be compared with someone" in auditor.unseen(APPROVED)


def test_what_the_forge_commits_without_an_account_is_by_nobody(auditor: Auditor) -> None:
    pull = auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    pull.commits = [forge_commit(pull.head, "anna", committer_name=WEB)]
    # Whoever else the committer were could be the approver, who shows no name.
    auditor.shop.forge.accounts["ben"] |= {"name": None, "email": None}
    assert auditor.failed(APPROVED) == []


def test_a_merge_of_more_than_the_change_had_is_refuted(auditor: Auditor) -> None:
    pull = auditor.shop.merge({"app/c.py": "c\n"}, days_ago=4)
    pull.head = "2" * 40
    pull.reviews = [("ben", "APPROVED", pull.head, days(5))]
    assert "while #3" in auditor.failed(APPROVED)[0]


def test_a_change_that_was_merged_as_several_commits_is_found_by_each(auditor: Auditor) -> None:
    repository = auditor.shop.repository
    first = repository.commit({"x": "1"}, at=days(3.1), message="One")
    last = repository.commit({"x": "2"}, at=days(3), message="Two")
    commits = [forge_commit(first), forge_commit(last)]
    pull = Pull(3, "anna", last, commits, last, days(2.9), [("ben", "APPROVED", last, days(2.95))])
    auditor.shop.forge.pulls.insert(0, pull)
    auditor.shop.forge.head = last
    assert auditor.failed(APPROVED) == []


def test_a_date_in_the_past_hides_no_commit(auditor: Auditor) -> None:
    auditor.shop.forge.head = auditor.shop.repository.commit({"x": "x"}, at=days(300), message="Long ago")
    since = {"since": days(50).isoformat(), "since_commit": None}
    (failed,) = auditor.failed(APPROVED, repository=since)
    assert '"Long ago"' in failed
    # What came before the date is not judged.
    auditor.shop.repository.commit({"x": "y"}, at=days(1), parents=(auditor.shop.first,))
    auditor.shop.forge.head = auditor.shop.repository.end
    assert len(auditor.run(APPROVED, repository=since)) == 1


@pytest.mark.parametrize(
    ("ending", "page", "words"),
    [
        ("/pulls", (401, {}, b"{}"), "401"),
        ("/pulls", (403, {}, b"{}"), "the token lacks the right"),
        ("/pulls", (403, {"X-RateLimit-Remaining": "0"}, b"{}"), "rate limit"),
        ("/pulls", (429, {}, b"{}"), "rate limit"),
        ("/pulls", (404, {}, b"{}"), "404"),
        ("/pulls", (500, {}, b""), "500"),
        ("/pulls", GARBAGE, "no JSON"),
        ("/pulls", (200, {}, b"{}"), "something else than a list"),
        ("/pulls", (200, {}, b"[{}]"), "cannot be read"),
        ("/reviews", (403, {}, b"{}"), "the token lacks the right"),
        ("/reviews", (429, {}, b"{}"), "rate limit"),
        ("/reviews", (200, {}, b"[1]"), "something else than a list"),
        ("/reviews", (200, {}, b'[{"state": "APPROVED"}]'), "cannot be read"),
        ("/commits", (200, {}, b"[]"), "shows no commit"),
        ("/commits", (200, {}, b"[{}]"), "cannot be read"),
        ("/users/ben", (404, {}, b"{}"), "404"),
        ("/branches/main", (404, {}, b"{}"), "404"),
        ("/branches/main", (200, {}, b"{}"), "cannot be read"),
    ],
)
def test_what_the_forge_does_not_show_is_not_seen(auditor: Auditor, ending: str, page: Any, words: str) -> None:
    auditor.shop.forge.broken[ending] = page
    assert words in auditor.unseen(APPROVED)


def test_an_empty_list_of_changes_is_no_pass(auditor: Auditor) -> None:
    auditor.shop.forge.pulls.clear()
    assert len(auditor.failed(APPROVED)) == 2


def test_a_dead_forge_is_not_seen(shop: Shop, session_of: Callable[..., Session]) -> None:
    session = session_of(**shop.described(free_port()))
    with pytest.raises(Unobservable, match="connection refused"):
        session.probe(Forge).changes()


def test_the_token_goes_nowhere_else(auditor: Auditor) -> None:
    for number in range(3):
        auditor.shop.merge({f"app/{number}.py": "x\n"}, days_ago=9 - number)
    asked = []

    def other(method: str, path: str, headers: Any) -> Any:
        asked.append(headers)
        return 200, {}, b"[]"

    with web(other) as port:
        auditor.shop.forge.elsewhere = f"http://127.0.0.1:{port}"
        assert "goes on at another address" in auditor.unseen(APPROVED)
    assert asked == []


def test_a_clone_that_is_behind_or_cut_off_decides_nothing(auditor: Auditor) -> None:
    auditor.shop.forge.head = "3" * 40
    assert "but the forge's branch with 333333333333" in auditor.unseen(APPROVED)
    (auditor.shop.repository.folder / "shallow").write_text(auditor.shop.first + "\n", encoding="ascii")
    assert "shallow clone" in auditor.unseen(APPROVED)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"path": "nothing"}, "no git repository"),
        ({"branch": "trunk"}, "no branch trunk"),
        ({"since_commit": "4" * 40}, "is not on the branch"),
    ],
)
def test_a_repository_that_is_not_there_is_not_seen(auditor: Auditor, described: Any, words: str) -> None:
    with auditor.session(repository=described) as session, pytest.raises(Unobservable, match=words):
        session.probe(Git).commits()


def test_a_history_that_lacks_an_object_is_not_seen(auditor: Auditor) -> None:
    lost = auditor.shop.forge.pulls[1].merged_as
    (auditor.shop.repository.folder / "objects" / lost[:2] / lost[2:]).unlink()
    assert "lacks an object" in auditor.unseen(APPROVED)


def test_a_long_history_is_read_in_pages(shop: Shop, session_of: Callable[..., Session]) -> None:
    for number in range(1203):
        shop.repository.commit({}, at=days(5), message=f"Commit {number}")
    git = session_of(repository={"path": "repository", "since_commit": shop.first}).probe(Git)
    sizes, after = [], ""
    while True:
        page = git.commits(after)
        sizes.append(len(page.commits))
        if not page.following:
            break
        after = page.following
    assert sizes == [500, 500, 205]


# --- protection -----------------------------------------------------------------------------------------------------


def changed(**review: Any) -> dict[str, Any]:
    return {**PROTECTED, "required_pull_request_reviews": {**PROTECTED["required_pull_request_reviews"], **review}}


@pytest.mark.parametrize(
    ("protection", "failed"),
    [
        (PROTECTED, []),
        (changed(dismiss_stale_reviews=False), []),
        (changed(dismiss_stale_reviews=False, require_last_push_approval=False), ["approvals before the last push"]),
        (changed(required_approving_review_count=0), ["approvals"]),
        (changed(bypass_pull_request_allowances={"users": [{"login": "anna"}], "teams": []}), ["exemptions"]),
        ({**PROTECTED, "enforce_admins": {"enabled": False}}, ["administrators"]),
        ({**PROTECTED, "allow_force_pushes": {"enabled": True}}, ["pushes by force"]),
        ({**PROTECTED, "allow_deletions": {"enabled": True}}, ["deletion"]),
        (
            {name: value for name, value in PROTECTED.items() if name != "required_pull_request_reviews"},
            ["approvals", "approvals before the last push"],
        ),
    ],
)
def test_protection(auditor: Auditor, protection: Any, failed: list[str]) -> None:
    auditor.shop.forge.protection = protection
    assert [one.partition(":")[0] for one in auditor.failed(PROTECTION)] == failed


def test_an_unprotected_branch_is_refuted_and_a_hidden_protection_is_not_seen(auditor: Auditor) -> None:
    auditor.shop.forge.broken["/protection"] = (403, {}, b"{}")
    assert "the token lacks the right" in auditor.unseen(PROTECTION)
    auditor.shop.forge.broken["/protection"] = (404, {}, b"{}")
    assert "404" in auditor.unseen(PROTECTION)
    auditor.shop.forge.broken["/protection"] = (200, {}, b"{}")
    assert "cannot be read" in auditor.unseen(PROTECTION)
    auditor.shop.forge.protected = False
    assert len(auditor.failed(PROTECTION)) == 5


def ruleset(**more: Any) -> dict[str, Any]:
    return {"id": 7, "name": "main", "bypass_actors": [], **more}


RULES = [
    {
        "type": "pull_request",
        "ruleset_id": 7,
        "parameters": {
            "required_approving_review_count": 1,
            "dismiss_stale_reviews_on_push": True,
            "require_last_push_approval": True,
            "require_code_owner_review": True,
        },
    },
    {"type": "non_fast_forward", "ruleset_id": 7},
    {"type": "deletion", "ruleset_id": 7},
]


def test_rulesets_protect_too_unless_somebody_may_go_round_them(auditor: Auditor) -> None:
    forge = auditor.shop.forge
    forge.protected, forge.rules, forge.rulesets = False, RULES, {7: ruleset()}
    assert auditor.failed(PROTECTION) == []
    forge.rulesets[7] = ruleset(bypass_actors=[{"actor_type": "OrganizationAdmin", "actor_id": 1}])
    assert [one.partition(":")[0] for one in auditor.failed(PROTECTION)] == ["administrators", "exemptions"]
    del forge.rulesets[7]["bypass_actors"]
    assert "may not see who may go round" in auditor.unseen(PROTECTION)
    forge.rulesets.clear()
    assert "404" in auditor.unseen(PROTECTION)


# --- sensitive paths ------------------------------------------------------------------------------------------------


def test_a_sensitive_change_needs_the_security_team(auditor: Auditor) -> None:
    auditor.shop.merge({"app/login.py": "1\n"}, approved_by="sec", days_ago=9)
    assert auditor.failed(SENSITIVE, repository=AREAS) == []
    auditor.shop.merge({"app/login.py": None, "app/other.py": "2\n"}, approved_by="ben", days_ago=8)
    (failed,) = auditor.failed(SENSITIVE, repository=AREAS)
    assert "touches auth; #4" in failed
    assert "by ben only, who are not of the team security" in failed
    assert auditor.failed(SENSITIVE, repository={**AREAS, "former_security_accounts": ["BEN"]}) == []


def test_a_member_of_the_team_does_not_approve_what_they_wrote(auditor: Auditor) -> None:
    auditor.shop.merge({"app/login.py": "1\n"}, by="sec", approved_by="sec", days_ago=9)
    assert "sec approved what sec wrote" in auditor.failed(SENSITIVE, repository=AREAS)[0]
    auditor.shop.forge.head = auditor.shop.repository.commit({"app/login.py": "2\n"}, at=days(3))
    assert "without a change" in auditor.failed(SENSITIVE, repository=AREAS)[0]


@pytest.mark.parametrize("page", [(403, {}, b"{}"), (404, {}, b"{}"), (200, {}, b"[]"), (200, {}, b"[{}]")])
def test_a_team_that_cannot_be_seen_decides_nothing(auditor: Auditor, page: Any) -> None:
    auditor.shop.merge({"app/login.py": "1\n"}, approved_by="sec", days_ago=9)
    auditor.shop.forge.broken["/members"] = page
    assert auditor.unseen(SENSITIVE, repository=AREAS)


def test_sensitive_paths_that_nobody_declared_decide_nothing(auditor: Auditor) -> None:
    assert "no sensitive paths" in auditor.unseen(SENSITIVE)
    assert auditor.run(SENSITIVE, repository=AREAS) == []


@pytest.mark.parametrize(
    ("text", "observed"),
    [
        ("* @shop/everybody\n/app/*login* @shop/security\n", ""),
        ("# @shop/security\n* @Shop/Security # all\n", ""),
        ("/app/*login* @shop/security\n* @shop/everybody\n", "belongs to @shop/everybody by line 2"),
        ("/app/*login* @shop/security @shop/everybody\n", "belongs to @shop/security, @shop/everybody"),
        ("/app/*login* @shop/security\n/app/\n", "belongs to nobody by line 2"),
        ("/app/*login* @other/security\n", "@other/security"),
        ("/web/ @shop/security\n", "app/login.py belongs to nobody"),
        ("* @shop/security\n/app/*login* @anna\n", "belongs to @anna"),
        ("/ap* @shop/security\n", ""),
        ("* @shop/everybody\n/a*/[a-z]* @shop/security\n", "belongs to @shop/everybody by line 1"),
    ],
)
def test_owners(auditor: Auditor, text: str, observed: str) -> None:
    auditor.shop.merge({"app/login.py": "1\n", ".github/CODEOWNERS": text}, days_ago=9)
    failed = auditor.failed(OWNERS, repository=AREAS)
    assert bool(failed) == bool(observed)
    assert observed in "".join(failed)


def test_owners_that_cannot_be_seen(auditor: Auditor) -> None:
    auditor.shop.merge({"app/login.py": "1\n"}, days_ago=9)
    assert "no owners file" in auditor.unseen(OWNERS, repository=AREAS)
    auditor.shop.merge({".gitlab/CODEOWNERS": "* @shop/security\n"}, days_ago=8)
    assert "no owners file where github looks for it" in auditor.unseen(OWNERS, repository=AREAS)
    auditor.shop.merge({"CODEOWNERS": "* @shop/security\n"}, days_ago=7)
    empty = {**AREAS, "sensitive_paths": {"auth": ["app/*login*"], "billing": ["app/*invoice*"]}}
    assert "no file of the repository is in this area" in auditor.unseen(OWNERS, repository=empty)


# --- deploys --------------------------------------------------------------------------------------------------------


def deployed(auditor: Auditor, *entries: dict[str, Any]) -> dict[str, Any]:
    log = auditor.shop.repository.folder.parent / "deploys.jsonl"
    log.write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
    return {"deploys": {"path": "deploys.jsonl"}}


def entry(commit: str, days_ago: float, **more: Any) -> dict[str, Any]:
    return {"at": days(days_ago).isoformat(), "commit": commit, "environment": "production", **more}


def test_deploys_of_reviewed_commits_pass(auditor: Auditor) -> None:
    one, two = auditor.shop.forge.pulls
    parts = deployed(
        auditor,
        entry(auditor.shop.first, 30),
        entry(two.merged_as, 19),
        entry(one.merged_as, 14),
        entry("5" * 40, 13, environment="staging"),
    )
    found = auditor.run(DEPLOYS, **parts)
    assert [type(one) for one in found] == [Finding, LeftOut, Finding, Finding]
    assert auditor.failed(DEPLOYS, **parts) == []


def test_deploys_that_were_not_reviewed_are_refuted(auditor: Auditor) -> None:
    unreviewed = auditor.shop.merge({"x": "x"}, approved_by=None, days_ago=5)
    good = auditor.shop.forge.pulls[1]
    pushed = auditor.shop.forge.head = auditor.shop.repository.commit({"x": "y"}, at=days(3), message="Quick fix")
    parts = deployed(
        auditor,
        entry("5" * 40, 9),
        entry(good.head, 8),
        entry(unreviewed.merged_as, 4),
        entry(good.merged_as, 16),
        entry(pushed, 2),
    )
    failed = auditor.failed(DEPLOYS, **parts)
    assert len(failed) == 5
    assert "555555555555 is not on the branch main" in failed[0]
    assert f"{good.head[:12]} is not on the branch" in failed[1]
    assert "nobody approved it" in failed[2]
    assert "was merged only afterwards" in failed[3]
    assert '"Quick fix": it came without a change' in failed[4]
    auditor.shop.forge.protected = False
    assert "not protected" in auditor.failed(DEPLOYS, **parts)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("", "tells of no deploy"),
        ("not json\n", "line 1 of the deploy log cannot be understood"),
        ('{"at": "2026-01-01T00:00:00Z"}\n', "line 1"),
        ('{"at": "yesterday", "commit": "x", "environment": "production"}\n', "line 1"),
        ('{"at": "2026-11-20T00:00:00Z", "commit": "abc", "environment": "production"}\n', "by its full id"),
        ('{"at": "2026-11-20T00:00:00Z", "commit": "abc", "environment": "staging"}\n', "tells of no deploy"),
    ],
)
def test_a_deploy_log_that_says_nothing_is_no_pass(auditor: Auditor, text: str | None, words: str) -> None:
    if text is not None:
        (auditor.shop.repository.folder.parent / "deploys.jsonl").write_text(text, encoding="utf-8")
    assert words in auditor.unseen(DEPLOYS, deploys={"path": "deploys.jsonl"})


def test_fields_of_the_log_may_be_called_otherwise(auditor: Auditor) -> None:
    parts = deployed(auditor, {"time": days(10).isoformat(), "git": {"sha": auditor.shop.forge.head}})
    parts["deploys"] |= {"at": "time", "commit": "git.sha", "environment": None}
    assert auditor.failed(DEPLOYS, **parts) == []
