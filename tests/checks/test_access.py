"""The checks of roles, accounts and sessions against a real small API: its defects are found, its traps are not taken for any."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue

from ..loopback import Pki, endpoint, server_context, web
from ..workplace import MAY, RANKS, Workplace

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
ROLES = "access.roles_are_enforced"
CLAIMS = "access.claimed_roles_are_not_believed"
SELF = "access.nobody_gives_themselves_a_role"
SHORT = "sessions.tokens_are_short_lived"
FORGED = "sessions.forged_and_expired_tokens_are_refused"
REVOKED = "sessions.revoked_sessions_are_refused"
ONCE = "sessions.refresh_tokens_work_once"
LOWERED = "sessions.lowered_and_disabled_accounts_lose_access_at_once"
CODE = "sessions.client_code_holds_no_secret"
HASHES = "sessions.password_hashes_are_never_handed_out"
ALL = (ROLES, CLAIMS, SELF, SHORT, FORGED, REVOKED, ONCE, LOWERED, CODE, HASHES)


@pytest.fixture
def run(session_of: Callable[..., Any]) -> Callable[..., tuple[list[Any], Workplace]]:
    """Runs a check against a server with these switches; keywords replace parts of the target's description."""

    def call(
        name: str, *switches: str, expired: str = "", said: dict[str, Any] | None = None, **parts: Any
    ) -> tuple[list[Any], Workplace]:
        with Workplace(*switches).serving() as server:
            server.said = said or {}
            session = session_of(secret_values=server.secret_values(expired), **server.target(**parts))
            one = CHECKS[name]
            with session.recording("t"):
                found = list(one.function(*(session.probe(kind) for kind in one.probes.values())))
            session.close()
        return found, server

    return call


def failed(found: list[Any]) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def unseen(found: list[Any]) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("switches", [(), ("hides",)])
def test_a_sound_api_passes_and_is_left_as_it_was(run: Any, name: str, switches: tuple[str, ...]) -> None:
    found, server = run(name, *switches)
    assert failed(found) == []
    assert unseen(found) == []
    assert any(isinstance(one, Finding) for one in found)
    assert server.notes == {}
    assert server.disabled == set()
    assert server.roles == Workplace().roles


BY_TEXT = {"statuses": [401, 403, 404], "body": "not for you"}


@pytest.mark.parametrize("name", [ROLES, CLAIMS, SELF, FORGED, REVOKED, ONCE, LOWERED])
def test_a_refusal_by_text_is_one_where_the_target_says_so(run: Any, name: str) -> None:
    parts = Workplace().target()
    found, _ = run(
        name,
        "refuses by text",
        api=parts["api"] | {"refused": BY_TEXT},
        access=parts["access"] | {"unauthenticated": BY_TEXT},
    )
    assert failed(found) == []
    assert unseen(found) == []
    assert any(isinstance(one, Finding) for one in found)


@pytest.mark.parametrize("name", [FORGED, REVOKED, ONCE, LOWERED])
def test_403_for_a_bad_token_is_a_refusal_too(run: Any, name: str) -> None:
    found, _ = run(name, "403 for strangers")
    assert failed(found) == unseen(found) == []


@pytest.mark.parametrize("name", [FORGED, REVOKED, ONCE])
def test_tokens_that_nobody_takes_show_nothing_of_bad_ones(run: Any, name: str) -> None:
    with pytest.raises(Unobservable, match="answered 401"):
        run(name, "nobody gets in")


def test_sessions_that_never_worked_show_nothing_of_those_that_ended(run: Any) -> None:
    found, _ = run(LOWERED, "nobody gets in")
    assert unseen(found)
    assert not any(isinstance(one, Finding) for one in found), found


def test_a_place_for_an_object_that_may_stay_empty_hinders_nobody(run: Any) -> None:
    found, _ = run(LOWERED, "takes a note")
    assert failed(found) == unseen(found) == []
    assert len(found) == 2


@pytest.mark.parametrize(
    ("closed", "why"),
    [
        ({"addNote": ("boss", "clerk")}, "what is closed to guests changes something"),
        ({"listPeople": ("boss", "guest"), "listDrafts": ("boss", "clerk")}, "guests may as much as clerks"),
    ],
)
def test_without_an_operation_that_a_lower_role_may_not_read_no_role_is_lowered(
    run: Any, closed: dict[str, tuple[str, ...]], why: str
) -> None:
    found, _ = run(
        LOWERED,
        access=Workplace().target()["access"]
        | {"roles": closed, "everyone": [name for name in MAY if name not in closed]},
    )
    assert unseen(found) == ["clerk of red: no operation that reads is open to clerk and closed to guest"], why
    assert [str(one.subject) for one in found if isinstance(one, Finding)] == [
        "session of a clerk of red whose account is disabled"
    ]
    assert failed(found) == []


