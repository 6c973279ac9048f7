"""Every public endpoint has a limit that nobody gets round, and bad logins lock."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

REQUESTS, WINDOW_SECONDS = 30, 1
MOST = 8 * REQUESTS
"""Requests after which there is no limit; a slow machine may need several windows to meet one."""


def flood(client: httpx.Client, method: str, path: Callable[[int], str] | str, **request: Any) -> list[httpx.Response]:
    """The answers up to the first that is limited."""
    paths = path if callable(path) else lambda _: path
    # Whole URLs, because httpx refuses to join a path that begins with two slashes.
    server = str(client.base_url).rstrip("/")
    return until_limited(lambda number: client.request(method, server + paths(number), **request))


def until_limited(send: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    while len(answers) < MOST and not limited(answers[-1:]):
        answers.append(send(len(answers)))
    return answers


def limited(responses: list[httpx.Response]) -> list[httpx.Response]:
    return [response for response in responses if response.status_code == 429]


def violations(rivet: Any) -> set[str]:
    found = set()
    with rivet.client() as client:
        document = rivet.call("GET", "/openapi.json").json()
        for path, methods in document["paths"].items():
            filled = re.sub(r"{.*?}", str(uuid4()), path)
            refused = limited(flood(client, next(iter(methods)).upper(), filled))
            if not refused:
                found.add(f"{path} unlimited")
            elif not all(int(response.headers.get("Retry-After", 0)) >= 1 for response in refused):
                found.add("no Retry-After")
        spoofed = "X-Forwarded-For", "X-Real-IP", "Forwarded"
        for header in spoofed:
            time.sleep(WINDOW_SECONDS)
            if not limited(
                until_limited(lambda n, by=header: client.get("/v1/me", headers={by: f"203.0.113.{n % 250}"}))
            ):
                found.add(f"{header} trusted")
    identity = rivet.identity("globex-burn3")
    body = {"email": identity["email"], "password": identity["password"]}
    statuses = [
        rivet_post(rivet, {**body, "password": "wrong"}).status_code
        for _ in range(rivet.facts["lockout"]["failures"] + 1)
    ]
    locked = rivet_post(rivet, body)
    if locked.status_code != 429 or statuses[-1] != 429:
        found.add("no lockout")
    if f"{identity['email']}' is locked" not in rivet.log("security"):
        found.add("lockout not recorded")
    return found


def rivet_post(rivet: Any, body: dict[str, str]) -> httpx.Response:
    time.sleep(WINDOW_SECONDS / REQUESTS)
    with rivet.client() as client:
        response: httpx.Response = client.post("/v1/tokens", json=body)
    return response


@pytest.mark.slow
def test_every_operation_is_limited_and_lockout_works(rivet: Any) -> None:
    time.sleep(WINDOW_SECONDS)
    assert violations(rivet) == set()


def test_it_recovers_after_the_time_that_it_says(rivet: Any) -> None:
    time.sleep(WINDOW_SECONDS)
    with rivet.client() as client:
        responses = flood(client, "GET", "/v1/me")
        assert {response.status_code for response in responses[:-1]} == {401}
        assert len(responses) > REQUESTS
        last = responses[-1]
        assert (last.status_code, last.json()) == (429, {"error": "too many requests"})
        time.sleep(int(last.headers["Retry-After"]))
        assert client.get("/v1/me").status_code == 401


def test_an_account_has_one_limit_for_all_its_tokens(rivet: Any) -> None:
    identity = rivet.identity("acme-burn4")
    body = {"email": identity["email"], "password": identity["password"]}
    tokens = [rivet.call("POST", "/v1/tokens", json=body).json()["access_token"] for _ in range(2)]
    time.sleep(WINDOW_SECONDS)
    with rivet.client() as client:
        answers = until_limited(lambda n: client.get("/v1/me", headers={"Authorization": f"Bearer {tokens[n % 2]}"}))
    assert limited(answers)


@pytest.mark.parametrize(
    "path",
    [
        lambda number: f"/v1/workspaces/{uuid4()}?n={number}",
        lambda number: "/V1/me" if number % 2 else "/v1/ME",
        lambda number: "/v1/me" + "/" * (number + 1),
        lambda number: "/" * (number + 2) + "v1/me",
        lambda number: f"/nothing/{number}",
    ],
)
def test_other_spellings_give_no_further_budget(rivet: Any, path: Callable[[int], str]) -> None:
    time.sleep(WINDOW_SECONDS)
    with rivet.client() as client:
        assert limited(flood(client, "GET", path))


def test_another_method_gives_no_further_budget(rivet: Any) -> None:
    time.sleep(WINDOW_SECONDS)
    with rivet.client() as client:
        assert limited(flood(client, "GET", "/v1/me"))
        assert client.head("/v1/me").status_code == 429, "HEAD is a GET without its body"
        methods = "OPTIONS", "POST", "PUT", "DELETE"
        answers = until_limited(lambda n: client.request(methods[n % 4], "/v1/me"))
    assert limited(answers), "the methods that the path does not serve are one"


def test_a_lock_ends_and_a_good_login_clears_the_count(rivet: Any) -> None:
    identity = rivet.identity("globex-burn4")
    body = {"email": identity["email"].upper(), "password": identity["password"]}
    failures = rivet.facts["lockout"]["failures"]
    for _ in range(2):
        for _ in range(failures - 1):
            assert rivet_post(rivet, {**body, "password": "wrong"}).status_code == 401
        assert rivet_post(rivet, body).status_code == 200
    for _ in range(failures):
        assert rivet_post(rivet, {**body, "password": "wrong"}).status_code == 401
    locked = rivet_post(rivet, body)
    assert locked.status_code == 429
    time.sleep(int(locked.headers["Retry-After"]))
    assert rivet_post(rivet, body).status_code == 200


def test_an_account_that_does_not_exist_locks_alike(rivet: Any) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "password": "wrong"}
    statuses = [rivet_post(rivet, body).status_code for _ in range(rivet.facts["lockout"]["failures"] + 1)]
    assert statuses == [401] * rivet.facts["lockout"]["failures"] + [429]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one_operation_unlimited", {"/v1/workspaces/{workspace_id}/templates unlimited"}),
        ("rate_limit_trusts_forwarded_for", {"X-Forwarded-For trusted"}),
        ("rate_limit_without_retry_after", {"no Retry-After"}),
        ("login_lockout_missing", {"no lockout", "lockout not recorded"}),
    ],
)
def test_sabotage(sabotaged_rivet: Callable[[str], Any], name: str, expected: set[str]) -> None:
    assert violations(sabotaged_rivet(name)) == expected
