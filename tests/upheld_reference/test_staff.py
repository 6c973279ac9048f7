"""The staff console keeps its promises, and each of its sabotages breaks exactly what it says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from upheld_reference import deployment as deployments
from upheld_reference.audit import chain

from .staffing import Staff

_POOR = {
    "missing": None,
    "empty": "",
    "spaces": "  \t ",
    "punctuation": "... !!",
    "ticket only": "SUP-1234",
    "boilerplate": "SUP-1234 support request, just looking at the message for testing",
    "keyboard": "SUP-1234 asdf qwerty asdf foo bar",
    "one word often": "SUP-1234 duplicate duplicate duplicate duplicate",
    "no ticket": "contact received the notice twice, comparing both bodies with the template",
    "odd": "\u0000SUP-1 \U0001f600 nul comes twice every morning",
}
_GOOD = "SUP-4711: contact received notice twice, comparing both bodies with template"


def _read(staff: Staff, who: str, justification: Any, message: str | None = None) -> Any:
    workspace = staff.facts["workspaces"][0]
    path = f"/v1/workspaces/{workspace['id']}/messages/{message or workspace['objects']['messages'][1]}/read"
    return staff.call("POST", path, who, json={} if justification is None else {"justification": justification})


def second_factor_violations(staff: Staff) -> set[str]:
    """What gets a session without the second factor."""
    wrong: set[str] = set()
    with staff.database() as db:
        query = """
            SELECT split_part(a.email, '@', 1) AS name FROM staff.accounts a
            WHERE NOT EXISTS (SELECT FROM staff.totp_seeds t WHERE t.account_id = a.id)
        """
        wrong |= {f"{row['name']} not enrolled" for row in db.execute(query).fetchall()}
    for identity in staff.facts["staff_identities"]:
        name = identity["name"]
        if identity["disabled"]:
            continue
        if staff.finish(staff.challenge(name), None).status_code != 401:
            wrong.add(f"{name} without code")
        if staff.finish(staff.challenge(name), "000000").status_code != 401:
            wrong.add(f"{name} wrong code")
    for steps in (-3, -2, 3, 4):  # one more of these and the account would be locked
        if staff.finish(staff.challenge("audit-burn1"), staff.code_at("audit-burn1", steps)).status_code == 201:
            wrong.add(f"code of {steps} steps from now")
        if steps == -2:
            assert staff.log_in("audit-burn1").status_code == 201
    challenge = staff.challenge("audit-burn1")
    code = staff.fresh_code("audit-burn1")
    assert staff.finish(challenge, code).status_code == 201
    if staff.finish(challenge, code).status_code == 201:
        wrong.add("challenge used twice")
    if staff.finish(staff.challenge("audit-burn1"), code).status_code == 201:
        wrong.add("code used twice")
    challenge = staff.challenge("audit-burn1")
    for operation, method, path in staff.operations():
        if operation not in staff.facts["staff_public_operations"]:
            answer = staff.call(method, path, bearer=challenge.json()["challenge"], json={})
            if answer.status_code != 401:
                wrong.add(f"{operation} with a challenge: {answer.status_code}")
    return wrong | _reset_violations(staff, "audit-burn4")


def _reset_violations(staff: Staff, name: str) -> set[str]:
    wrong: set[str] = set()
    before = staff.new_session(name)
    address = staff.identity(name)["email"]
    assert staff.call("POST", "/v1/password-resets", json={"email": address}).status_code == 202
    body = {"token": staff.reset_token(name), "new_password": "a new password of length"}
    for code in ({}, {"code": "000000"}):
        answer = staff.call("POST", "/v1/password-resets/completion", json=body | code)
        if answer.status_code == 200:
            wrong.add("password set without code")
            staff.passwords[name] = body["new_password"]
        if "session" in answer.json():
            wrong.add("password reset gives session")
    if wrong:
        return wrong
    answer = staff.call("POST", "/v1/password-resets/completion", json=body | {"code": staff.fresh_code(name)})
    assert (answer.status_code, answer.json()) == (200, {"next": "log in"})
    staff.passwords[name] = body["new_password"]
    if staff.call("GET", "/v1/me", bearer=before).status_code != 401:
        wrong.add("session outlives the password")
    again = staff.call("POST", "/v1/password-resets/completion", json=body | {"code": staff.fresh_code(name)})
    if again.status_code != 401:
        wrong.add("link used twice")
    return wrong


def justification_violations(staff: Staff) -> set[str]:
    """What of customers' messages staff sees without saying why."""
    wrong = set()
    for what, justification in _POOR.items():
        answer = _read(staff, "audit-support", justification)
        if answer.status_code != 422 or "message of" in answer.text:
            wrong.add(f"read with {what}")
    workspace = staff.facts["workspaces"][0]
    message, before = workspace["objects"]["messages"][1], staff.head()
    answer = _read(staff, "audit-support", _GOOD)
    assert answer.status_code == 200
    assert f"message of {workspace['name']}" in answer.json()["text"]
    entries = [
        (entry["actor"], str(entry["workspace_id"]), entry["target"], entry["reason"], entry["outcome"])
        for entry in staff.entries(before)
        if entry["action"] == "staff.read_message"
    ]
    actor = f"staff:{staff.account_id('audit-support')}"
    if entries != [(actor, workspace["id"], f"message:{message}", _GOOD, "done")]:
        wrong.add("read leaves no entry")
    for path in ("messages", "conversations"):
        answer = staff.call("GET", f"/v1/workspaces/{workspace['id']}/{path}", "audit-support")
        assert len(answer.json()) >= 3
        if "message of" in answer.text:
            wrong.add(f"{path} show content")
    for wanted in ("message of acme", "message", workspace["objects"]["messages"][0]):
        answer = staff.call("GET", "/v1/search", "audit-support", params={"q": wanted})
        assert answer.status_code == 200
        assert (answer.json() != []) or wanted == "message of acme"
        if "message of" in answer.text:
            wrong.add("search shows content")
    for statement in (
        "SELECT text FROM app.messages",
        "SELECT * FROM app.contacts",
        "SELECT content FROM app.message_logs",
    ):
        with staff.database("staff") as db, contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            db.execute(statement)
            wrong.add(f"the console's role may {statement}")
    return wrong


