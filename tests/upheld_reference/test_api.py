"""The API: what its operations do, who may call them, and how it says no."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import jwt
import pytest

from upheld_reference.api import roles


@pytest.fixture(scope="session")
def document(rivet: Any) -> dict[str, Any]:
    found: dict[str, Any] = rivet.call("GET", "/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_document_is_openapi_3_1_and_names_every_operation_of_the_matrix(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert set(operations(document)) == set(roles.ALLOWED) | roles.PUBLIC_OPERATIONS


def test_only_public_operations_need_no_token(rivet: Any, document: dict[str, Any]) -> None:
    for name, (method, path, operation) in operations(document).items():
        assert operation["security"] == ([] if name in roles.PUBLIC_OPERATIONS else [{"bearer": []}])
        if name not in roles.PUBLIC_OPERATIONS:
            response = rivet.call(method, re.sub(r"{.*?}", str(uuid4()), path))
            assert response.status_code == 401, name
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", ["owner", "admin", "agent", "viewer"])
def test_roles_may_do_what_the_matrix_says(rivet: Any, document: dict[str, Any], role: str) -> None:
    for name, (method, path, _) in operations(document).items():
        if name in roles.PUBLIC_OPERATIONS:
            continue
        # Ids that do not exist and a body that is wrong: whoever may call it gets a 200, 404 or 422, and nothing changes.
        filled = path.replace("{workspace_id}", rivet.workspace("acme")["id"])
        body = {"json": {"no_such_field": 1}} if method in {"POST", "PATCH", "PUT"} else {}
        status = rivet.call(method, re.sub(r"{.*?}", str(uuid4()), filled), f"acme-{role}", **body).status_code
        assert status in ({200, 404, 422} if role in roles.ALLOWED[name] else {403}), name


def test_contact_conversation_message(rivet: Any) -> None:
    def call(method: str, path: str, **request: Any) -> Any:
        return rivet.call(method, rivet.path("acme", path), "acme-owner", **request)

    contact = call("POST", "/contacts", json={"name": "Thandi", "phone_number": "+27821234567"}).json()
    changed = call("PATCH", f"/contacts/{contact['id']}", json={"note": "prefers mornings"}).json()
    assert changed == {**contact, "note": "prefers mornings"}
    conversation = call("POST", "/conversations", json={"contact_id": contact["id"]}).json()
    text = f"hello {uuid4()}"
    message = call("POST", "/messages", json={"conversation_id": conversation["id"], "text": text}).json()
    assert call("GET", f"/messages/{message['id']}").json()["text"] == text
    assert [m["text"] for m in call("GET", f"/messages?conversation_id={conversation['id']}").json()] == [text]
    assert {hit["kind"] for hit in call("GET", "/search", params={"q": text.upper()}).json()} == {
        "message",
        "message_log",
    }
    assert call("DELETE", f"/contacts/{contact['id']}").status_code == 204
    for path in (f"/contacts/{contact['id']}", f"/conversations/{conversation['id']}", f"/messages/{message['id']}"):
        assert call("GET", path).status_code == 404


def test_automation_returns_the_content_of_its_templates(rivet: Any) -> None:
    def call(method: str, path: str, **request: Any) -> Any:
        return rivet.call(method, rivet.path("globex", path), "globex-admin", **request)

    template = call("POST", "/templates", json={"name": "greeting", "body": "Hello"}).json()
    steps = [{"template_id": template["id"]}]
    automation = call("POST", "/automations", json={"name": "welcome", "steps": steps}).json()
    assert automation["steps"] == [{"template_id": template["id"], "template": template}]
    assert call("GET", f"/automations/{automation['id']}/runs").json() == []
    assert call("DELETE", f"/templates/{template['id']}").status_code == 204
    assert call("GET", f"/automations/{automation['id']}").json()["steps"][0]["template"] is None
    assert call("DELETE", f"/automations/{automation['id']}").status_code == 204


def test_webhook_shows_its_secret_once_and_is_https_only(rivet: Any) -> None:
    path = rivet.path("acme", "/webhooks")
    created = rivet.call("POST", path, "acme-owner", json={"url": "https://hooks.example.com/in"}).json()
    assert created["secret"].startswith("whsec_")
    assert "secret" not in rivet.call("GET", f"{path}/{created['id']}", "acme-owner").json()
    assert rivet.call("DELETE", f"{path}/{created['id']}", "acme-owner").status_code == 204
    assert rivet.call("POST", path, "acme-owner", json={"url": "http://hooks.example.com/in"}).status_code == 422


@pytest.mark.parametrize("kind", ["message_logs", "contacts"])
def test_export_can_be_downloaded(rivet: Any, kind: str) -> None:
    created = rivet.call("POST", rivet.path("acme", "/exports"), "acme-owner", json={"kind": kind}).json()
    path = rivet.path("acme", f"/exports/{created['id']}")
    assert rivet.call("GET", path, "acme-owner").json() == created
    download = rivet.call("GET", f"{path}/file", "acme-owner")
    assert download.headers["Content-Disposition"].startswith("attachment")
    assert download.json()["kind"] == kind
    assert download.json()["records"]


def test_sign_up_connects_a_number_and_shows_no_token(rivet: Any) -> None:
    path = rivet.path("acme", "/whatsapp")
    body = {"code": f"AQ{uuid4().hex}", "phone_number": "+27829999001"}
    first = rivet.call("POST", f"{path}/signup", "acme-admin", json=body)
    again = rivet.call("POST", f"{path}/signup", "acme-admin", json={**body, "code": f"AQ{uuid4().hex}"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    listed = rivet.call("GET", path, "acme-admin")
    assert "EAAG" not in first.text + listed.text
    assert first.json()["id"] in [account["id"] for account in listed.json()]


@pytest.mark.parametrize("prefix", ["AQfail", "AQgarbage"])
def test_failed_sign_up_is_a_502_and_repeats_nothing(rivet: Any, prefix: str) -> None:
    code = f"{prefix}{uuid4().hex}"
    body = {"code": code, "phone_number": "+27829999002"}
    response = rivet.call("POST", rivet.path("acme", "/whatsapp/signup"), "acme-owner", json=body)
    assert response.status_code == 502
    assert code[8:] not in response.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[" * 30_000,
        b'{"name": "\\u0000", "phone_number": "+27821112222"}',
        b'{"name": "\\ud800", "phone_number": "+27821112222"}',
        b'{"name": "a", "phone_number": "+27821112222\\n"}',
        b'{"name": "a", "phone_number": "+27821112222", "workspace_id": "x"}',
        b'{"name": "' + b"a" * 121 + b'", "phone_number": "+27821112222"}',
        b'{"name": NaN, "phone_number": 1e999}',
    ],
)
def test_bad_bodies_are_refused_with_a_reason(rivet: Any, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    path = rivet.path("acme", "/contacts")
    response = rivet.call("POST", path, "acme-owner", content=content, headers=headers)
    assert response.status_code in {400, 422}
    assert response.json()["error"]


def test_too_large_a_body_is_refused(rivet: Any) -> None:
    body = {"name": "a" * 70_000, "phone_number": "+27821112222"}
    assert rivet.call("POST", rivet.path("acme", "/contacts"), "acme-owner", json=body).status_code == 413


@pytest.mark.parametrize(
    "query", ["q=%00", "q=", "", "q=a&limit=0", "q=a&limit=99999999999999999999", "q=" + "a" * 201]
)
def test_bad_queries_are_refused(rivet: Any, query: str) -> None:
    assert rivet.call("GET", rivet.path("acme", f"/search?{query}"), "acme-owner").status_code == 422


@pytest.mark.parametrize("text", ["%", "_", "'; DROP TABLE app.contacts; --", "{{7*7}}", "\\", "\ufeff"])
def test_searched_text_means_nothing_but_itself(rivet: Any, text: str) -> None:
    response = rivet.call("GET", rivet.path("acme", "/search"), "acme-owner", params={"q": text})
    assert response.status_code == 200
    assert all(text in hit["text"] for hit in response.json())


def test_a_refusal_does_not_repeat_what_was_sent(rivet: Any) -> None:
    body = {"email": "a@example.com", "password": {"nested": "hunter2hunter2"}}
    response = rivet.call("POST", "/v1/tokens", json=body)
    assert response.status_code == 422
    assert "hunter2" not in response.text


@pytest.mark.parametrize("token", ["x", "a.b.c", "none", "other key", "expired-less"])
def test_forged_tokens_are_refused(rivet: Any, token: str) -> None:
    real = rivet.login("acme-owner")["Authorization"].split()[1]
    claims = jwt.decode(real, options={"verify_signature": False})
    forged = {
        "none": jwt.encode(claims, None, algorithm="none"),
        "other key": jwt.encode(claims, "k" * 32, algorithm="HS256"),
        "expired-less": real.rsplit(".", 1)[0] + ".",
    }.get(token, token)
    assert rivet.call("GET", "/v1/me", headers={"Authorization": f"Bearer {forged}"}).status_code == 401


def test_tokens_live_for_a_quarter_of_an_hour(rivet: Any) -> None:
    token = rivet.login("acme-owner")["Authorization"].split()[1]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 900 == rivet.facts["token_lifetime_seconds"]


@pytest.mark.parametrize("path", ["/", "/v1/me", "/nope", "/openapi.json"])
def test_every_answer_has_security_headers(rivet: Any, path: str) -> None:
    response = rivet.call("GET", path)
    assert response.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Type"] == "application/json"


def test_refusals_say_that_they_are_html(sabotaged_rivet: Any) -> None:
    refusal = sabotaged_rivet("refusals_served_as_html").call("GET", "/v1/me")
    assert refusal.status_code == 401
    assert refusal.headers["content-type"].partition(";")[0] == "text/html"
