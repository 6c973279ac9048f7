"""The web application: who gets in, what a form must prove, what comes out of it, and when a session ends."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from upheld_reference.deployment import Deployment
from upheld_reference.edge.webapp import sessions
from upheld_reference.edge.webapp.sessions import BrowserSessions
from web_member import WebMember

MARKUP = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
Sabotaged = Callable[[str], Deployment]


@pytest.fixture
def member(deployment: Deployment) -> Iterator[WebMember]:
    with WebMember(deployment) as browser:
        yield browser


@pytest.fixture
def second(deployment: Deployment) -> Iterator[WebMember]:
    with WebMember(deployment) as browser:
        yield browser


def cookies_of(answer: Any) -> SimpleCookie:
    jar: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        jar.load(header)
    return jar


def write_message(rivet: Any, tenant: str, text: str) -> str:
    """Stores a message through the API and returns the id of its conversation."""
    conversation = rivet.workspace(tenant)["objects"]["conversations"][0]
    body = {"conversation_id": conversation, "text": text}
    assert rivet.call("POST", rivet.path(tenant, "/messages"), f"{tenant}-owner", json=body).status_code == 201
    return str(conversation)


def output_violations(deployment: Deployment, rivet: Any) -> set[str]:
    """Where text of users comes out of the web application as markup."""
    found = set()
    conversation = write_message(rivet, "acme", MARKUP)
    with WebMember(deployment) as browser:
        for page in (browser.get("/login", params={"email": f'">{MARKUP}'}), _refused_login(browser)):
            if MARKUP in page.text:
                found.add("login page")
        browser.log_in("acme-agent")
        inbox = browser.get("/inbox", params={"conversation": conversation})
        assert "document.title" in inbox.text
        if MARKUP in inbox.text:
            found.add("inbox")
        data = browser.get("/inbox.json", params={"conversation": conversation})
        assert MARKUP in data.text.replace('\\"', '"')
        if data.headers["content-type"] != "application/json":
            found.add("inbox data")
        if (never_stored := f"{MARKUP}{uuid4()}") in browser.get("/inbox", params={"q": never_stored}).text:
            found.add("search")
        for page in (inbox, data):
            if page.headers["x-content-type-options"] != "nosniff":
                found.add("nosniff")
    return found


def _refused_login(browser: WebMember) -> Any:
    fields = {"csrf": browser.csrf(), "email": f'">{MARKUP}', "password": "wrong"}
    answer = browser.post("/login", fields)
    assert answer.status_code == 422
    return answer


def test_text_of_users_comes_out_as_text(deployment: Deployment, rivet: Any) -> None:
    assert output_violations(deployment, rivet) == set()


@pytest.mark.parametrize(
    ("sabotages", "expected"),
    [
        (["stored_markup_unescaped_in_inbox"], {"inbox"}),
        (["markup_unescaped_in_login_error", "inbox_data_served_as_html"], {"login page", "inbox data"}),
    ],
)
def test_text_of_users_comes_out_as_markup(
    batch: Callable[[list[str]], tuple[Deployment, Any]], sabotages: list[str], expected: set[str]
) -> None:
    assert output_violations(*batch(sabotages)) == expected


def test_a_member_logs_in_reads_and_logs_out(member: WebMember) -> None:
    assert member.get("/").headers["location"] == "/login"
    assert member.get("/inbox").headers["location"] == "/login"
    answer = member.log_in("acme-agent")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
    inbox = member.get("/inbox")
    assert "message of acme" in inbox.text
    assert "globex" not in inbox.text
    assert member.get("/login").headers["location"] == "/inbox"
    cookie = member.client.cookies["__Host-rivet_session"]
    gone = member.post("/logout", {"csrf": member.csrf("/settings")})
    assert gone.headers["location"] == "/login"
    assert "__Host-rivet_session" not in member.client.cookies
    member.client.cookies.set("__Host-rivet_session", cookie, domain="app.rivet.example")
    assert member.get("/inbox").headers["location"] == "/login", "a session that was logged out is over on the server"


def test_cookies_are_bound_to_the_host_and_kept_from_scripts_and_other_sites(member: WebMember) -> None:
    for answer, name in (
        (member.get("/login"), "__Host-rivet_login"),
        (member.log_in("acme-viewer"), "__Host-rivet_session"),
    ):
        morsel = cookies_of(answer)[name]
        assert (morsel["secure"], morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, True, "strict", "/")
        assert morsel["domain"] == ""
        assert len(morsel.value) == 43, "256 bits in base64"


def test_private_pages_stay_out_of_caches_and_tokens_stay_on_the_server(member: WebMember) -> None:
    answers = [member.log_in("acme-admin"), *(member.get(path) for path in ("/inbox", "/inbox.json", "/settings"))]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        everything = answer.text + str(answer.headers)
        assert re.search(r"eyJ[A-Za-z0-9_-]+\.|access_token|refresh_token", everything) is None


def test_the_policy_lets_only_its_own_script_run(member: WebMember) -> None:
    policy = member.get("/login").headers["content-security-policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == directives["base-uri"] == directives["frame-ancestors"] == "'none'"
    assert directives["script-src"] == directives["connect-src"] == directives["form-action"] == "'self'"
    assert directives["require-trusted-types-for"] == "'script'"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_a_form_from_elsewhere_is_refused(member: WebMember, headers: dict[str, str]) -> None:
    member.log_in("acme-viewer")
    csrf = member.csrf("/settings")
    assert member.post("/logout", {"csrf": csrf}, headers=headers).status_code == 403
    assert member.get("/inbox").status_code == 200


def test_an_old_browser_is_judged_by_the_origin(member: WebMember) -> None:
    member.log_in("acme-viewer")
    fields = {"csrf": member.csrf("/settings")}
    for origin in ("https://evil.example", "null", member.facts["listeners"]["www"]["url"]):
        assert member.send("POST", "/logout", data=fields, headers={"origin": origin}).status_code == 403
    assert member.send("POST", "/logout", data=fields, headers={"origin": member.url}).status_code == 303


def test_a_form_without_its_token_or_with_that_of_another_is_refused(member: WebMember, second: WebMember) -> None:
    member.log_in("acme-viewer")
    second.log_in("acme-viewer")
    for fields in ({"other": ""}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "ü"}, {"csrf": second.csrf("/settings")}):
        assert member.post("/logout", fields).status_code == 403
    login = {"email": "a@b.example.com", "password": "x", "csrf": second.csrf("/settings")}
    assert member.post("/login", login).status_code == 403
    assert member.get("/inbox").status_code == 200


def test_a_new_login_gets_a_new_session(member: WebMember) -> None:
    member.client.cookies.set("__Host-rivet_session", "chosen-by-somebody-else", domain="app.rivet.example")
    member.log_in("acme-viewer")
    assert "chosen-by-somebody-else" not in [cookie.value for cookie in member.client.cookies.jar]


def test_bad_logins_lock_the_account_here_and_in_the_api(member: WebMember, rivet: Any) -> None:
    failures = rivet.facts["lockout"]["failures"]
    answers = [member.log_in("acme-burn3", password="wrong") for _ in range(failures)]
    assert [answer.status_code for answer in answers] == [401] * failures
    locked = member.log_in("acme-burn3")
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) >= 1
    assert "Too many attempts" in locked.text
    identity = rivet.identity("acme-burn3")
    body = {"email": identity["email"], "password": identity["password"]}
    with rivet.client() as client:
        assert client.post("/v1/tokens", json=body).status_code == 429
    time.sleep(int(locked.headers["retry-after"]))
    assert member.log_in("acme-burn3").status_code == 303


def test_the_login_form_is_limited_per_client(member: WebMember) -> None:
    time.sleep(member.facts["rate_limit"]["window_seconds"])
    limit = member.facts["rate_limit"]["requests"]
    answers = [member.client.post("/login")]
    while len(answers) < 8 * limit and answers[-1].status_code != 429:
        answers.append(member.client.post("/login"))
    assert (answers[0].status_code, answers[-1].status_code) == (415, 429)
    assert int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
def test_a_member_is_limited_from_wherever_requests_come(deployment: Deployment, member: WebMember) -> None:
    member.log_in("globex-burn1")
    limit = member.facts["rate_limit"]["requests"]
    cookie = f"__Host-rivet_session={member.client.cookies['__Host-rivet_session']}"
    statuses = []
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(WebMember(deployment, source=f"127.0.0.{n}")) for n in range(20, 25)]
        for number in range(4 * limit):
            answer = sources[number % len(sources)].client.get("/settings", headers={"cookie": cookie})
            statuses.append(answer.status_code)
            if answer.status_code == 429:
                break
    assert len(statuses) < limit * len(sources), "no address has met a limit of its own"
    assert statuses[-1] == 429


def test_a_changed_role_and_a_disabled_account_take_effect_at_once(member: WebMember, rivet: Any) -> None:
    identity = rivet.identity("acme-burn2")
    member.log_in("acme-burn2")
    assert "Webhooks" not in member.get("/settings").text
    with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as db:
        try:
            db.execute("UPDATE app.members SET role = 'admin' WHERE email = %s", [identity["email"]])
            assert "Webhooks" in member.get("/settings").text
            db.execute("UPDATE app.members SET disabled_at = now() WHERE email = %s", [identity["email"]])
            assert member.get("/inbox").headers["location"] == "/login"
            assert member.get("/inbox.json").status_code == 401
            assert member.log_in("acme-burn2").status_code == 403
        finally:
            query = "UPDATE app.members SET role = 'agent', disabled_at = NULL WHERE email = %s"
            db.execute(query, [identity["email"]])
    assert member.get("/inbox").headers["location"] == "/login", "an ended session stays ended"


def test_a_session_ends_when_it_is_revoked_in_the_database(member: WebMember, rivet: Any) -> None:
    identity = rivet.identity("acme-burn1")
    member.log_in("acme-burn1")
    with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as db:
        query = """
            UPDATE app.sessions SET revoked_at = now() FROM app.members m WHERE m.id = member_id AND m.email = %s
        """
        db.execute(query, [identity["email"]])
    assert member.get("/settings").headers["location"] == "/login"


def test_another_workspace_is_not_to_be_seen(member: WebMember, rivet: Any) -> None:
    member.log_in("acme-owner")
    foreign = rivet.workspace("globex")["objects"]["conversations"][0]
    absent = str(uuid4())
    for path in ("/inbox", "/inbox.json"):
        answers = [member.get(path, params={"conversation": one}) for one in (foreign, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text


def test_an_owner_sets_how_long_logs_are_kept(member: WebMember, rivet: Any) -> None:
    def kept() -> int:
        days: int = rivet.call("GET", rivet.path("globex"), "globex-owner").json()["retention_days"]
        return days

    member.log_in("globex-owner")
    before, page = kept(), member.get("/settings").text
    assert f'value="{before}"' in page
    csrf = member.csrf("/settings")
    try:
        answer = member.post("/settings/retention", {"csrf": csrf, "days": "120"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/settings?saved=retention")
        assert kept() == 120
        assert "Saved." in member.get("/settings?saved=retention").text
        for days in ("0", "366", "-1", "x", "", "1e2", "90.5"):
            assert member.post("/settings/retention", {"csrf": csrf, "days": days}).status_code == 422
        assert member.post("/settings/retention", {"csrf": "0" * 64, "days": "90"}).status_code == 403
        assert kept() == 120
    finally:
        assert member.post("/settings/retention", {"csrf": csrf, "days": str(before)}).status_code == 303


@pytest.mark.parametrize("name", ["globex-agent", "globex-viewer"])
def test_others_may_not_and_the_audit_log_has_it(member: WebMember, rivet: Any, name: str) -> None:
    member.log_in(name)
    assert "/settings/retention" not in member.get("/settings").text
    query = "SELECT count(*) FROM audit.entries WHERE action = 'workspace.set_retention' AND outcome = 'refused'"
    with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as db:
        before = db.execute(query).fetchone()
        fields = {"csrf": member.csrf("/settings"), "days": "120"}
        assert member.post("/settings/retention", fields).status_code == 403
        assert db.execute(query).fetchone() == (before[0] + 1,)


def test_a_plan_without_it_may_not_set_how_long_logs_are_kept(member: WebMember, rivet: Any) -> None:
    starters = [one["name"] for one in rivet.facts["workspaces"] if one["plan"] == "starter"]
    assert starters, "some workspace is on the plan that does not include it"
    owner = next(one for one in rivet.facts["identities"] if (one["tenant"], one["role"]) == (starters[0], "owner"))
    member.log_in(owner["name"])
    assert "/settings/retention" not in member.get("/settings").text
    fields = {"csrf": member.csrf("/settings"), "days": "120"}
    assert member.post("/settings/retention", fields).status_code == 403


def test_search_finds_words_and_says_when_there_are_none(member: WebMember, rivet: Any) -> None:
    word = f"word{uuid4().hex[:8]}"
    write_message(rivet, "globex", f"a {word} b")
    member.log_in("globex-viewer")
    assert word in member.get("/inbox", params={"q": word.upper()}).text
    assert "Nothing has" in member.get("/inbox", params={"q": "no such word"}).text


@pytest.mark.parametrize(
    ("method", "path", "status", "content", "media_type"),
    [
        ("GET", "/inbox?conversation=x", 400, None, None),
        ("GET", "/inbox?q=%00", 400, None, None),
        ("GET", "/inbox?q=%ff%fe", 200, None, None),
        ("GET", "/inbox?q=a&q=b", 400, None, None),
        ("GET", "/inbox?nothing=such", 400, None, None),
        ("GET", f"/inbox?q={'a' * 5000}", 400, None, None),
        ("GET", "/inbox.json?conversation=%27%22", 400, None, None),
        ("GET", "/inbox/", 404, None, None),
        ("GET", "/%00", 404, None, None),
        ("GET", "/no/such/page", 404, None, None),
        ("PUT", "/inbox", 405, None, None),
        ("POST", "/logout", 415, b"{}", "application/json"),
        ("POST", "/logout", 400, b"a=%ff", "application/x-www-form-urlencoded"),
        ("POST", "/logout", 400, b"&".join([b"a=1"] * 50), "application/x-www-form-urlencoded"),
        ("POST", "/logout", 400, b"csrf=a&csrf=b", "application/x-www-form-urlencoded"),
        ("POST", "/login", 413, b"a" * 70_000, "application/x-www-form-urlencoded"),
    ],
)
def test_odd_input_is_refused_in_order(
    member: WebMember, method: str, path: str, status: int, content: bytes | None, media_type: str | None
) -> None:
    member.log_in("globex-agent")
    headers = {"content-type": media_type} if media_type else {}
    assert member.send(method, path, content=content, headers=headers).status_code == status


def test_odd_cookies_are_no_session(member: WebMember) -> None:
    for value in ("", "x", "\"'<>", "a" * 8000, "é"):
        cookie = f"__Host-rivet_session={value}".encode("latin-1")
        assert member.get("/inbox", headers={"cookie": cookie}).status_code == 303


def test_an_idle_session_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now[0])
    kept = BrowserSessions(idle_seconds=60)
    cookie = sessions.new_cookie()
    claims = type("Claims", (), {"member_id": uuid4()})()
    kept._sessions[sessions._digest(cookie)] = sessions._Session(claims, now[0])
    assert cookie not in str(kept._sessions)
    now[0] = 60.0
    assert kept.member(cookie) == str(claims.member_id)
    now[0] = 60.1
    assert kept.member(cookie) is None
