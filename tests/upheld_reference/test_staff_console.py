"""The staff console's sessions, locks and odd inputs, one by one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from upheld_reference import deployment as deployments
from upheld_reference import passwords
from upheld_reference.audit import chain
from upheld_reference.database.scope import new_pool
from upheld_reference.staff import justifications, logins, roles, roster

from .conftest import Rivet
from .staffing import Staff

_GOOD = "SUP-4711: contact received notice twice, comparing both bodies with template"


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with deployments.start() as started:
        yield started


@pytest.fixture(scope="module")
def staff(running: Any) -> Iterator[Staff]:
    with contextlib.closing(Staff(running)) as reached:
        yield reached


def _execute(staff: Staff, statement: str, *values: Any) -> None:
    with psycopg.connect(staff.facts["postgres"]["urls"]["superuser"], autocommit=True) as db:
        db.execute(statement.encode(), values)


def test_the_document_lists_every_operation_of_the_matrix(staff: Staff) -> None:
    document = staff.call("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = {one["operationId"]: one for path in document["paths"].values() for one in path.values()}
    assert set(named) == set(roles.OPERATIONS)
    assert {name for name, one in named.items() if one.get("security") == []} == roles.PUBLIC_OPERATIONS
    assert all(named[name]["security"] == [{"session": []}] for name in set(named) - roles.PUBLIC_OPERATIONS)


@pytest.mark.parametrize("who", ["audit-support", "audit-engineer", "audit-security"])
def test_each_role_may_do_what_the_matrix_says(staff: Staff, who: str) -> None:
    role = staff.identity(who)["role"]
    for operation, method, path in staff.operations():
        if operation in roles.PUBLIC_OPERATIONS or operation == "logOut":
            continue
        allowed = roles.OPERATIONS[operation].roles
        body = {"justification": _GOOD} if operation == "readMessage" else {}
        status = staff.call(method, path, who, json=body, params={"q": "acme"}).status_code
        # An empty body does not say enough for some operations, and nothing is at the made-up identifiers.
        fine = {200, 403} if operation == "readPlatformConfiguration" else {200, 404, 422}
        assert allowed is not None
        assert status in (fine if role in allowed else {403}), operation


def test_first_factor_gives_a_challenge_and_nothing_else(staff: Staff) -> None:
    answer = staff.challenge("audit-burn1")
    assert answer.status_code == 201
    assert set(answer.json()) == {"challenge", "expires_in"}
    assert "set-cookie" not in answer.headers


def test_a_challenge_is_for_its_account_only(staff: Staff) -> None:
    assert staff.finish(staff.challenge("audit-burn1"), staff.fresh_code("audit-burn2")).status_code == 401


def test_a_challenge_ends(staff: Staff) -> None:
    challenge = staff.challenge("audit-burn1")
    _execute(staff, "UPDATE staff.challenges SET expires_at = now() WHERE used_at IS NULL")
    assert staff.finish(challenge, staff.fresh_code("audit-burn1")).status_code == 401


def test_unknown_addresses_and_disabled_accounts_look_like_wrong_passwords(staff: Staff) -> None:
    wrong = staff.challenge("audit-burn2", "not the password")
    body = {"email": "nobody@rivetsoftware.dev", "password": "not the password"}
    unknown = staff.call("POST", "/v1/challenges", json=body)
    leaver = staff.challenge("erik")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    assert (wrong.status_code, wrong.json()) == (leaver.status_code, leaver.json())
    assert wrong.status_code == 401


def test_nobody_logs_in_without_a_second_factor(staff: Staff) -> None:
    account = staff.account_id("audit-burn3")
    with psycopg.connect(staff.facts["postgres"]["urls"]["superuser"], autocommit=True) as db:
        kept = db.execute("SELECT * FROM staff.totp_seeds WHERE account_id = %s", [account]).fetchone()
        assert kept is not None
        db.execute("DELETE FROM staff.totp_seeds WHERE account_id = %s", [account])
        answer = staff.challenge("audit-burn3")
        db.execute("INSERT INTO staff.totp_seeds VALUES (%s, %s, %s, %s, %s, %s)", kept)
    assert answer.status_code == 403
    assert "challenge" not in answer.json()


def test_bad_codes_lock_the_account(staff: Staff) -> None:
    failures = staff.facts["lockout"]["failures"]
    challenges = [staff.challenge("audit-burn2") for _ in range(2)]
    before = staff.head()
    statuses = [staff.finish(challenges[0], "000000").status_code for _ in range(failures)]
    assert statuses == [401] * failures
    locked = staff.finish(challenges[1], staff.fresh_code("audit-burn2"))
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) >= 1
    refused = [entry for entry in staff.entries(before) if entry["action"] == "staff.log_in"]
    assert [entry["outcome"] for entry in refused] == ["refused"] * (failures + 1)
    assert staff.challenge("audit-burn1").status_code == 201  # others are not disturbed
    time.sleep(staff.facts["lockout"]["seconds"])
    assert staff.finish(challenges[1], staff.fresh_code("audit-burn2")).status_code == 201


def test_bad_passwords_lock_the_account(staff: Staff) -> None:
    for _ in range(staff.facts["lockout"]["failures"]):
        staff.challenge("audit-burn4", "not the password")
    assert staff.challenge("audit-burn4").status_code == 429
    time.sleep(staff.facts["lockout"]["seconds"])
    assert staff.challenge("audit-burn4").status_code == 201


@pytest.mark.parametrize("column", ["idle_until", "expires_at"])
def test_a_session_ends_by_itself(staff: Staff, column: str) -> None:
    session = staff.new_session("audit-burn1")
    assert staff.call("GET", "/v1/me", bearer=session).status_code == 200
    _execute(staff, f"UPDATE staff.sessions SET {column} = now()")
    assert staff.call("GET", "/v1/me", bearer=session).status_code == 401
    staff._sessions.clear()


def test_logging_out_ends_the_session(staff: Staff) -> None:
    session = staff.new_session("audit-burn3")
    assert staff.call("DELETE", "/v1/sessions/current", bearer=session).status_code == 204
    assert staff.call("GET", "/v1/me", bearer=session).status_code == 401


def test_nobody_changes_their_own_account(staff: Staff) -> None:
    own = staff.account_id("audit-security")
    for path, method, body in (
        ("disable", "POST", None),
        ("enable", "POST", None),
        ("role", "PUT", {"role": "support"}),
    ):
        assert staff.call(method, f"/v1/accounts/{own}/{path}", "audit-security", json=body).status_code == 403


def test_break_glass_ends_by_itself(staff: Staff) -> None:
    body = {"reason": "Comparing settings after the failover", "ticket": "OPS-901", "duration_seconds": 1}
    asked = staff.call("POST", "/v1/break-glass", "audit-engineer", json=body).json()["id"]
    assert staff.call("POST", f"/v1/break-glass/{asked}/approve", "audit-approver").status_code == 200
    assert staff.call("POST", f"/v1/break-glass/{asked}/start", "audit-engineer").status_code == 200
    deadline = time.monotonic() + 20
    last: dict[str, Any] = {}
    while time.monotonic() < deadline and last.get("action") != "break_glass.end":
        time.sleep(0.2)
        last = [entry for entry in staff.entries() if entry["target"] == f"break_glass:{asked}"][-1]
    assert (last["actor"], last["details"]) == (
        "service:staff-console",
        {"ticket": "OPS-901", "ended_by": "time limit"},
    )
    view = f"/v1/break-glass/{asked}/platform-configuration"
    assert staff.call("GET", view, "audit-engineer").status_code == 403
    assert staff.call("POST", f"/v1/break-glass/{asked}/start", "audit-engineer").status_code == 409


def test_break_glass_is_over_before_the_job_notices(staff: Staff) -> None:
    body = {"reason": "Comparing settings after the failover", "ticket": "OPS-902"}
    asked = staff.call("POST", "/v1/break-glass", "audit-engineer", json=body).json()["id"]
    assert staff.call("POST", f"/v1/break-glass/{asked}/approve", "audit-approver").status_code == 200
    assert staff.call("POST", f"/v1/break-glass/{asked}/start", "audit-engineer").status_code == 200
    digest = hashlib.sha256(staff.session("audit-engineer").encode()).hexdigest()
    with psycopg.connect(staff.facts["postgres"]["urls"]["superuser"]) as db:
        read = "SELECT count(*) FROM staff.read_platform_configuration(%s, %s)"
        db.execute("SET LOCAL SESSION AUTHORIZATION rivet_staff")
        assert db.execute(read, [digest, asked]).fetchone() != (0,)
        db.execute("RESET SESSION AUTHORIZATION")
        db.execute("UPDATE staff.break_glass_sessions SET expires_at = now() WHERE id = %s", [asked])
        db.execute("SET LOCAL SESSION AUTHORIZATION rivet_staff")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no running break-glass session"):
            db.execute(read, [digest, asked])


def test_the_database_refuses_what_the_console_should_not_ask_for(staff: Staff) -> None:
    with psycopg.connect(staff.facts["postgres"]["urls"]["staff"]) as db:
        who = db.execute("SELECT id FROM staff.accounts LIMIT 1").fetchone()
        assert who is not None
        insert = "INSERT INTO staff.break_glass_sessions (requested_by, ticket, reason, duration_seconds) VALUES (%s, %s, 'x', 5)"
        with pytest.raises(psycopg.errors.CheckViolation), db.transaction():
            db.execute(insert, [who[0], "none"])
        with pytest.raises(psycopg.errors.NotNullViolation), db.transaction():
            db.execute(insert, [who[0], None])
        with db.transaction():
            db.execute(insert, [who[0], "OPS-7"])
        with pytest.raises(psycopg.errors.CheckViolation, match="second_person"), db.transaction():
            db.execute(
                "UPDATE staff.break_glass_sessions SET approved_by = requested_by, approved_at = now() WHERE ticket = 'OPS-7'"
            )
        for statement in (
            "UPDATE staff.break_glass_sessions SET ticket = 'OPS-8'",
            "DELETE FROM staff.break_glass_sessions",
            "DELETE FROM staff.totp_seeds",
            "UPDATE staff.totp_seeds SET sealed = ''",
            "SELECT * FROM staff.platform_configuration",
            "SELECT staff.note_read(gen_random_uuid(), NULL, gen_random_uuid(), NULL, NULL)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
                db.execute(statement.encode())
        answer = db.execute(
            "SELECT refusal, text FROM staff.read_message('none', gen_random_uuid(), gen_random_uuid(), %s)", [_GOOD]
        )
        assert answer.fetchall() == [("no session", None)]
        db.rollback()


def test_secrets_are_not_kept_readable(staff: Staff) -> None:
    session = staff.session("audit-support")
    with staff.database() as db:
        kept = " ".join(
            str(row)
            for table in ("accounts", "totp_seeds", "challenges", "sessions", "password_resets")
            for row in db.execute(f"SELECT t::text, t FROM staff.{table} t".encode()).fetchall()
        )
    assert "$argon2id$" in kept
    for identity in staff.facts["staff_identities"]:
        assert identity["totp_seed"] not in kept
        assert identity["totp_seed"].encode().hex() not in kept
        assert staff.passwords[identity["name"]] not in kept
    assert session not in kept


def test_an_account_for_nobody_has_a_hash_like_any_other() -> None:
    first, second = passwords.of_nobody(), passwords.of_nobody()
    assert first != second
    assert [len(part) for part in first.split("$")] == [len(part) for part in passwords.hash_password("x").split("$")]
    assert not passwords.matches("", first)


def test_accounts_are_those_of_people_who_work_here_and_of_audits(staff: Staff) -> None:
    answer = staff.call("GET", "/v1/accounts", "audit-security").json()
    assert {one["email"]: one["disabled_at"] is not None for one in answer} == {
        entry.email: entry.off_days_ago is not None for entry in roster.entries()
    }
    assert all(one["enrolled"] for one in answer)


def test_the_example_justification_is_a_good_one(staff: Staff) -> None:
    with staff.database("staff") as db:
        row = db.execute("SELECT staff.justification_problem(%s) AS problem", [justifications.EXAMPLE]).fetchone()
    assert row == {"problem": None}


def test_a_workspace_sees_who_read_its_messages_and_why(running: Any, staff: Staff) -> None:
    acme = next(one for one in staff.facts["workspaces"] if one["name"] == "acme")
    message = acme["objects"]["messages"][2]
    path = f"/v1/workspaces/{acme['id']}/messages/{message}/read"
    assert staff.call("POST", path, "audit-support", json={"justification": _GOOD}).status_code == 200
    with contextlib.closing(Rivet(running)) as rivet:
        entries = rivet.call("GET", rivet.path("acme", "/audit-log"), "acme-owner").json()
        read = next(entry for entry in entries if entry["target"] == f"message:{message}")
        assert (read["actor"], read["reason"]) == (f"staff:{staff.account_id('audit-support')}", _GOOD)
        assert all(entry.pop("id") == chain.digest_of(entry) == entry["digest"] for entry in entries)
        assert {entry["workspace_id"] for entry in entries} == {acme["id"]}
        elsewhere = rivet.call("GET", rivet.path("globex", "/audit-log"), "globex-admin").json()
        assert elsewhere
        assert not {entry["sequence"] for entry in elsewhere} & {entry["sequence"] for entry in entries}


_ODD: tuple[Any, ...] = ("\x00", "' OR 1=1 --", "{{7*7}}", "\U0001f600" * 50, "%s", "a" * 5000, -1, 1.5, [{}], True)
"""So few, with the four bodies that are no JSON objects, that no operation's rate limit is reached."""


