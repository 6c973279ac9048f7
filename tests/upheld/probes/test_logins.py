"""Every way to log in that a target can describe, against a small server that knows each of them and refuses the rest."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import pyotp
import pytest

from upheld.errors import Refused, Unobservable
from upheld.probes.api import Api
from upheld.probes.json_query import queried
from upheld.probes.sessions import Sessions
from upheld.target.api import Login

from ...loopback import endpoint, web

PASSWORD = "correct-horse-battery-9"
KEY = "key-0123456789abcdef"
AWKWARD = "{key}:0123+4 %äöü{base64:x}"
"""What a secret may hold, and templates and encodings mean something by."""
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HTML = {"Content-Type": "text/html"}


class Server:
    """Knows one account, by every kind of login; `seen` are the requests."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.challenges: set[str] = set()
        self.csrf = secrets.token_hex(16)
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Any:  # noqa: PLR0911, PLR0912  (one for each kind)
        given = {name.lower(): value for name, value in headers.items()}
        self.seen.append((method, path, given))
        where = urlsplit(path)
        cookies = dict(one.strip().split("=", 1) for one in given.get("cookie", "").split(";") if "=" in one)
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        if where.path == "/login" and method == "GET":
            cookie = {"Set-Cookie": f"csrftoken={self.csrf}; Path=/"}
            return 200, {**HTML, **cookie}, f'<form><input name="csrf" value="{self.csrf}"></form>'.encode()
        if where.path == "/login":
            if form.get("csrf") != self.csrf or cookies.get("csrftoken") != self.csrf:
                return 403, HTML, b"forged"
            if form.get("password") != PASSWORD:
                return 200, HTML, b"wrong name or password"
            return 302, {"Location": "/", "Set-Cookie": f"sessionid={self._session()}; HttpOnly"}, b""
        if where.path == "/token":
            right = form.get("grant_type") == "password" and form.get("password") == PASSWORD
            return self._json(200, {"access_token": self._session()}) if right else self._json(400, {})
        if where.path == "/client":
            basic = base64.b64encode(f"ada:{KEY}".encode()).decode()
            right = form == {"grant_type": "client_credentials"} and given.get("authorization") == f"Basic {basic}"
            return self._json(200, {"access_token": self._session()}) if right else self._json(401, {})
        if where.path == "/client-form-encoded":
            sent = base64.b64decode(given.get("authorization", "").removeprefix("Basic ")).decode()
            name, _, secret = (unquote_plus(one) for one in sent.partition(":"))
            right = (name, secret) == ("ada", AWKWARD)
            return self._json(200, {"access_token": self._session()}) if right else self._json(401, {})
        if where.path == "/client-post":
            right = form == {
                "grant_type": "client_credentials",
                "scope": "read",
                "client_id": "ada",
                "client_secret": KEY,
            }
            token = {"access_token": self._session() if right else "", "expires_in": 1}
            return self._json(200, token) if right else self._json(401, {})
        if where.path == "/listed":
            if json.loads(body).get("password") != PASSWORD:
                return self._json(200, {"credentials": []})
            kinds = [{"type": one, "value": self._session()} for one in ("refresh", "access")]
            return self._json(200, {"credentials": kinds, "life": {"seconds": 1, "none": None}})
        if where.path == "/exchange":
            if json.loads(body).get("refresh") not in self.sessions:
                return self._json(401, {})
            kinds = [{"type": one, "value": self._session()} for one in ("refresh", "access")]
            return self._json(200, {"credentials": kinds, "again": None})
        if where.path == "/first":
            if json.loads(body).get("password") != PASSWORD:
                return self._json(401, {})
            self.challenges.add(challenge := secrets.token_hex(12))
            return self._json(200, {"challenge": challenge})
        if where.path == "/second":
            sent = json.loads(body)
            right = sent["challenge"] in self.challenges and pyotp.TOTP(SEED).verify(sent["code"], valid_window=1)
            return self._json(200, {"token": self._session()}) if right else self._json(401, {})
        if where.path == "/page" and not self._let_in(where.query, given, cookies):
            return 302, {"Location": "/login?next=/page"}, b""
        return self._json(200, {"name": "ada"}) if self._let_in(where.query, given, cookies) else self._json(401, {})

    def _session(self) -> str:
        self.sessions.add(made := secrets.token_hex(16))
        return made

    def _let_in(self, query: str, given: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        basic = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
        return (
            given.get("authorization", "").removeprefix("Bearer ") in self.sessions
            or cookies.get("sessionid") in self.sessions
            or given.get("authorization") == f"Basic {basic}"
            or given.get("x-api-key")
            in {f"Token {KEY}", f"Token {base64.b64encode(f'ada:{AWKWARD}'.encode()).decode()}"}
            or parse_qs(query).get("api_key") == [KEY]
        )

    @staticmethod
    def _json(status: int, data: object) -> Any:
        return status, {"Content-Type": "application/json"}, json.dumps(data).encode()


FORM = {"path": "/login", "page": "/login", "hidden": ["csrf"], "form": {"user": "{username}", "password": "{password}"},
        "token": "cookie sessionid", "scheme": "cookies", "headers": {"X-CSRFToken": "{cookie.csrftoken}"}}  # fmt: skip
LOGINS: dict[str, dict[str, Any]] = {
    "form": FORM,
    "OAuth2 password": {"path": "/token", "form": {"grant_type": "password", "username": "{username}", "password": "{password}"}},
    "OAuth2 client credentials": {
        "path": "/client", "form": {"grant_type": "client_credentials"},
        "with_headers": {"Authorization": "Basic {base64:{username}:{key}}"},
    },
    "OAuth2 client whose secret is form-encoded": {
        "path": "/client-form-encoded", "form": {"grant_type": "client_credentials"},
        "with_headers": {"Authorization": "Basic {base64:{form:{username}}:{form:{awkward}}}"},
    },
    "OAuth2 client secret in the body": {
        "path": "/client-post",
        "form": {"grant_type": "client_credentials", "scope": "read", "client_id": "{username}", "client_secret": "{key}"},
    },
    "basic": {"scheme": "basic", "check": "/me"},
    "key in header": {"scheme": "header", "name": "X-API-Key", "value": "Token {key}", "check": "/me"},
    "encoded key in header": {"scheme": "header", "name": "X-API-Key", "value": "Token {base64:{username}:{awkward}}", "check": "/me"},
    "key in query": {"scheme": "query", "name": "api_key", "value": "{key}", "check": "/me"},
    "value among others": {
        "path": "/listed", "json": {"password": "{password}"}, "token": "$.credentials[?@.type=='access'].value",
    },
    "second factor by queries": {
        "path": "/first", "json": {"password": "{password}"}, "gives": {"challenge": "$.challenge"}, "token": "$..token",
        "then": [{"path": "/second", "json": {"challenge": "{challenge}", "code": "{code}"}}],
    },
    "second factor": {
        "path": "/first", "json": {"password": "{password}"}, "gives": {"challenge": "/challenge"}, "token": "/token",
        "then": [{"path": "/second", "json": {"challenge": "{challenge}", "code": "{code}"}}],
    },
}  # fmt: skip


@pytest.fixture
def logging_in(session_of: Callable[..., Any]) -> Iterator[Callable[[dict[str, Any]], tuple[Any, Server]]]:
    """A session over the server, in which `ada` logs in as described; and the server."""
    import contextlib

    with contextlib.ExitStack() as stack:

        def make(login: dict[str, Any], **sessions: Any) -> tuple[Any, Server]:
            server = Server()
            port = stack.enter_context(web(server, takes_body=True))
            given = {"password": "env:ADA_PASSWORD", "key": "env:ADA_KEY", "awkward": "env:ADA_AWKWARD"}
            ada = {"name": "ada", "tenant": "t", "role": "owner", "login": "l", "values": {"username": "ada"}}
            session = session_of(
                secret_values={"ADA_PASSWORD": PASSWORD, "ADA_KEY": KEY, "ADA_SEED": SEED, "ADA_AWKWARD": AWKWARD},
                endpoints=[endpoint("api", port, scheme="http")],
                tenants=[{"name": "t", "id": "t"}],
                identities=[{**ada, "secrets": given, "totp_seed": "env:ADA_SEED"}],
                api={
                    "endpoint": "api",
                    "logins": {"l": login},
                    "declared": {
                        "me": {"call": "GET /me"},
                        "page": {"call": "GET /page"},
                        "exchange": {"call": "POST /exchange", "public": True},
                    },
                },
                access={"unauthenticated": {"statuses": [401], "location": "^/login"}},
                sessions={"whoami": "me", "identity": "ada", "token": "opaque", **sessions},
            )
            return session, server

        yield make


@pytest.mark.parametrize("name", LOGINS)
def test_each_way_to_log_in_lets_in_and_refuses_a_made_up_secret(logging_in: Any, name: str) -> None:
    session, _ = logging_in(LOGINS[name])
    api = session.probe(Api)
    assert api.call("me", "ada", {}).worked
    assert not api.call("me", None, {}).worked
    right = api.login("ada")
    assert (right.accepted, right.account) == (True, "ada")
    assert not api.login("ada", right_password=False).accepted


def test_no_secret_is_in_what_is_recorded(logging_in: Any) -> None:
    for login in LOGINS.values():
        session, server = logging_in(login)
        with session.recording("t") as recorder:
            session.probe(Api).call("me", "ada", {})
        text = json.dumps([str(one) for one in recorder.observations])
        for secret in (PASSWORD, KEY, SEED, AWKWARD, *server.sessions, *server.challenges):
            assert secret not in text


@pytest.mark.parametrize("name", ["form", "OAuth2 password", "OAuth2 client credentials", "second factor", "basic"])
def test_looks_made_side_by_side_share_one_login(logging_in: Any, name: str) -> None:
    session, server = logging_in(LOGINS[name])
    api = session.probe(Api)
    with session.recording("t") as recorder:
        replies = api.side_by_side([(api.call("me", name, {}) for name in ("ada",)) for _ in range(6)])
    assert [[one.worked for one in lane] for lane in replies] == [[True]] * 6
    assert len(server.sessions) == (0 if name == "basic" else 1)
    assert len([path for _, path, _ in server.seen if path == "/me"]) == 6
    assert len(recorder.observations) == 6


@pytest.mark.parametrize("operation", ["me", "page"])
def test_a_session_that_ends_in_mid_run_is_begun_anew(
    logging_in: Any, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the application answers 401 or sends to its login; a young session that is refused is not replaced."""
    session, server = logging_in(FORM)
    api = session.probe(Api)
    assert api.call(operation, "ada", {}).worked
    server.sessions.clear()
    assert not api.call(operation, "ada", {}).worked
    monkeypatch.setattr("upheld.probes.api_logins._YOUNG_SECONDS", 0.0)
    assert api.call(operation, "ada", {}).worked
    assert len(server.sessions) == 1


def test_a_token_is_renewed_before_it_expires(logging_in: Any) -> None:
    """It lives for one second by the server's word, and no answer has to say that it is over."""
    session, server = logging_in(LOGINS["OAuth2 client secret in the body"])
    api = session.probe(Api)
    assert api.call("me", "ada", {}).worked
    time.sleep(0.9)
    assert api.call("me", "ada", {}).worked
    assert [path for _, path, _ in server.seen] == ["/client-post", "/me", "/client-post", "/me"]


def test_a_login_that_is_refused_fails_each_look_made_side_by_side(logging_in: Any) -> None:
    session, server = logging_in({**FORM, "form": {"user": "x"}})
    api = session.probe(Api)
    with session.recording("t"), pytest.raises(Refused):
        api.side_by_side([(api.call("me", name, {}) for name in ("ada",)) for _ in range(3)])
    assert "/me" not in [path for _, path, _ in server.seen]


def test_headers_beside_the_cookies_are_sent(logging_in: Any) -> None:
    session, server = logging_in(FORM)
    session.probe(Api).call("me", "ada", {})
    assert server.seen[-1][2]["x-csrftoken"] == server.csrf


@pytest.mark.parametrize("name", ["form", "OAuth2 password", "second factor"])
def test_a_session_of_each_kind_is_used_forged_and_not_mixed_up(logging_in: Any, name: str) -> None:
    session, _ = logging_in(LOGINS[name])
    sessions = session.probe(Sessions)
    issued = sessions.issue()
    assert sessions.use(issued.handle).worked
    for forgery in sessions.forgeries():
        assert not sessions.use_forged(issued.handle, forgery.name).worked


def test_a_credential_that_is_not_asked_for_begins_no_session(logging_in: Any) -> None:
    session, _ = logging_in(LOGINS["basic"])
    with pytest.raises(Unobservable, match="begins no session"):
        session.probe(Sessions).issue()


def test_a_credential_that_nothing_shows_to_be_right_decides_nothing(logging_in: Any) -> None:
    session, _ = logging_in({"scheme": "basic"})
    with pytest.raises(Unobservable, match="names no path that shows"):
        session.probe(Api).login("ada")


def test_a_form_that_lacks_its_hidden_field_is_said(logging_in: Any) -> None:
    session, _ = logging_in({**FORM, "hidden": ["other"]})
    with pytest.raises(Unobservable, match="/login has no field other"):
        session.probe(Api).call("me", "ada", {})


def test_a_cookie_that_everybody_gets_is_no_login(logging_in: Any) -> None:
    """The token against forged requests is set for whoever opens the page: only `accepted` tells who was let in."""
    everybody = {**FORM, "token": "cookie csrftoken"}
    session, _ = logging_in({**everybody, "accepted": {"statuses": [302]}})
    assert session.probe(Api).login("ada").accepted
    assert not session.probe(Api).login("ada", right_password=False).accepted
    session, _ = logging_in({**FORM, "form": {"user": "x"}})
    with pytest.raises(Refused):
        session.probe(Api).call("me", "ada", {})


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("$..value", r"matches 2 values in the answer and must match one: \$\['credentials'\]\[0\]\['value'\], \$"),
        ("$.life", r"matches an object at \$\['life'\], not a string or a number"),
        ("$.nothing", r"gave no token at \$\.nothing"),
    ],
)
def test_a_query_that_does_not_match_one_value_is_said_without_the_values(
    logging_in: Any, token: str, words: str
) -> None:
    session, server = logging_in({**LOGINS["value among others"], "token": token})
    with pytest.raises(Unobservable, match=words) as caught:
        session.probe(Api).call("me", "ada", {})
    assert not any(one in str(caught.value) for one in server.sessions)