def logging_violations(staff: Staff) -> set[str]:
    """What leaves no entry, and what can be done to entries."""
    wrong = set()
    for operation, method, path in staff.operations():
        if operation in {"logOut", "completePasswordReset", "startLogin", "finishLogin"}:
            continue
        action, before = staff.facts["staff_actions"][operation], staff.head()
        allowed = staff.facts["staff_roles"].get(operation)
        if allowed is not None:
            assert staff.call(method, path, json={}).status_code == 401
            if not any((e["action"], e["outcome"]) == (action, "refused") for e in staff.entries(before)):
                wrong.add("refusals without session")
        who = "audit-security" if allowed is None or "security" in allowed else "audit-support"
        body = {"requestPasswordReset": {"email": "x@example.com"}, "readMessage": {"justification": _GOOD}}.get(
            operation
        )
        answer = staff.call(
            method, path, who, json=body, params={"q": "acme"} if operation == "searchMetadata" else None
        )
        entries = [(e["action"], e["outcome"]) for e in staff.entries(before) if e["actor"] != "service:staff-console"]
        if operation == "requestPasswordReset":
            entries = [(e["action"], e["outcome"]) for e in staff.entries(before)]
        if answer.is_success and (action, "done") not in entries:
            wrong.add(f"{operation} not logged")
        if not answer.is_success and (action, "refused") not in entries:
            wrong.add("refusals of an object")
    before = staff.head()
    assert staff.call("GET", "/v1/accounts", "audit-support").status_code == 403
    assert staff.challenge("audit-burn2", "wrong password").status_code == 401
    assert staff.finish(staff.challenge("audit-burn3"), "000000").status_code == 401
    assert _read(staff, "audit-support", "SUP-1 because").status_code == 422
    refused = {entry["action"] for entry in staff.entries(before) if entry["outcome"] == "refused"}
    for action in ("staff.list_accounts", "staff.check_password", "staff.log_in", "staff.read_message"):
        if action not in refused:
            wrong.add(f"refusal of {action}")
    for role in ("application", "staff", "auditor"):
        with (
            staff.database(role) as db,
            contextlib.suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction),
        ):
            if db.execute("DELETE FROM audit.entries").rowcount:
                wrong.add(f"deletable by {role}")
            db.rollback()
    rows = staff.entries()
    if chain.verify_chain(rows, {n: digest for n, digest in staff.anchors().items() if n <= rows[-1]["sequence"]}):
        wrong.add("chain broken")
    verdict = staff.call("GET", "/v1/audit-log/verification", "audit-security").json()
    assert verdict["holds"] is ("chain broken" not in wrong)
    return wrong


