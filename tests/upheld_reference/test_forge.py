"""The forge answers as GitHub does: its shapes by GitHub's own description, its refusals, pages and semantics by hand."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from githubkit import GitHub, TokenAuthStrategy
from githubkit.exception import RequestFailed

from upheld_reference.deployment import Deployment

DESCRIBED = json.loads(
    Path(__file__).parents[1].joinpath("data/github-openapi/responses.json").read_text(encoding="utf-8")
)
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def ask(deployment: Deployment, request_of: Callable[..., httpx.Response]) -> Ask:
    """A request to the forge with the reading token, unless ``token`` says otherwise (empty: none)."""

    def send(path: str, method: str = "GET", token: str | None = None, **headers: str) -> httpx.Response:
        chosen = deployment.facts["forge"]["token"] if token is None else token
        head = {"authorization": f"Bearer {chosen}"} if chosen else {}
        return request_of(deployment, "forge", path, method, headers={**head, **headers})

    return send


@pytest.fixture(scope="module")
def places(ask: Ask, deployment: Deployment) -> dict[str, str]:
    """Values for the parameters of paths, found through the forge itself."""
    base = "/repos/rivet/platform"
    pulls = ask(f"{base}/pulls?state=closed").json()
    merged = ask(f"{base}/commits/{pulls[0]['merge_commit_sha']}").json()
    return {
        "owner": "rivet",
        "repo": "platform",
        "org": "rivet",
        "username": "priya",
        "team_slug": "security",
        "branch": "main",
        "ref": "heads/main",
        "commit_sha": merged["sha"],
        "pull_number": str(pulls[0]["number"]),
        "workflow_id": "ci.yml",
        "run_id": str(ask(f"{base}/actions/workflows/deploy.yml/runs").json()["workflow_runs"][0]["id"]),
        "deployment_id": str(ask(f"{base}/deployments").json()[0]["id"]),
        "basehead": f"{merged['parents'][0]['sha']}...main",
        "environment_name": "production",
        "path": ".github/CODEOWNERS",
        "tree_sha": merged["commit"]["tree"]["sha"],
        "file_sha": ask(f"{base}/contents/SECURITY.md").json()["sha"],
    }


@pytest.mark.parametrize("path", sorted(DESCRIBED["operations"]))
def test_an_answer_is_as_github_describes_it(ask: Ask, places: dict[str, str], path: str) -> None:
    known = {**places, "ref": places["ref"] if "/git/ref/" in path else places["commit_sha"]}
    answer = ask(path.format(**known))
    assert answer.status_code == 200, answer.text
    schema = {**DESCRIBED["operations"][path]["schema"], "components": DESCRIBED["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    errors = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in validator.iter_errors(answer.json())
    ]
    assert errors == []


def test_the_description_is_that_of_github_and_can_fail(ask: Ask, places: dict[str, str]) -> None:
    assert DESCRIBED["version"]
    assert "MIT" in DESCRIBED["license"]
    operation = DESCRIBED["operations"]["/repos/{owner}/{repo}/pulls/{pull_number}"]
    schema = {**operation["schema"], "components": DESCRIBED["components"]}
    pull = ask(f"/repos/rivet/platform/pulls/{places['pull_number']}").json()
    del pull["merged_by"]
    assert not jsonschema.Draft202012Validator(schema).is_valid(pull)


@pytest.mark.parametrize("path", ["/user", "/repos/rivet/platform", "/no-such-path"])
def test_who_may_ask(ask: Ask, path: str) -> None:
    bad = ask(path, token="github_pat_wrong")
    assert (bad.status_code, bad.json()["message"]) == (401, "Bad credentials")
    unnamed = ask(path, token="")
    assert (unnamed.status_code, unnamed.json()["message"]) == (404, "Not Found")
    writing = ask(path, "POST")
    assert (writing.status_code, writing.json()["message"]) == (403, "Resource not accessible by personal access token")


def test_a_narrow_token_may_not_read_the_protection(ask: Ask, deployment: Deployment) -> None:
    narrow = deployment.facts["forge"]["narrow_token"]
    path = "/repos/rivet/platform/branches/main"
    assert ask(path, token=narrow).status_code == 200
    refused = ask(f"{path}/protection", token=narrow)
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by personal access token")


@pytest.mark.parametrize(
    "path",
    [
        "/no-such-path",
        "/repos/rivet/other",
        "/repos/other/platform",
        "/repos/rivet/platform/pulls/999999",
        "/repos/rivet/platform/pulls/not-a-number",
        "/repos/rivet/platform/branches/no-such-branch",
        "/repos/rivet/platform/branches/inbox-groups/protection",
        "/repos/rivet/platform/contents/no/such/file",
        "/repos/rivet/platform/git/trees/zzz",
        "/repos/rivet/platform/actions/runs/1",
        "/orgs/rivet/teams/no-such-team",
        "/orgs/rivet/teams/security/memberships/sipho",
        "/users/nobody",
        "/repos/rivet/platform/pulls/%00",
        "/repos/rivet/platform/commits/%F0%9F%92%A9",
    ],
)
def test_what_is_not_there_is_a_404_in_json(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"message", "documentation_url", "status"}


@pytest.mark.parametrize("odd", ["%00", "..%2F..", "-1", "9" * 40, "%F0%9F%92%A9", "a" * 3000, "%2e%2e", "'%22<>"])
def test_odd_values_in_paths_are_refused_in_json(ask: Ask, places: dict[str, str], odd: str) -> None:
    for path in DESCRIBED["operations"]:
        for name in places:
            if f"{{{name}}}" in path:
                answer = ask(path.format(**{**places, name: odd}))
                assert answer.status_code in {200, 404, 422}, (path, name, answer.status_code)
                if answer.status_code != 200:
                    assert answer.json()["message"]


@pytest.mark.parametrize(
    "query", ["page=-1", "page=x", "per_page=0", "per_page=10000000000", "state=%00", "sort=x&direction=y"]
)
def test_an_odd_query_is_taken_as_the_default(ask: Ask, query: str) -> None:
    assert ask(f"/repos/rivet/platform/pulls?{query}").status_code == 200


def test_pages_are_linked(ask: Ask) -> None:
    whole = ask("/repos/rivet/platform/pulls?state=all&per_page=100").json()
    found, path, hops = [], "/repos/rivet/platform/pulls?state=all&per_page=7", 0
    while path:
        answer = ask(path)
        found += answer.json()
        hops += 1
        path = httpx.URL(answer.links["next"]["url"]).raw_path.decode() if "next" in answer.links else ""
    assert hops == -(-len(whole) // 7) > 2
    assert [pull["number"] for pull in found] == [pull["number"] for pull in whole]
    assert [pull["number"] for pull in whole] == sorted((pull["number"] for pull in whole), reverse=True)


def test_an_unchanged_answer_is_not_sent_again(ask: Ask) -> None:
    first = ask("/repos/rivet/platform/branches/main")
    again = ask("/repos/rivet/platform/branches/main", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["x-ratelimit-remaining"].isdigit()


def test_states_and_filters(ask: Ask) -> None:
    base = "/repos/rivet/platform"
    assert [pull["title"] for pull in ask(f"{base}/pulls").json()] == ["Group the inbox by contact"]
    closed = ask(f"{base}/pulls?state=closed&sort=created&direction=asc&base=main&per_page=100").json()
    assert all(pull["merged_at"] for pull in closed)
    assert closed[0]["title"] == "Lock an account after repeated bad logins"
    assert ask(f"{base}/pulls?base=other").json() == []
    failed = ask(f"{base}/actions/runs?status=failure&per_page=100").json()
    assert failed["total_count"] == len(failed["workflow_runs"]) > 0
    assert {run["conclusion"] for run in failed["workflow_runs"]} == {"failure"}


def test_a_comparison_tells_where_a_commit_stands(ask: Ask) -> None:
    base = "/repos/rivet/platform"
    tip = ask(f"{base}/commits/main").json()
    parent = tip["parents"][0]["sha"]
    ahead = ask(f"{base}/compare/{parent}...main").json()
    assert (ahead["status"], ahead["behind_by"]) == ("ahead", 0)
    assert ahead["commits"][-1]["sha"] == tip["sha"]
    behind = ask(f"{base}/compare/main...{parent}").json()
    assert (behind["status"], behind["ahead_by"], behind["behind_by"]) == ("behind", 0, ahead["ahead_by"])
    assert ask(f"{base}/compare/main...main").json()["status"] == "identical"
    assert ask(f"{base}/compare/main...inbox-groups").json()["status"] == "ahead"


def test_somebody_of_operations_let_each_deploy_in(ask: Ask) -> None:
    base = "/repos/rivet/platform"
    team = {one["login"] for one in ask("/orgs/rivet/teams/operations/members").json()}
    runs = ask(f"{base}/actions/workflows/deploy.yml/runs?per_page=100").json()["workflow_runs"]
    assert len(runs) > 10
    for run in runs:
        (approval,) = ask(f"{base}/actions/runs/{run['id']}/approvals").json()
        assert approval["user"]["login"] in team - {run["actor"]["login"]}


def test_a_review_is_of_what_was_the_head_then(ask: Ask) -> None:
    base = "/repos/rivet/platform"
    first = ask(f"{base}/pulls?state=closed&direction=asc").json()[0]
    shas = [commit["sha"] for commit in ask(f"{base}/pulls/{first['number']}/commits").json()]
    reviews = ask(f"{base}/pulls/{first['number']}/reviews").json()
    assert [(review["state"], review["commit_id"]) for review in reviews] == [
        ("CHANGES_REQUESTED", shas[0]),
        ("APPROVED", shas[1]),
    ]
    assert shas[1] == first["head"]["sha"]


class _Loopback(httpx.HTTPTransport):
    """Reaches the forge's name on 127.0.0.1."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