def test_a_lifetime_is_found_by_a_query(logging_in: Any) -> None:
    session, _ = logging_in({**LOGINS["value among others"], "expires_in": "$.life.seconds"})
    assert session.probe(Sessions).issue("ada").told_seconds == 1


REFRESH = "$.credentials[?@.type=='refresh'].value"
ACCESS = "$.credentials[?@.type=='access'].value"


def test_a_refresh_token_is_found_and_exchanged_by_queries(logging_in: Any) -> None:
    exchange = {"operation": "exchange", "json_body": {"refresh": "{refresh_token}"}, "token": ACCESS}
    for again, rotated in ((REFRESH, True), ("$.nothing", False), ("$.again", False), ("/again", False)):
        refresh = {**exchange, "refresh_token": again}
        session, _ = logging_in(LOGINS["value among others"], refresh_token=REFRESH, refresh=refresh)
        probe = session.probe(Sessions)
        issued = probe.issue("ada")
        assert issued.has_refresh_token
        made = probe.refresh(issued.handle)
        assert (made.worked, made.rotated) == (True, rotated)
        assert probe.use(made.handle).worked


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"refresh_token": "$..value"}, r"\$\.\.value matches 2 values in the answer"),
        ({"refresh": {"token": "$..value", "refresh_token": REFRESH}}, r"\$\.\.value matches 2 values in the answer"),
        ({"refresh": {"token": ACCESS, "refresh_token": "$..value"}}, r"\$\.\.value matches 2 values in the answer"),
        ({"refresh": {"token": "$.nothing", "refresh_token": REFRESH}}, r"\$\.nothing matches nothing in the answer"),
        ({"refresh": {"token": "$.again", "refresh_token": REFRESH}}, r"\$\.again matches null"),
    ],
)
def test_a_refresh_token_that_a_query_does_not_tell_decides_nothing(
    logging_in: Any, described: dict[str, Any], words: str
) -> None:
    if "refresh" in described:
        exchange = {"operation": "exchange", "json_body": {"refresh": "{refresh_token}"}}
        described = {"refresh": {**exchange, **described["refresh"]}}
    session, server = logging_in(LOGINS["value among others"], **{"refresh_token": REFRESH, **described})
    probe = session.probe(Sessions)
    with pytest.raises(Unobservable, match=words) as caught:
        probe.refresh(probe.issue("ada").handle)
    assert not any(one in str(caught.value) for one in server.sessions)


