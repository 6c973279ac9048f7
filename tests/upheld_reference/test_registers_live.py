"""The registers agree with the deployment that they belong to: its accounts, its database, its website, its calls."""

from __future__ import annotations

import html
import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from register_rules import NOW, Registers, violations
from upheld_reference import deployment as deployments

_BATCH = ("column_not_in_inventory", "privacy_policy_without_transfer")


def of(running: Any) -> Registers:
    return Registers(Path(running.facts["registers"]["folder"]))


def contacted(running: Any) -> frozenset[str]:
    """Hosts that the platform called for itself; where webhooks go is the customers' own choice."""
    lines = Path(running.facts["outbound_log"]).read_text(encoding="utf-8").splitlines()
    return frozenset(call["host"] for call in map(json.loads, lines) if call["purpose"] != "webhook")


def columns(running: Any) -> set[str]:
    """Every column of every table of the platform, as the database itself lists them."""
    query = """
        SELECT n.nspname || '.' || c.relname || '.' || a.attname
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    """
    with psycopg.connect(running.facts["postgres"]["urls"]["superuser"]) as db:
        return {row[0] for row in db.execute(query).fetchall()}


def inventory_violations(running: Any) -> set[str]:
    tables = of(running).read("data-inventory")["tables"]
    listed = {f"{table}.{name}" for table, found in tables.items() for name in found}
    return {f"not listed: {one}" for one in columns(running) - listed} | {
        f"not there: {one}" for one in listed - columns(running)
    }


def policy_violations(policy: str, kept: Registers) -> set[str]:
    """What the registers say of places and recipients and the privacy policy does not."""
    text = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", policy)))
    places = kept.rules["data_flows"]["places"]
    found = {f"no {name}" for name in places.values() if name not in text}
    for party in kept.entries("sub-processors"):
        if not re.search(
            rf"{party['category'].title()}: {re.escape(party['name'])}, [^.]*{places[party['country']]}", text
        ):
            found.add(f"no {party['category']}")
    if "transferred to South Africa" not in text:
        found.add("no transfer")
    return found


def test_the_facts_name_what_is_there(deployment: Any) -> None:
    facts = deployment.facts["registers"]
    paths = [facts["folder"], facts["schemas"], facts["allowed_signers"], *facts["files"].values()]
    paths += [statement["file"] for statement in facts["attestations"].values()]
    assert [path for path in paths if not Path(path).exists()] == []
    assert set(facts["attestations"]) == {"meta-terms", "meta-bsp", "no-data-sale", "credentials-not-shared"}
    assert Path(facts["folder"]).stat().st_mode & 0o077 == 0


def test_the_inventory_is_the_schema(deployment: Any) -> None:
    assert inventory_violations(deployment) == set()
    schemas = {column.partition(".")[0] for column in columns(deployment)}
    assert of(deployment).rules["data_inventory"]["schemas"] == sorted(schemas)


def test_the_last_review_covers_every_role_that_logs_in(deployment: Any) -> None:
    with psycopg.connect(deployment.facts["postgres"]["urls"]["superuser"]) as db:
        rows = db.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin").fetchall()
    last = of(deployment).entries("access-reviews")[0]["accounts"]
    assert {one["account"] for one in last if one["system"] == "database"} == {row[0] for row in rows}


def test_the_last_review_covers_every_account_of_the_staff_console(deployment: Any) -> None:
    query = "SELECT email, role FROM staff.accounts WHERE disabled_at IS NULL"
    with psycopg.connect(deployment.facts["postgres"]["urls"]["superuser"]) as db:
        rows = set(db.execute(query).fetchall())
    last = of(deployment).entries("access-reviews")[0]["accounts"]
    reviewed = {(one["account"], one["role"]) for one in last if one["system"] == "staff-console"}
    assert {email for email, _ in reviewed} == {email for email, _ in rows}
    # Other tests change the roles of the accounts for audits.
    assert {one for one in reviewed if not one[0].startswith("audit-")} <= rows


