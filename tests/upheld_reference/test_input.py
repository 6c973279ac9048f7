"""Odd input is refused and never breaks anything, and what is sent as data stays data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WHO = "initech-owner"
ODD = [
    *("", " ", "\x00", "a\x00b", "\ud800", "\ufeff", "\u202e", "é" * 300, "x" * 5000, "null", "0", "-1", "true"),
    *("'", "';--", '"', "\\", "%", "%00", "../../etc/passwd", "{{7*7}}", "${7*7}", "<script>alert(1)</script>"),
    *("\r\nX: y", "2" * 400, "1e999", "NaN", "00000000-0000-0000-0000-000000000000", "[]", "{}"),
]
ODD_TEXTS = st.sampled_from(ODD)
ODD_VALUES = st.recursive(
    st.one_of(
        ODD_TEXTS,
        st.none(),
        st.booleans(),
        st.sampled_from([0, -1, 2**31, 2**63, 10**400, 1e308, float("inf"), float("nan"), 0.1]),
        st.text(max_size=20),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ODD_TEXTS, inner, max_size=3)),
    max_leaves=5,
)
ODD_BODIES = st.sampled_from(
    [
        *(b"", b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe\x00", b"\xed\xa0\x80", b"[" * 60_000, b"{}" * 9),
        *(b'{"a":' * 5000, b'{"name": "a", "name": "b"}', b'{"__proto__": {"role": "owner"}}', b"\x00", b"x=1&y=2"),
        *(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', b"a" * 70_000),
    ]
)
MEDIA_TYPES = st.sampled_from(
    [
        *(
            "application/json",
            "application/json; charset=utf-16",
            "application/xml",
            "text/plain",
            "",
            "multipart/form-data",
        ),
        *("application/x-www-form-urlencoded", "application/json;" + "x" * 500, "a", "application/merge-patch+json"),
    ]
)


def operations(rivet: Any) -> dict[str, tuple[str, str, dict[str, Any]]]:
    document = rivet.call("GET", "/openapi.json").json()
    return {
        operation["operationId"]: (method.upper(), path, {**operation, "fields": fields(document, operation)})
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def fields(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """The names that the body of an operation may have."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return list(schema.get("properties", {}))


@st.composite
def odd_requests(draw: Any, operation: dict[str, Any]) -> dict[str, Any]:
    """One request that is not as the document describes it, or only just."""
    parameters = operation.get("parameters", [])
    request: dict[str, Any] = {
        "path": {p["name"]: draw(ODD_TEXTS | st.just(str(uuid4()))) for p in parameters if p["in"] == "path"},
        "query": [(p["name"], draw(ODD_TEXTS)) for p in parameters if p["in"] == "query" and draw(st.booleans())],
        "headers": {"Content-Type": draw(MEDIA_TYPES)},
        "own": draw(st.booleans()),
    }
    request["headers"] |= {
        p["name"]: draw(st.sampled_from(["", "x", "é".encode().decode("latin-1")]))
        for p in parameters
        if p["in"] == "header"
    }
    if draw(st.booleans()) and operation["fields"]:
        body = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(operation["fields"], ODD_VALUES)))
        extra = draw(
            st.dictionaries(st.sampled_from(["role", "workspace_id", "id", "\x00", ""]), ODD_VALUES, max_size=1)
        )
        request["content"] = json.dumps({**body, **extra}).encode("utf-8")
        request["headers"]["Content-Type"] = "application/json"
    else:
        request["content"] = draw(ODD_BODIES)
    return request


def send(rivet: Any, method: str, path: str, request: dict[str, Any]) -> int:
    for name, value in request["path"].items():
        own = name == "workspace_id" and request["own"]
        sent = rivet.workspace("initech")["id"] if own else quote(value.encode("utf-8", "surrogatepass"), safe="")
        path = path.replace(f"{{{name}}}", sent)
    query = "&".join(f"{quote(n)}={quote(v.encode('utf-8', 'surrogatepass'))}" for n, v in request["query"])
    headers = {name: value.encode("latin-1") for name, value in request["headers"].items()}
    who = None if path in {"/v1/tokens", "/v1/tokens/revoke"} else WHO
    content = {} if method == "GET" else {"content": request["content"]}
    status: int = rivet.call(method, f"{path}?{query}" if query else path, who, headers=headers, **content).status_code
    return status