def test_null_is_no_refresh_token(logging_in: Any) -> None:
    for place in ("$.life.none", "/life/none", "$.nothing", "/nothing"):
        session, _ = logging_in(LOGINS["value among others"], refresh_token=place)
        assert not session.probe(Sessions).issue("ada").has_refresh_token


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_only_strings_and_numbers_are_values(value: object) -> None:
    with pytest.raises(Unobservable, match="not a string or a number"):
        queried({"a": value}, "$.a")


def test_an_answer_that_is_too_deep_for_a_query_decides_nothing() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(Unobservable, match="cannot be evaluated"):
        queried(deep, "$..a")


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"scheme": "header", "value": "{key}"}, "needs its name"),
        ({"scheme": "query", "name": "k"}, "needs the value that is sent"),
        ({"scheme": "basic", "json": {"a": "b"}}, "needs the path"),
        ({"path": "/x", "json": {"a": "b"}, "form": {"a": "b"}}, "json or form, not both"),
        ({"path": "/x", "token": "$.a["}, "no JSONPath query"),
        ({"path": "/x", "expires_in": "$$"}, "no JSONPath query"),
        ({"path": "/x", "then": [{"path": "/y", "gives": {"a": "$[?"}}]}, "no JSONPath query"),
    ],
)
def test_a_login_that_cannot_be_is_a_mistake(login: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Login.model_validate(login)