def test_odd_input_is_refused_and_never_breaks_anything(staff: Staff) -> None:
    names = (
        "email",
        "password",
        "challenge",
        "code",
        "token",
        "new_password",
        "justification",
        "role",
        "ticket",
        "reason",
    )
    statuses = set()
    for operation, method, path in staff.operations():
        if operation == "logOut":
            continue
        who = None if operation in roles.PUBLIC_OPERATIONS else "audit-support"
        for odd in _ODD:
            body = dict.fromkeys(names, odd)
            statuses.add(staff.call(method, path, who, json=odd).status_code)
            statuses.add(
                staff.call(method, path, who, json=body, params={"q": str(odd), "limit": str(odd)}).status_code
            )
        for content in (b"\xff\xfe", b"{", b'{"email": "\\ud800@x", "password": "\\ud800"}', b"null"):
            headers = {"content-type": "application/json"}
            statuses.add(staff.call(method, path, who, content=content, headers=headers).status_code)
    assert not {status for status in statuses if status >= 500}, statuses
    odd_path = staff.call("GET", "/v1/workspaces/%00/messages", "audit-support").status_code
    odd_bearer = staff.call(
        "GET", "/v1/me", headers={"authorization": "Bearer \u00e9\u00ff".encode("latin-1")}
    ).status_code  # type: ignore[dict-item]
    assert (odd_path, odd_bearer) == (422, 401)


def test_bearer_secrets_of_other_kinds_are_no_sessions(running: Any, staff: Staff) -> None:
    with contextlib.closing(Rivet(running)) as rivet:
        member = rivet.login("acme-owner")["Authorization"].removeprefix("Bearer ")
    for bearer in (member, staff.session("audit-support")[:-1], "x", staff.identity("audit-support")["totp_seed"]):
        assert staff.call("GET", "/v1/me", bearer=bearer).status_code == 401


def test_ended_sessions_are_forgotten(staff: Staff) -> None:
    session = staff.new_session("audit-approver")
    _execute(staff, "UPDATE staff.challenges SET expires_at = now() - interval '25 hours' WHERE used_at IS NOT NULL")

    async def forget() -> None:
        async with new_pool(staff.facts["postgres"]["urls"]["staff"]) as pool:
            await logins.forget_ended(SimpleNamespace(pool=pool))  # type: ignore[arg-type]

    asyncio.run(forget())
    with staff.database() as db:
        left = db.execute("SELECT count(*) AS n FROM staff.challenges WHERE used_at IS NOT NULL").fetchone()
    assert left == {"n": 0}
    assert staff.call("GET", "/v1/me", bearer=session).status_code == 200
