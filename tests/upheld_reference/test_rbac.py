"""Roles are looked at in every operation and every workspace, and nobody raises themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

WORKSPACES = ("acme", "globex", "initech")
ORDER = ("viewer", "agent", "admin", "owner")


def attempts(rivet: Any) -> dict[str, tuple[str, str, Any]]:
    """Calls that change something, with the lowest role that may make them."""
    template = "/templates/" + str(uuid4())
    return {
        "deleteContact": ("admin", f"DELETE /contacts/{uuid4()}", None),
        "deleteTemplate": ("admin", f"DELETE {template}", None),
        "deleteConversation": ("admin", f"DELETE /conversations/{uuid4()}", None),
        "updateTemplate": ("admin", f"PATCH {template}", {"name": "x"}),
        "createContact": ("agent", "POST /contacts", {"name": "x"}),
        "runAutomation": ("agent", f"POST /automations/{uuid4()}/runs", {"contact_id": str(uuid4())}),
        "inviteMember": ("admin", "POST /members", {}),
        "listMembers": ("admin", "GET /members", None),
        "terminateWorkspace": ("owner", "POST /termination", {}),
        "listInvoices": ("owner", "GET /invoices", None),
    }


def violations(rivet: Any) -> set[str]:
    """Whoever may do what their role does not allow, by workspace and role; whoever may not what it allows is an error."""
    found = set()
    for workspace in WORKSPACES:
        for name, (lowest, call, body) in attempts(rivet).items():
            method, _, path = call.partition(" ")
            for role in ORDER:
                answer = rivet.call(method, rivet.path(workspace, path), f"{workspace}-{role}", json=body)
                allowed = ORDER.index(role) >= ORDER.index(lowest)
                assert not (allowed and answer.status_code == 403), (workspace, name, role)
                if not allowed and answer.status_code != 403:
                    found.add(f"{name} by a {role} of {workspace}")
    for header in ("X-Role", "X-User-Role", "Role"):
        answer = rivet.call("GET", rivet.path("acme", "/members"), "acme-viewer", headers={header: "owner"})
        if answer.status_code != 403:
            found.add(f"role taken from {header}")
    rivet.call("PATCH", "/v1/me", "acme-viewer", json={"name": "x", "role": "owner"})
    if rivet.call("GET", "/v1/me", "acme-viewer").json()["role"] != "viewer":
        found.add("a viewer raised themselves")
    return found


def test_every_role_does_what_it_may_and_no_more(rivet: Any) -> None:
    assert violations(rivet) == set()


def test_nobody_raises_anybody_above_themselves(rivet: Any) -> None:
    members = rivet.path("acme", "/members")
    listed = {one["email"]: one for one in rivet.call("GET", members, "acme-admin").json()}
    owner, admin = (listed[rivet.identity(f"acme-{role}")["email"]]["id"] for role in ("owner", "admin"))
    viewer = listed[rivet.identity("acme-viewer")["email"]]["id"]
    for who, method, path, body in (
        ("acme-admin", "PUT", f"/{admin}/role", {"role": "owner"}),
        ("acme-admin", "PUT", f"/{viewer}/role", {"role": "owner"}),
        ("acme-admin", "PUT", f"/{owner}/role", {"role": "viewer"}),
        ("acme-admin", "POST", f"/{owner}/disable", None),
        ("acme-admin", "DELETE", f"/{owner}", None),
        ("acme-admin", "POST", "", {"email": "new-owner@example.com", "role": "owner"}),
        ("acme-owner", "PUT", f"/{owner}/role", {"role": "viewer"}),
        ("acme-owner", "DELETE", f"/{owner}", None),
    ):
        assert rivet.call(method, f"{members}{path}", who, json=body).status_code == 403, path
    assert rivet.call("GET", "/v1/me", "acme-owner").json()["role"] == "owner"


def test_an_owner_always_remains(rivet: Any) -> None:
    members = rivet.path("globex", "/members")
    email, password = f"second-{uuid4().hex[:8]}@example.com", uuid4().hex
    second = rivet.call("POST", members, "globex-owner", json={"email": email, "role": "owner"}).json()
    [first] = [one for one in rivet.call("GET", members, "globex-owner").json() if one["email"].startswith("owner@")]
    accepted = rivet.call(
        "POST",
        "/v1/invitations/accept",
        json={"invitation_token": second["invitation_token"], "password": password},
    ).json()
    headers = {"Authorization": f"Bearer {accepted['access_token']}"}
    with psycopg.connect(rivet.postgres("auditor")) as db:
        query = "SELECT count(*) FROM app.members WHERE workspace_id = %s AND role = 'owner' AND disabled_at IS NULL"
        assert db.execute(query, [rivet.workspace("globex")["id"]]).fetchone() == (2,)
    # The first disables the second, who then is none; the first is the last.
    assert rivet.call("POST", f"{members}/{second['id']}/disable", "globex-owner").status_code == 200
    assert rivet.call("GET", "/v1/me", headers=headers).status_code == 401
    assert rivet.call("POST", f"{members}/{second['id']}/enable", "globex-owner").status_code == 200
    token = rivet.call("POST", "/v1/tokens", json={"email": email, "password": password}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (
        rivet.call("PUT", f"{members}/{second['id']}/role", "globex-owner", json={"role": "admin"}).status_code == 200
    )
    for method, path, body in (
        ("PUT", "/role", {"role": "admin"}),
        ("POST", "/disable", None),
        ("DELETE", "", None),
    ):
        answer = rivet.call(method, f"{members}/{first['id']}{path}", json=body, headers=headers)
        assert answer.status_code == 403
    assert rivet.call("DELETE", f"{members}/{second['id']}", "globex-owner").status_code == 204


@pytest.mark.slow
def test_sabotages(sabotaged_rivets: Callable[..., Any]) -> None:
    rivet = sabotaged_rivets("viewer_may_delete", "one_operation_without_role_check", "role_taken_from_request")
    assert violations(rivet) == {
        *(f"{name} by a viewer of {w}" for w in WORKSPACES for name in ("deleteContact", "deleteTemplate")),
        *(f"deleteConversation by a viewer of {w}" for w in WORKSPACES),
        *(f"updateTemplate by a {role} of {w}" for w in WORKSPACES for role in ("viewer", "agent")),
        "role taken from X-Role",
    }


@pytest.mark.slow
def test_sabotages_of_all_but_one_workspace_and_of_ones_own_account(sabotaged_rivets: Callable[..., Any]) -> None:
    rivet = sabotaged_rivets("role_check_in_one_workspace_only", "mass_assignment_of_role")
    found = violations(rivet)
    assert "a viewer raised themselves" in found
    assert not [one for one in found if one.endswith("of acme")]
    assert len(found) == 1 + 2 * sum(ORDER.index(lowest) for lowest, _, _ in attempts(rivet).values())