def broken_by_odd_input(rivet: Any, examples: int) -> set[str]:
    """The operations that answered a generated request with a 5xx."""
    return {
        name
        for name, (method, path, operation) in operations(rivet).items()
        if max(statuses(rivet, method, path, operation, examples)) >= 500
    }


def broken_by_odd_text(rivet: Any) -> set[str]:
    """The operations that answered a 5xx when one text of their query was odd and all else as it should be."""
    found = set()
    for name, (method, path, operation) in operations(rivet).items():
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "query" or parameter["schema"].get("type") != "string":
                continue
            for odd in ODD:
                request = {
                    "path": {"workspace_id": ""},
                    "own": True,
                    "headers": {},
                    "query": [(parameter["name"], odd)],
                }
                if send(rivet, method, path, request) >= 500:
                    found.add(name)
    return found


def statuses(rivet: Any, method: str, path: str, operation: dict[str, Any], examples: int) -> set[int]:
    """What an operation answered to generated requests; the same ones in every run."""
    found = set()

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(request=odd_requests(operation))
    def attempt(request: dict[str, Any]) -> None:
        found.add(send(rivet, method, path, request))

    attempt()
    return found


def effects(rivet: Any) -> set[str]:
    """What input does that it should not: SQL that is run, a NUL that is passed on, a role that is taken."""
    found = set()

    def named(text: str) -> Any:
        return rivet.call("GET", rivet.path("acme", "/contacts"), "acme-viewer", params={"name": text})

    assert len(named("ACME contact 1").json()) == 1
    injected = "nobody' UNION SELECT id, email, role, '', created_at FROM app.members WHERE email LIKE '"
    answer = named(injected)
    if answer.status_code >= 500 or any("@" in one["name"] for one in answer.json()):
        found.add("SQL in the name filter is run")
    if named("it's").status_code != 200:
        found.add("a quote in the name filter breaks it")
    if rivet.call("GET", rivet.path("acme", "/search") + "?q=a%00b", "acme-viewer").status_code != 422:
        found.add("NUL in a search")
    if rivet.call("PATCH", "/v1/me", "acme-agent", json={"name": "Agent", "role": "agent"}).status_code != 422:
        found.add("role can be sent along")
    return found


def test_no_generated_input_breaks_an_operation(rivet: Any) -> None:
    assert broken_by_odd_text(rivet) | broken_by_odd_input(rivet, examples=12) == set()


def test_input_has_no_effects(rivet: Any) -> None:
    assert effects(rivet) == set()


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=1e9", "offset=-1", f"offset={10**30}"])
def test_listings_are_bounded(rivet: Any, query: str) -> None:
    assert rivet.call("GET", rivet.path("acme", f"/contacts?{query}"), "acme-viewer").status_code == 422


def test_pages_follow_each_other(rivet: Any) -> None:
    def ids(query: str) -> list[str]:
        answer = rivet.call("GET", rivet.path("globex", f"/message-logs?{query}"), "globex-owner")
        return [one["id"] for one in answer.json()]

    assert ids("limit=10") == ids("limit=5") + ids("limit=5&offset=5")


@pytest.mark.slow
def test_sabotages(sabotaged_rivets: Callable[..., Any]) -> None:
    rivet = sabotaged_rivets("server_error_on_odd_input", "sql_injection_in_one_filter", "mass_assignment_of_role")
    assert effects(rivet) == {
        "SQL in the name filter is run",
        "a quote in the name filter breaks it",
        "NUL in a search",
        "role can be sent along",
    }
    assert broken_by_odd_text(rivet) == {"searchWorkspace", "listContacts"}