@pytest.mark.parametrize(
    ("name", "switch", "words"),
    [
        (SHORT, "no expiry", "it carries no expiry"),
        # What the login's answer says is not what the token says.
        (SHORT, "says 10 minutes", "valid for 43200 minutes"),
        (FORGED, "key is a word", "HMAC with the key secret: answered 200"),
        (ROLES, "lax deleteNote", "deleteNote (DELETE /t/{tenant_id}/notes/{note_id}) in red: answered 204 to clerk"),
        (ROLES, "lax listPeople", "listPeople (GET /t/{tenant_id}/people) in blue: answered 200 to clerk"),
        (ROLES, "lax in blue", "addNote (POST /t/{tenant_id}/notes) in blue: answered 201 to guest"),
        (ROLES, "refuses and does deleteNote", "changed (gone) for somebody who may not"),
        (ROLES, "open listNotes", "answered 200 to a stranger"),
        (ROLES, "redirects strangers", "answered 302 to a stranger"),
        (ROLES, "too strict addNote", "answered 403 to clerk, who may"),
        (CLAIMS, "role by header", "claimed in header X-Role: answered 200"),
        (CLAIMS, "role by query", "claimed in query role: answered 200"),
        (SELF, "mass assignment", "the role is boss"),
        (SHORT, "30 days", "valid for 43200 minutes"),
        (FORGED, "alg none", "alg none: answered 200"),
        (FORGED, "signature ignored", "other key: answered 200"),
        (FORGED, "expiry ignored", "expired token 1: answered 200"),
        (REVOKED, "revocation ignored", "access token of a revoked session: answered 200"),
        (ONCE, "refresh reusable", "refresh token that was exchanged before: answered 200"),
        (ONCE, "no rotation", "it gave no other one"),
        (CODE, "key in script", "/app.js: value of apiKey at character"),
        (CODE, "key in map", "/app.js.map: value of PASSWORD at character"),
        (LOWERED, "old role", "session of a clerk of red who is now guest: answered 200, as before"),
        (LOWERED, "disabled goes on", "whose account is disabled: answered 200, as before"),
    ],
)
def test_a_defect_is_found_and_named(run: Any, name: str, switch: str, words: str) -> None:
    found, server = run(name, switch)
    assert any(words in one for one in failed(found)), failed(found)
    assert server.roles == Workplace().roles, "what was changed is given back"


def test_an_answer_to_strangers_that_the_target_declares_is_a_refusal(run: Any) -> None:
    access = Workplace().target()["access"] | {"unauthenticated": {"statuses": [302]}}
    assert failed(run(ROLES, "redirects strangers", access=access)[0]) == []


def test_what_the_matrix_does_not_say_is_not_seen(run: Any) -> None:
    roles = {name: may for name, may in MAY.items() if may != RANKS and name != "listPeople"}
    everyone = [*(name for name, may in MAY.items() if may == RANKS), "noSuch"]
    found, _ = run(ROLES, access={"roles": roles, "everyone": everyone})
    assert any("listPeople" in one and "does not say who may call it" in one for one in unseen(found))
    assert any("noSuch" in one and "no such operation" in one for one in unseen(found))


def test_a_role_without_an_identity_is_not_seen(run: Any) -> None:
    identities = [one for one in Workplace().target()["identities"] if one["name"] != "blue-guest"]
    found, _ = run(ROLES, identities=identities)
    assert any("role guest in blue" in one for one in unseen(found))


def test_one_tenant_is_not_enough(run: Any) -> None:
    tenants = [{"name": name, "id": name, "compared": name == "red"} for name in ("red", "blue", "green")]
    with pytest.raises(Unobservable, match="members of 1 tenants"):
        run(ROLES, tenants=tenants)


def test_a_call_that_works_without_a_claim_shows_nothing(run: Any) -> None:
    found, _ = run(CLAIMS, "lax listPeople")
    assert not any("listPeople" in str(one.subject) for one in found if isinstance(one, Finding))
    assert any("listPeople" in one and "a claim shows nothing" in one for one in unseen(found))


def test_each_tenant_is_asked_for_another_call(run: Any) -> None:
    found, _ = run(CLAIMS)
    called = {str(one.subject).partition(" as ")[::2] for one in found if isinstance(one, Finding)}
    operations = {tenant.partition(",")[0].rpartition(" of ")[2]: operation for operation, tenant in called}
    assert set(operations) == {"red", "blue"}
    assert operations["red"] != operations["blue"]


