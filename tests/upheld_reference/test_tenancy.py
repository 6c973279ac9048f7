"""Workspaces do not reach into each other: not by the API, not by the database."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

KINDS = ("contacts", "conversations", "messages", "templates", "automations", "webhooks", "exports")
NAMED = ("contacts", "templates")
PARTLY_READABLE = ("app.members", "app.webhook_deliveries")
"""The application reads neither password hashes nor what is on its way to receivers."""
DELETABLE = (*NAMED, "automations", "webhooks")


def behaviour_violations(rivet: Any) -> set[str]:  # noqa: PLR0912 - one look after the other
    """What the owner of acme reaches of globex, each time beside the owner of globex, who does reach it."""
    found = set()
    objects = rivet.workspace("globex")["objects"]

    def mine(method: str, path: str, **request: Any) -> Any:
        return rivet.call(method, rivet.path("acme", path), "acme-owner", **request)

    def theirs(method: str, path: str, **request: Any) -> Any:
        return rivet.call(method, rivet.path("globex", path), "globex-owner", **request)

    for kind in (*KINDS, "invoices"):
        path = f"/{kind}/{objects[kind][0]}"
        assert theirs("GET", path).status_code == 200
        if mine("GET", path).status_code != 404:
            found.add(f"{kind} read")
        if rivet.call("GET", rivet.path("globex", path), "acme-owner").status_code != 404:
            found.add(f"{kind} read in the other workspace")
    ids = {name: rivet.workspace(name)["id"] for name in ("acme", "globex")}
    usage = {
        name: rivet.call("GET", "/v1/usage", "acme-owner", headers={"Workspace-Id": id_}) for name, id_ in ids.items()
    }
    assert usage["acme"].json()["id"] == ids["acme"]
    if usage["globex"].status_code != 404:
        found.add("usage by header")
    [member] = [one for one in theirs("GET", "/members").json() if one["email"].startswith("viewer@")]
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "/role", {"role": "agent"}),
        ("POST", "/disable", None),
        ("DELETE", "", None),
    ):
        if mine(method, f"/members/{member['id']}{path}", json=body).status_code != 404:
            found.add("members reached")
    assert theirs("GET", f"/members/{member['id']}").json() == member
    assert theirs("GET", f"/exports/{objects['exports'][0]}/file").status_code == 200
    if mine("GET", f"/exports/{objects['exports'][0]}/file").status_code != 404:
        found.add("export downloaded")
    for kind in NAMED:
        mine("PATCH", f"/{kind}/{objects[kind][0]}", json={"name": "changed by acme"})
        if theirs("GET", f"/{kind}/{objects[kind][0]}").json()["name"] == "changed by acme":
            found.add(f"{kind} changed")
    for kind in DELETABLE:
        mine("DELETE", f"/{kind}/{objects[kind][1]}")
        if theirs("GET", f"/{kind}/{objects[kind][1]}").status_code != 200:
            found.add(f"{kind} deleted")
    assert theirs("GET", "/search?q=globex").json()
    if any("globex" in hit["text"] for hit in mine("GET", "/search?q=globex").json()):
        found.add("search")
    nested = {
        "automations": {"name": "nested", "steps": [{"template_id": objects["templates"][0]}]},
        "conversations": {"contact_id": objects["contacts"][0]},
        "messages": {"conversation_id": objects["conversations"][0], "text": "nested"},
        f"automations/{rivet.workspace('acme')['objects']['automations'][0]}/runs": {
            "contact_id": objects["contacts"][0]
        },
        f"whatsapp/{objects['whatsapp_accounts'][0]}/rotate": {"code": f"AQ{uuid4().hex}"},
    }
    for path, body in nested.items():
        if mine("POST", f"/{path}", json=body).status_code != 404:
            found.add(f"{path} nested")
    for path in (
        f"/automations/{objects['automations'][0]}/runs",
        f"/messages?conversation_id={objects['conversations'][0]}",
    ):
        if mine("GET", path).status_code != 404:
            found.add(f"{path} nested")
    return found


def tables(rivet: Any) -> list[tuple[str, bool]]:
    query = """
        SELECT n.nspname || '.' || c.relname, c.relrowsecurity AND c.relforcerowsecurity
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('app', 'vault', 'meta') AND c.relkind = 'r' ORDER BY 1
    """
    with psycopg.connect(rivet.postgres("auditor")) as db:
        return [(name, forced) for name, forced in db.execute(query).fetchall()]


def database_violations(rivet: Any) -> set[str]:
    """Tables without forced row security, and those that the service which uses them reads with no workspace set."""
    found = {f"{name} unforced" for name, forced in tables(rivet) if not forced}
    for role, names in readers(rivet).items():
        with psycopg.connect(rivet.postgres(role), autocommit=True) as db:
            for setting in (None, ""):
                if setting is not None:
                    db.execute("SELECT set_config('rivet.workspace_id', %s, false)", [setting])
                for name in names:
                    column = "id" if name in PARTLY_READABLE else "*"
                    if db.execute(f"SELECT {column} FROM {name} LIMIT 1").fetchone():
                        found.add(f"{name} readable")
    return found


def readers(rivet: Any) -> dict[str, list[str]]:
    """The tables by the role of the service that uses them: credentials are the vault's, all else is the application's."""
    names = [name for name, _ in tables(rivet)]
    credentials = [name for name in names if name.startswith("vault.")]
    return {"vault": credentials, "application": [name for name in names if name not in credentials]}


def test_workspaces_do_not_reach_each_other(rivet: Any) -> None:
    assert behaviour_violations(rivet) == set()


def test_foreign_and_absent_look_alike(rivet: Any) -> None:
    foreign = rivet.workspace("globex")["objects"]["templates"][0]
    answers = [rivet.call("GET", rivet.path("acme", f"/templates/{id_}"), "acme-owner") for id_ in (foreign, uuid4())]
    assert answers[0].status_code == answers[1].status_code == 404
    assert answers[0].content == answers[1].content


def test_row_security_is_forced_on_every_table(rivet: Any) -> None:
    assert len(tables(rivet)) >= 17
    assert database_violations(rivet) == set()


def test_with_a_workspace_set_only_its_rows_are_there(rivet: Any) -> None:
    acme = rivet.workspace("acme")["id"]
    for role, names in readers(rivet).items():
        with psycopg.connect(rivet.postgres(role), autocommit=True) as db:
            db.execute("SELECT set_config('rivet.workspace_id', %s, false)", [acme])
            for name in names:
                column = "id" if name == "app.workspaces" else "workspace_id"
                seen = {str(row[0]) for row in db.execute(f"SELECT {column} FROM {name}").fetchall()}
                assert seen == {acme}, name


def test_a_row_cannot_be_written_into_another_workspace(rivet: Any) -> None:
    with psycopg.connect(rivet.postgres("application"), autocommit=True) as db:
        db.execute("SELECT set_config('rivet.workspace_id', %s, false)", [rivet.workspace("acme")["id"]])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(
                "INSERT INTO app.templates (workspace_id, name, body) VALUES (%s, 'x', 'x')",
                [rivet.workspace("globex")["id"]],
            )


def test_roles_have_no_more_than_they_need(rivet: Any) -> None:
    with psycopg.connect(rivet.postgres("auditor"), autocommit=True) as db:
        query = (
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'rivet%' AND (rolsuper OR rolbypassrls OR rolcreaterole)"
        )
        assert db.execute(query).fetchall() == []
        owners = db.execute(
            "SELECT DISTINCT schemaname, tableowner FROM pg_tables WHERE schemaname IN ('app', 'vault', 'meta') ORDER BY 1"
        )
        assert owners.fetchall() == [("app", "rivet_owner"), ("meta", "rivet_owner"), ("vault", "rivet_vault_owner")]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            db.execute("DELETE FROM app.contacts")
    with psycopg.connect(rivet.postgres("application"), autocommit=True) as db:
        for forbidden in ("SELECT password_hash FROM app.members", "DELETE FROM app.message_logs"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(forbidden)
    for role in ("retention", "planter"):
        with (
            psycopg.connect(rivet.postgres(role), autocommit=True) as db,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            db.execute("SELECT * FROM app.contacts")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one_object_type_readable_across_tenants", {"templates read"}),
        ("one_object_type_writable_across_tenants", {"contacts changed", "contacts deleted"}),
        ("search_leaks_across_tenants", {"search"}),
        ("nested_identifier_unchecked", {"automations nested"}),
        ("export_downloadable_across_tenants", {"export downloaded"}),
        ("workspace_header_unchecked", {"usage by header"}),
        ("row_security_off_for_one_table", {"app.conversations unforced", "app.conversations readable"}),
    ],
)
def test_sabotage(sabotaged_rivet: Callable[[str], Any], name: str, expected: set[str]) -> None:
    rivet = sabotaged_rivet(name)
    assert behaviour_violations(rivet) | database_violations(rivet) == expected


def curl(rivet: Any, path: str, who: str, *options: str) -> int:
    """The status that curl, which knows nothing of us, gets."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed, and what a tool that nobody here wrote sees is the point")
    api = rivet.facts["listeners"]["api"]
    resolve = f"{api['host_name']}:{api['port']}:{api['address']}"
    token = rivet.login(who)["Authorization"]
    command = [
        program,
        "--silent",
        "--output",
        "-",
        "--write-out",
        "\n%{http_code}",
        "--cacert",
        rivet.facts["ca_file"],
    ]
    command += ["--resolve", resolve, "--header", f"Authorization: {token}", *options, f"{api['url']}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "NO_PROXY": "*"})
    return int(done.stdout.rpartition("\n")[2])


def foreign_template(rivet: Any) -> str:
    return str(rivet.path("acme", f"/templates/{rivet.workspace('globex')['objects']['templates'][0]}"))


def test_curl_reads_what_is_its_own_and_nothing_else(rivet: Any) -> None:
    own = rivet.path("acme", f"/templates/{rivet.workspace('acme')['objects']['templates'][0]}")
    assert curl(rivet, own, "acme-owner") == 200
    assert curl(rivet, foreign_template(rivet), "acme-owner") == 404
    header = f"Workspace-Id: {rivet.workspace('globex')['id']}"
    assert curl(rivet, "/v1/usage", "acme-owner", "--header", header) == 404


@pytest.mark.exhaustive
@pytest.mark.slow
def test_curl_reads_across_tenants_where_it_can(sabotaged_rivets: Callable[..., Any]) -> None:
    rivet = sabotaged_rivets("one_object_type_readable_across_tenants", "workspace_header_unchecked")
    assert curl(rivet, foreign_template(rivet), "acme-owner") == 200
    header = f"Workspace-Id: {rivet.workspace('globex')['id']}"
    assert curl(rivet, "/v1/usage", "acme-owner", "--header", header) == 200


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_single_request_of_curl_runs_sql(sabotaged_rivets: Callable[..., Any]) -> None:
    rivet = sabotaged_rivets("sql_injection_in_one_filter")
    assert curl(rivet, rivet.path("acme", "/contacts?name=x%27"), "acme-viewer") == 500