def test_accounts_of_leavers_are_off_on_the_day_that_the_register_says(deployment: Any) -> None:
    query = (
        "SELECT email, (disabled_at AT TIME ZONE 'Africa/Johannesburg')::date FROM staff.accounts WHERE kind = 'person'"
    )
    with psycopg.connect(deployment.facts["postgres"]["urls"]["superuser"]) as db:
        off = {email: day and day.isoformat() for email, day in db.execute(query).fetchall()}
    listed = {
        account["account"]: account["off_on"]
        for person in of(deployment).read("staff")["people"]
        for account in person["accounts"]
        if account["system"] == "staff-console"
    }
    assert off == listed
    assert len([day for day in off.values() if day]) == 2


def test_the_last_review_covers_every_account_of_the_forge(deployment: Any, request_of: Callable[..., Any]) -> None:
    forge = deployment.facts["forge"]
    headers = {"authorization": f"Bearer {forge['token']}"}

    def answered(path: str) -> Any:
        return request_of(deployment, "forge", path, headers=headers).json()

    repository = f"/repos/{forge['owner']}/{forge['repository']}"
    found = {one["login"] for one in answered(f"/orgs/{forge['owner']}/members?per_page=100")}
    found |= {one["login"] for one in answered(f"{repository}/collaborators?per_page=100")}
    found |= {answered("/user")["login"], "dependabot[bot]"}
    last = of(deployment).entries("access-reviews")[0]["accounts"]
    assert {one["account"] for one in last if one["system"] == "forge"} == found
    teams = {
        slug: {one["login"] for one in answered(f"/orgs/{forge['owner']}/teams/{slug}/members?per_page=100")}
        for slug in ("engineering", "operations", "security")
    }
    for one in last:
        if one["system"] == "forge" and one["holder"] != "service":
            assert set(one["role"].split(", ")) == {
                slug for slug, members in teams.items() if one["account"] in members
            }


def test_the_last_review_covers_every_account_of_the_host(deployment: Any) -> None:
    folder = Path(deployment.facts["host_facts"]["folder"])
    (passwd,) = folder.rglob("passwd.txt")
    accounts = [line.split(":") for line in passwd.read_text(encoding="utf-8").splitlines() if line.count(":") == 6]
    shells = {name for name, *_, shell in accounts if shell.endswith("sh")}
    last = of(deployment).entries("access-reviews")[0]["accounts"]
    reviewed = {one["account"] for one in last if one["system"] == "host"}
    declared = (
        deployment.facts["host_facts"]["service_accounts"] + deployment.facts["host_facts"]["break_glass_accounts"]
    )
    assert reviewed == shells | set(declared)


def test_every_host_that_was_called_is_in_the_register(deployment: Any, rivet: Any) -> None:
    body = {"code": f"AQ{uuid.uuid4().hex}"}
    account = rivet.workspace("acme")["objects"]["whatsapp_accounts"][0]
    path = rivet.path("acme", f"/whatsapp/{account}/rotate")
    assert rivet.call("POST", path, "acme-owner", json=body).is_success
    hosts = contacted(deployment)
    declared = {host for hosts in deployment.facts["outbound_hosts"].values() for host in hosts}
    assert hosts == declared
    assert violations(of(deployment), hosts) == set()
    assert of(deployment).now == NOW


def test_the_privacy_policy_says_what_the_registers_say(
    deployment: Any, request_of: Callable[..., Any], tmp_path: Path
) -> None:
    policy = request_of(deployment, "www", "/privacy").text
    assert policy_violations(policy, of(deployment)) == set()
    assert policy_violations(policy.replace("Hetzner", "Someone"), of(deployment)) == {"no hosting"}


@pytest.mark.slow
def test_defects_outside_of_the_registers(request_of: Callable[..., Any]) -> None:
    with deployments.start(_BATCH) as running:
        assert inventory_violations(running) == {"not listed: app.contacts.date_of_birth"}
        with psycopg.connect(running.facts["postgres"]["urls"]["superuser"]) as db:
            (filled,) = db.execute("SELECT count(date_of_birth) FROM app.contacts").fetchone() or (0,)
        assert filled > 0
        policy = request_of(running, "www", "/privacy").text
        assert policy_violations(policy, of(running)) == {"no South Africa", "no transfer", "no payments"}
        assert violations(of(running)) == set()