def break_glass_violations(staff: Staff) -> set[str]:
    """Break-glass access that nobody else agreed to, or that nobody can trace."""
    wrong = set()
    reason = "Checking the settings after the failover"
    for ticket in (None, "", "none", "SUP-"):
        body = {"reason": reason} | ({} if ticket is None else {"ticket": ticket})
        if staff.call("POST", "/v1/break-glass", "audit-engineer", json=body).status_code != 422:
            wrong.add("asked without ticket")
    body = {"reason": reason, "ticket": "OPS-900", "duration_seconds": 600}
    own = staff.call("POST", "/v1/break-glass", "audit-security", json=body).json()["id"]
    if staff.call("POST", f"/v1/break-glass/{own}/approve", "audit-security").status_code != 403:
        wrong.add("approved by oneself")
    asked = staff.call("POST", "/v1/break-glass", "audit-engineer", json=body).json()["id"]
    place = f"/v1/break-glass/{asked}"
    view = f"{place}/platform-configuration"
    for what, statuses in (("approve", {403}), ("start", {409})):
        if staff.call("POST", f"{place}/{what}", "audit-engineer").status_code not in statuses:
            wrong.add(f"{what} by who asked")
    if staff.call("GET", view, "audit-engineer").status_code != 403:
        wrong.add("used before the start")
    assert staff.call("POST", f"{place}/approve", "audit-approver").status_code == 200
    assert staff.call("POST", f"{place}/approve", "audit-security").status_code == 409
    if staff.call("GET", view, "audit-engineer").status_code != 403:
        wrong.add("used before the start")
    if staff.call("POST", f"{place}/start", "audit-security").status_code != 403:
        wrong.add("started by another")
    assert staff.call("POST", f"{place}/start", "audit-engineer").status_code == 200
    assert staff.call("GET", view, "audit-engineer").json()
    if staff.call("GET", view, "audit-approver").status_code != 403:
        wrong.add("used by another")
    assert staff.call("POST", f"{place}/end", "audit-engineer").status_code == 200
    if staff.call("GET", view, "audit-engineer").status_code != 403:
        wrong.add("used after the end")
    return wrong | _past_violations(staff)


def _past_violations(staff: Staff) -> set[str]:
    wrong = set()
    sessions: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in staff.entries():
        if (
            entry["action"].startswith("break_glass.")
            and entry["outcome"] == "done"
            and not entry["target"].endswith(":all")
        ):
            sessions.setdefault(entry["target"], {})[entry["action"].partition(".")[2]] = entry
    finished = [session for session in sessions.values() if "end" in session]
    assert len(finished) >= 4
    for session in finished:
        if list(session)[:3] != ["request", "approve", "start"] or list(session)[-1] != "end":
            wrong.add("steps missing or out of order")
        if not all(entry["details"]["ticket"] for entry in session.values()):
            wrong.add("past session without ticket")
        if session["approve"]["actor"] == session["request"]["actor"]:
            wrong.add("past session approved by oneself")
    return wrong


def revocation_violations(staff: Staff) -> set[str]:
    """Accounts that work longer than they should."""
    wrong = set()
    answer = staff.challenge("erik")
    if answer.status_code != 401:
        wrong.add("leaver knows the password")
        if staff.finish(answer, staff.fresh_code("erik")).status_code == 201:
            wrong.add("leaver logs in")
    with staff.database() as db:
        active = db.execute("SELECT email FROM staff.accounts WHERE disabled_at IS NULL").fetchall()
        wrong |= {f"{row['email']} active" for row in active if row["email"].split("@")[0] in {"erik", "zanele"}}
    burned = staff.account_id("audit-burn4")
    session = staff.new_session("audit-burn4")
    assert staff.call("GET", "/v1/accounts", bearer=session).status_code == 200
    change = {"role": "support"}
    assert staff.call("PUT", f"/v1/accounts/{burned}/role", "audit-security", json=change).status_code == 200
    if staff.call("GET", "/v1/accounts", bearer=session).status_code not in {401, 403}:
        wrong.add("old session keeps its role")
    session = staff.new_session("audit-burn3")
    burned = staff.account_id("audit-burn3")
    assert staff.call("POST", f"/v1/accounts/{burned}/disable", "audit-security").status_code == 200
    if staff.call("GET", "/v1/me", bearer=session).status_code != 401:
        wrong.add("disabled account keeps its session")
    if staff.challenge("audit-burn3").status_code != 401:
        wrong.add("disabled account logs in")
    return wrong