@pytest.mark.parametrize("switch", ["403 for everybody", "404 for everybody"])
def test_an_api_that_refuses_everybody_shows_nothing_of_its_roles(run: Any, switch: str) -> None:
    found, _ = run(ROLES, switch)
    assert failed(found) == []
    assert not any(isinstance(one, Finding) for one in found)
    assert sum("it works for none of those who may call it" in one for one in unseen(found)) >= 10
    assert any(f"answered {switch[:3]} to a stranger" in one for one in unseen(found))


def test_what_works_for_those_who_may_not_is_refuted_though_it_works_for_nobody_else(run: Any) -> None:
    found, _ = run(ROLES, "works for guests only")
    assert any("listPeople (GET /t/{tenant_id}/people) in red: answered 200 to guest" in one for one in failed(found))


def test_an_expired_token_that_has_not_expired_is_not_judged(run: Any) -> None:
    from ..workplace import token

    assert any("not expired yet" in one for one in unseen(run(FORGED, expired=token("red-boss", "kept"))[0]))


def test_without_an_expired_token_expiry_is_not_seen(run: Any) -> None:
    sessions = Workplace().target()["sessions"] | {"expired": []}
    assert any("no token that has expired" in one for one in unseen(run(FORGED, sessions=sessions)[0]))


def test_a_session_that_cannot_be_revoked_is_not_seen(run: Any) -> None:
    sessions = {
        name: one for name, one in Workplace().target()["sessions"].items() if name not in {"revoke", "refresh"}
    }
    for name, words in ((REVOKED, "how a session is ended"), (ONCE, "how a refresh token is exchanged")):
        with pytest.raises(Unobservable, match=words):
            run(name, sessions=sessions)


def without_refresh(**more: Any) -> dict[str, Any]:
    sessions = {name: one for name, one in Workplace().target()["sessions"].items() if name != "refresh"}
    return {**sessions, "refresh_tokens": False, **more}


CHANCE = "0f1e2d3c4b5a69788796a5b4"
NONE_ARE = "no refresh tokens"
HARMLESS = {
    "login": {"id": "7b0e2f5e-9c1f-4d3a-8a53-0c7f0a1f2b3c", "id_token": f"eyJ.{CHANCE}.x", "csrf": CHANCE, "token_type": "Bearer",
              "scope": "notes:read notes:write", "refresh_expires_in": 0, "refresh_token": "", "until": "2026-11-26T10:00:00Z"},
    "cookies": {"XSRF-TOKEN": CHANCE}, "headers": {"X-Request-Id": CHANCE},
}  # fmt: skip


@pytest.mark.parametrize("name", [REVOKED, ONCE])
@pytest.mark.parametrize("said", [{}, HARMLESS], ids=["bare", "more"])
def test_that_there_are_no_refresh_tokens_answers_once_it_is_seen(run: Any, name: str, said: dict[str, Any]) -> None:
    found, _ = run(name, NONE_ARE, sessions=without_refresh(), said=said)
    assert failed(found) == unseen(found) == []
    assert "its answers hold nothing that may be one" in [one.observed for one in found]


@pytest.mark.parametrize("name", [REVOKED, ONCE])
@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"login": {"refresh_token": "word"}}, "/refresh_token"),
        ({"login": {"data": [{"other": CHANCE}]}}, "/data/0/other"),
        ({"login": {"again": "7b0e2f5e-9c1f-4d3a-8a53-0c7f0a1f2b3c"}}, "/again"),
        ({"headers": {"X-Refresh-Token": CHANCE}}, "header x-refresh-token"),
        ({"headers": {"Location": f"/#refresh_token={CHANCE}"}}, "header location"),
        ({"cookies": {"remember": CHANCE}}, "cookie remember"),
    ],
    ids=["named", "nested", "uuid", "header", "fragment", "cookie"],
)
def test_the_word_that_there_are_none_is_no_way_to_green(run: Any, name: str, said: dict[str, Any], place: str) -> None:
    found, _ = run(name, NONE_ARE, sessions=without_refresh(), said=said)
    assert any(f"what may be one stands at {place}" in one for one in unseen(found)), unseen(found)
    assert failed(found) == []
    found, _ = run(name, NONE_ARE, sessions=without_refresh(other_values={place: "names the browser"}), said=said)
    assert unseen(found) == []
    assert ("names the browser") in [one.reason for one in found if isinstance(one, LeftOut)]


