"""Every privileged operation of the API is in the audit log, whether it was done or refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg

from upheld_reference.api import roles


def entries(rivet: Any, action: str) -> list[tuple[str, str, str]]:
    """Actor, target and outcome of the entries about an action, the oldest first."""
    with psycopg.connect(rivet.postgres("auditor")) as db:
        query = "SELECT actor, target, outcome FROM audit.entries WHERE action = %s ORDER BY sequence"
        return db.execute(query, [action]).fetchall()


def refused_unlogged(rivet: Any) -> set[str]:
    """The privileged operations that leave no entry when a viewer tries them."""
    found = set()
    viewer = f"member:{rivet.identity('acme-viewer')['id']}"
    for path, methods in rivet.call("GET", "/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            if name not in roles.PRIVILEGED or "viewer" in roles.ALLOWED[name]:
                continue
            called, wanted = path.replace("{workspace_id}", rivet.workspace("acme")["id"]), str(uuid4())
            called = called.replace("{" + called.partition("{")[2].partition("}")[0] + "}", wanted)
            before = len(entries(rivet, roles.PRIVILEGED[name]))
            assert rivet.call(method.upper(), called, "acme-viewer", json={}).status_code == 403, name
            added = entries(rivet, roles.PRIVILEGED[name])[before:]
            if [(actor, outcome) for actor, _, outcome in added] != [(viewer, "refused")]:
                found.add(name)
            elif "{" in path.replace("{workspace_id}", "") and not added[0][1].endswith(wanted):
                found.add(f"{name} names another target")
    return found


def done_unlogged(rivet: Any) -> set[str]:
    """The privileged operations that leave no entry when the owner of a workspace performs them."""
    objects: dict[str, str] = {}
    workspace = f"workspace:{rivet.workspace('globex')['id']}"

    def perform(name: str, method: str, path: str, body: Any = None) -> Any:
        answer = rivet.call(method, rivet.path("globex", path.format(**objects)), "globex-owner", json=body)
        assert answer.status_code < 300, (name, answer.status_code)
        return answer.json() if answer.status_code != 204 and name != "downloadExport" else {}

    steps: tuple[tuple[str, str, str, Any, str], ...] = (
        ("inviteMember", "POST", "/members", {"email": f"{uuid4().hex}@example.com", "role": "viewer"}, "member"),
        ("changeMemberRole", "PUT", "/members/{member}/role", {"role": "agent"}, "member"),
        ("disableMember", "POST", "/members/{member}/disable", None, "member"),
        ("enableMember", "POST", "/members/{member}/enable", None, "member"),
        ("removeMember", "DELETE", "/members/{member}", None, "member"),
        ("createWebhook", "POST", "/webhooks", {"url": "https://hooks.example.com/a"}, "webhook"),
        ("updateWebhook", "PATCH", "/webhooks/{webhook}", {"url": "https://hooks.example.com/b"}, "webhook"),
        ("rotateWebhookSecret", "POST", "/webhooks/{webhook}/secret", None, "webhook"),
        ("deleteWebhook", "DELETE", "/webhooks/{webhook}", None, "webhook"),
        ("createExport", "POST", "/exports", {"kind": "contacts"}, "export"),
        ("downloadExport", "GET", "/exports/{export}/file", None, "export"),
        ("deleteExport", "DELETE", "/exports/{export}", None, "export"),
        ("setRetention", "PUT", "/retention", {"days": 90}, "workspace"),
        (
            "signUpWhatsApp",
            "POST",
            "/whatsapp/signup",
            {"code": f"AQ{uuid4().hex}", "phone_number": "+27829998877"},
            "whatsapp_account",
        ),
        (
            "rotateWhatsAppToken",
            "POST",
            "/whatsapp/{whatsapp_account}/rotate",
            {"code": f"AQ{uuid4().hex}"},
            "whatsapp_account",
        ),
    )
    found = set()
    owner = f"member:{rivet.identity('globex-owner')['id']}"
    for name, method, path, body, kind in steps:
        before = len(entries(rivet, roles.PRIVILEGED[name]))
        answer = perform(name, method, path, body)
        if "id" in answer and kind != "workspace":
            objects[kind] = answer["id"]
        target = workspace if kind == "workspace" else f"{kind}:{objects[kind]}"
        if entries(rivet, roles.PRIVILEGED[name])[before:] != [(owner, target, "done")]:
            found.add(name)
    # The other two are in the tests of passwords and of termination.
    assert {name for name, *_ in steps} | {"changePassword", "terminateWorkspace"} == set(roles.PRIVILEGED)
    return found


def test_refused_attempts_are_logged(rivet: Any) -> None:
    assert refused_unlogged(rivet) == set()


def test_what_was_done_is_logged(rivet: Any) -> None:
    assert done_unlogged(rivet) == set()


def test_trying_it_in_another_workspace_is_logged(rivet: Any) -> None:
    before = len(entries(rivet, "export.create"))
    foreign = rivet.workspace("globex")["id"]
    assert (
        rivet.call("POST", rivet.path("globex", "/exports"), "acme-owner", json={"kind": "contacts"}).status_code == 404
    )
    actor = f"member:{rivet.identity('acme-owner')['id']}"
    assert entries(rivet, "export.create")[before:] == [(actor, f"workspace:{foreign}", "refused")]


def test_no_entry_names_a_person(rivet: Any) -> None:
    with psycopg.connect(rivet.postgres("auditor")) as db:
        assert db.execute("SELECT count(*) FROM audit.entries e WHERE e::text LIKE '%%@%%'").fetchone() == (0,)