def violations(staff: Staff) -> set[str]:
    """Everything that is wrong; burns the throw-away accounts."""
    return (
        second_factor_violations(staff)
        | justification_violations(staff)
        | logging_violations(staff)
        | break_glass_violations(staff)
        | revocation_violations(staff)
    )


_EXPECTED: dict[str, set[str]] = {
    "one_staff_account_exempt": {"audit-burn2 not enrolled", "audit-burn2 without code", "audit-burn2 wrong code"},
    "totp_replay_accepted": {"code used twice"},
    "second_factor_optional": {
        f"audit-{name} without code"
        for name in (
            "support",
            "engineer",
            "security",
            "approver",
            "burn1",
            "burn2",
            "burn3",
            "burn4",
            "burn5",
            "burn6",
        )
    }
    | {"password set without code"},
    "password_reset_gives_session": {"password set without code", "password reset gives session"},
    "leaver_still_active": {
        "leaver knows the password",
        "leaver logs in",
        "erik@rivetsoftware.dev active",
    },
    "staff_session_keeps_old_role": {"old session keeps its role"},
    "blank_justification_accepted": {"read with missing", "read with empty", "read with spaces"},
    "staff_read_leaves_no_entry": {"read leaves no entry", "readMessage not logged"},
    "staff_search_shows_content": {"search shows content"},
    "one_privileged_operation_not_logged": {"listWorkspaceConversations not logged"},
    "denied_attempts_not_logged": {
        "refusals without session",
        "refusals of an object",
        "refusal of staff.list_accounts",
        "refusal of staff.check_password",
        "refusal of staff.log_in",
        "refusal of staff.read_message",
    },
    "audit_rows_deletable": {"deletable by application"},
    "audit_chain_broken": {"chain broken"},
    "break_glass_without_ticket": {"asked without ticket", "past session without ticket"},
    "break_glass_self_approved": {"approved by oneself", "past session approved by oneself"},
}
_BATCHES = (
    ("one_staff_account_exempt", "staff_search_shows_content", "break_glass_without_ticket", "audit_rows_deletable"),
    ("totp_replay_accepted", "blank_justification_accepted", "break_glass_self_approved", "audit_chain_broken"),
    ("second_factor_optional", "staff_read_leaves_no_entry"),
    (
        "password_reset_gives_session",
        "one_privileged_operation_not_logged",
        "staff_session_keeps_old_role",
        "leaver_still_active",
    ),
    ("denied_attempts_not_logged",),
)


@pytest.fixture(scope="module")
def staff() -> Iterator[Staff]:
    """An untouched deployment of its own, for its accounts are burned."""
    with deployments.start() as running, contextlib.closing(Staff(running)) as reached:
        yield reached


@pytest.fixture
def sabotaged_staff() -> Iterator[Callable[..., Staff]]:
    with contextlib.ExitStack() as stack:
        yield lambda names: stack.enter_context(
            contextlib.closing(Staff(stack.enter_context(deployments.start(list(names)))))
        )


def test_every_staff_sabotage_is_in_a_batch() -> None:
    assert sorted(name for batch in _BATCHES for name in batch) == sorted(_EXPECTED)


def test_nothing_is_wrong(staff: Staff) -> None:
    assert violations(staff) == set()


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("names", _BATCHES, ids=" ".join)
def test_sabotages(sabotaged_staff: Callable[..., Staff], names: tuple[str, ...]) -> None:
    assert violations(sabotaged_staff(names)) == set().union(*(_EXPECTED[name] for name in names))