@pytest.mark.parametrize("name", [REVOKED, ONCE])
def test_an_operation_that_refreshes_speaks_against_there_being_none(run: Any, name: str) -> None:
    parts = Workplace().target()
    api = parts["api"] | {"declared": {"refreshSession": {"call": "POST /refresh-session"}}}
    found, _ = run(name, NONE_ARE, sessions=without_refresh(), api=api)
    assert any("the API has refreshSession (POST /refresh-session)" in one for one in unseen(found)), unseen(found)


def test_a_login_that_fails_or_is_not_asked_for_hands_out_nothing_that_was_seen(run: Any) -> None:
    parts = Workplace().target()
    login = parts["api"]["logins"]["form"] | {"json": {"name": "x"}}
    found, _ = run(ONCE, NONE_ARE, sessions=without_refresh(), api=parts["api"] | {"logins": {"form": login}})
    assert any("login form: " in one for one in unseen(found)), found
    assert not any(isinstance(one, Finding) for one in found)
    login = {"scheme": "header", "name": "X-API-Key", "value": "{password}"}
    found, _ = run(ONCE, NONE_ARE, sessions=without_refresh(), api=parts["api"] | {"logins": {"form": login}})
    assert any("no identity logs in by a request" in one for one in unseen(found)), found


def test_tokens_stay_out_of_what_is_recorded(session_of: Callable[..., Any]) -> None:
    with Workplace().serving() as server:
        session = session_of(secret_values=server.secret_values(), **server.target())
        with session.recording("t") as recorder:
            for name in (FORGED, ONCE):
                list(CHECKS[name].function(*(session.probe(kind) for kind in CHECKS[name].probes.values())))
        text = str(recorder.observations)
    assert "eyJ" not in text
    assert not any(refresh in text for refresh in server.refresh)


def test_scripts_of_others_and_maps_that_are_not_served_are_left_out(run: Any) -> None:
    found, _ = run(CODE, "no source map")
    assert failed(found) == unseen(found) == []
    left = {str(one.subject): one.reason for one in found if isinstance(one, LeftOut)}
    assert left["script https://elsewhere.example/x.js"] == "it is not the target's own"
    assert any("app.js.map" in subject and "404" in reason for subject, reason in left.items())


def test_a_page_that_is_not_there_is_not_seen(run: Any) -> None:
    with Workplace().serving() as server:
        endpoints = [{"name": "api", "url": f"http://127.0.0.1:{server.port}", "pages": ["/nowhere"]}]
        found, _ = run(CODE, endpoints=endpoints)
    assert any("answered 404" in one for one in unseen(found))
    assert not any(isinstance(one, Finding) for one in found)


@pytest.mark.parametrize(
    "text",
    ['clientId:"4711-abc.apps.example.com"', 'password:"Password-is-required"', 'type="password"', 'key="pk_live_51Habcdefghijklmn"',
     'apiKey:"/v1/keys/9"', 'password:"********"'],
)  # fmt: skip
def test_what_is_public_by_nature_is_no_leak(session_of: Callable[..., Any], text: str) -> None:
    from upheld.probes.client_code import ClientCode

    assert list(session_of().probe(ClientCode)._leaks(text)) == []


def test_a_token_that_opens_what_is_open_anyway_is_not_short_lived(run: Any) -> None:
    found, _ = run(SHORT, "open getSelf")
    assert failed(found) == []
    assert "whoever has no token is let in too" in unseen(found)[0]


def test_an_empty_page_holds_no_secret_because_it_holds_nothing(session_of: Callable[..., Any], tmp_path: Path) -> None:
    context = server_context(Pki(tmp_path).issue("www.rivet.example"))
    with web(lambda *_: (200, {"Content-Type": "application/json"}, b"{}"), context) as port:
        session = session_of(endpoints=[endpoint("www", port, pages=["/"])], ca="ca.pem")
        found = list(CHECKS[CODE].function(session.probe(CHECKS[CODE].probes["code"])))
    assert unseen(found) == [f"page https://www.rivet.example:{port}/: it is empty"]


def served(
    session_of: Callable[..., Any], tmp_path: Path, answers: dict[str, Any], **described: Any
) -> tuple[list[Any], int]:
    """What the check finds where `www` names its page and `shop` (as `described`) is served `answers`; and the port of `shop`."""
    context = server_context(Pki(tmp_path).issue("www.rivet.example"))
    html = {"Content-Type": "text/html"}
    with web({"/": (200, html, b"<p>hello")}, context) as port, web(answers, context) as shop:
        endpoints = [endpoint("www", port, pages=["/"]), endpoint("shop", shop, **described)]
        session = session_of(endpoints=endpoints, ca="ca.pem")
        return list(CHECKS[CODE].function(session.probe(CHECKS[CODE].probes["code"]))), shop