@pytest.fixture(scope="module")
def github(deployment: Deployment) -> GitHub[Any]:
    """A client for GitHub that nobody here wrote, pointed at the forge."""
    facts = deployment.facts["forge"]
    trust = ssl.create_default_context(cafile=deployment.facts["ca_file"])
    transport = _Loopback(verify=trust)
    return GitHub(TokenAuthStrategy(facts["token"]), base_url=facts["url"], transport=transport, http_cache=False)


def test_githubkit_reads_it(github: GitHub[Any]) -> None:
    rest = github.rest
    repository = rest.repos.get("rivet", "platform").parsed_data
    assert (repository.default_branch, repository.private) == ("main", True)
    protection = rest.repos.get_branch_protection("rivet", "platform", "main").parsed_data
    assert protection.enforce_admins.enabled
    assert protection.required_pull_request_reviews.require_last_push_approval
    pulls = list(github.rest.paginate(rest.pulls.list, owner="rivet", repo="platform", state="closed", per_page=5))
    assert len(pulls) > 20
    for pull in pulls:
        reviews = rest.pulls.list_reviews("rivet", "platform", pull.number).parsed_data
        assert [review for review in reviews if review.state == "APPROVED" and review.commit_id == pull.head.sha]
    owners = rest.repos.get_content("rivet", "platform", ".github/CODEOWNERS").parsed_data
    assert "@rivet/security" in base64.b64decode(owners.content).decode()
    runs = rest.actions.list_workflow_runs("rivet", "platform", "ci.yml", event="pull_request").parsed_data
    assert {
        job.name
        for job in rest.actions.list_jobs_for_workflow_run(
            "rivet", "platform", runs.workflow_runs[0].id
        ).parsed_data.jobs
    } == {
        "lint",
        "tests",
        "dependency scan",
        "bandit",
        "semgrep",
        "secret scan",
    }
    with pytest.raises(RequestFailed) as caught:
        rest.pulls.get("rivet", "platform", 999999)
    assert caught.value.response.status_code == 404