def test_an_endpoint_that_names_no_pages_is_read_beside_one_that_does(
    session_of: Callable[..., Any], tmp_path: Path
) -> None:
    secret = b'<p>hello<script>const key = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"</script>'
    found, shop = served(session_of, tmp_path, {"/": (200, {"Content-Type": "text/html"}, secret)})
    assert [one.split(" at ")[0] for one in failed(found)] == [f"page https://www.rivet.example:{shop}/: secret key"]


@pytest.mark.parametrize("named", [True, False])
def test_a_root_that_is_no_page_is_left_out_only_where_nobody_named_it(
    session_of: Callable[..., Any], tmp_path: Path, named: bool
) -> None:
    found, _ = served(session_of, tmp_path, {}, **({"pages": ["/"]} if named else {}))
    assert len(unseen(found)) == named
    assert sum(isinstance(one, LeftOut) for one in found) == (not named)


def test_a_page_that_leads_to_another_is_read_there(session_of: Callable[..., Any], tmp_path: Path) -> None:
    secret = (200, {"Content-Type": "text/html"}, b"-----BEGIN RSA PRIVATE KEY-----")
    found, shop = served(session_of, tmp_path, {"/": (302, {"Location": "/login"}, b""), "/login": secret}, pages=["/"])
    assert failed(found) == [f"page https://www.rivet.example:{shop}/login: private key at character 0"]
    assert unseen(found) == []


# --- hashes of passwords ----------------------------------------------------------------------------------------------

BCRYPT = "$2b$12$" + "Kc9d" * 13 + "e"


@pytest.mark.parametrize(
    ("said", "subjects", "words"),
    [
        ({"getSelf": {"pw": BCRYPT}}, ["getSelf (GET /self)"], "a password hash (bcrypt) at /pw, shown to red-boss"),
        ({"listPeople": {"note": f"is {BCRYPT}"}}, ["listPeople (GET /t/{tenant_id}/people)"], "at /0/note, shown to red-boss"),
        ({"login": {"user": {"hashedPassword": "0f" * 20}}}, ["login of red-boss", "login of blue-boss"], "a digest under that name at /answer/user/hashedPassword"),
        ({"getSelf": {"x": hashlib.sha256(b"password-of-blue-clerk").hexdigest().upper()}}, ["getSelf (GET /self)"], "as its bare SHA256 digest at /x"),
    ],
)  # fmt: skip
def test_hashes_of_passwords_are_found_where_they_are_shown(
    run: Any, said: Any, subjects: list[str], words: str
) -> None:
    found, _ = run(HASHES, said=said)
    assert [str(one.subject) for one in found if isinstance(one, Finding) and not one.passed] == subjects
    assert words in failed(found)[0]
    assert "$2b$" not in "".join(failed(found))
    assert unseen(found) == []


def test_hashes_of_passwords_are_found_in_tokens(run: Any) -> None:
    found, _ = run(HASHES, said={"token": {"version": BCRYPT}})
    tokens = [one for one in failed(found) if one.startswith("token of")]
    assert len(tokens) == 4, "those of each role in one tenant, and of the one that acts for the other"
    assert "a password hash (bcrypt) at /part 2/version" in tokens[0]
    logins = [one for one in failed(found) if one.startswith("login of")]
    assert len(logins) == 2
    assert "at /answer/access_token, decoded part 2/version" in logins[0]
    assert len(failed(found)) == 6


def test_what_is_no_hash_of_a_password_is_none(run: Any) -> None:
    plain = {
        "sha256": "0f" * 32,
        "password_changed_at": "2026-01-01T00:00:00Z",
        "password": "********",
        "password_policy": "at-least-sixteen-letters-of-them",
        "password_reset_id": "0f" * 16,
        "note": "$2b$12$ is how bcrypt begins, and {SSHA} what LDAP writes before it",
        "password_hash": None,
    }
    found, _ = run(HASHES, said=dict.fromkeys(("token", "login", "getSelf", "listPeople"), plain))
    assert failed(found) == []
    assert unseen(found) == []


def test_hashes_where_nothing_is_shown_are_not_judged(run: Any) -> None:
    found, _ = run(HASHES, "404 for everybody")
    assert not [
        one for one in found if isinstance(one, Finding) and not str(one.subject).startswith(("token", "login"))
    ]
    assert any("works for nobody: 404 to red-boss" in one for one in unseen(found))
    assert any(one.startswith("accounts: no answer shows an account by its name") for one in unseen(found))
    found, _ = run(HASHES)
    (empty,) = (one for one in found if isinstance(one, LeftOut) and "listDrafts" in str(one.subject))
    assert empty.reason == "it shows no value to anybody"
