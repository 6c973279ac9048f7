"""The checks of input against a real small API: its defects are found, its traps are not taken for any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue

from ..input_tenants import InputTenants
from ..two_tenants import secret_values
from ..workplace import Workplace

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
INVALID = "inputs.invalid_input_is_refused"
INJECTED = "inputs.injected_input_has_no_effect"
UNDECLARED = "inputs.undeclared_properties_change_nothing"
TYPES = "outputs.answers_say_what_they_are"
ALL = (INVALID, INJECTED, UNDECLARED, TYPES)
Found = list[Finding | NotObserved | LeftOut]


@pytest.fixture
def run(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[Found, InputTenants]]:
    """Runs a check against a server with these switches; `api` replaces parts of the target's description, `more` adds to it."""

    def call(
        name: str, *switches: str, limit: int = 100_000, more: dict[str, Any] | None = None, **api: Any
    ) -> tuple[Found, InputTenants]:
        with InputTenants(tmp_path / "security.log", *switches, limit=limit).serving() as server:
            session = session_of(secret_values=secret_values(), **server.target(**api), **(more or {}))
            one = CHECKS[name]
            with session.recording("t"):
                found = list(one.function(*(session.probe(kind) for kind in one.probes.values())))
            session.close()
        return found, server

    return call


def failed(found: Found) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def unseen(found: Found) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("switches", [(), ("never the same twice", "ignores the rest")])
def test_a_sound_api_passes_and_nothing_is_left_behind(run: Any, name: str, switches: tuple[str, ...]) -> None:
    if name == INVALID:
        switches = tuple(one for one in switches if one != "ignores the rest")  # its document forbids that
    found, server = run(name, *switches)
    assert failed(found) == []
    assert unseen(found) == []
    assert any(isinstance(one, Finding) for one in found)
    assert server.notes == {}


@pytest.mark.parametrize(
    ("name", "switch", "words"),
    [
        (INVALID, "500 on NUL", "query q, a NUL: answered 500"),
        (INVALID, "500 on NUL once", "query q, a NUL: answered 500"),
        (INVALID, "500 on half a pair", "body text, half of a surrogate pair: answered 500"),
        (INVALID, "lax texts", "body text, no string: answered 201"),
        (INVALID, "ignores the rest", "a property that nobody knows: answered 201"),
        (INJECTED, "SQL", "query q (SQL, pattern in quotes): a right and a wrong condition in the text are answered"),
        (INJECTED, "template", "(template, products in the brackets of many engines): it was evaluated"),
        (INJECTED, "header", "the answer has the header field that was sent in the text"),
        (INJECTED, "path", "the answer has the contents of the file in it"),
        (INJECTED, "XML", "body (XML, entity of the document's own): it was evaluated"),
        (UNDECLARED, "mass assignment", "owner became 'upheld-"),
        (TYPES, "may be guessed", "without X-Content-Type-Options: nosniff"),
        (TYPES, "errors as html", "text/html where application/json is declared"),
        (TYPES, "errors undeclared, errors as html", "text/html, which nobody declared"),
    ],
)
def test_a_defect_is_found_and_named(run: Any, name: str, switch: str, words: str) -> None:
    found, server = run(name, *switch.split(", "))
    assert any(words in one for one in failed(found)), failed(found)
    assert server.notes == {}


def test_refusals_in_json_that_nobody_declared_pass(run: Any) -> None:
    found, _ = run(TYPES, "errors undeclared")
    assert failed(found) == unseen(found) == []


def test_an_operation_that_refuses_strangers_well_and_is_broken_for_members_is_not_observed(run: Any) -> None:
    found, _ = run(TYPES, "search broken")
    assert failed(found) == []
    assert unseen(found) == ["search (GET /t/{tenant_id}/search): it is broken: 401, 500"]


def test_a_login_that_refuses_whatever_it_refuses_with_401_passes(run: Any) -> None:
    found, _ = run(INVALID, "login refuses all alike")
    assert failed(found) == unseen(found) == []
    assert any(str(one.subject).startswith("login ") for one in found if isinstance(one, Finding))


@pytest.mark.parametrize("name", ALL)
def test_a_rate_limit_is_waited_for(run: Any, name: str) -> None:
    found, _ = run(name, limit=40)
    assert failed(found) == unseen(found) == []


@pytest.mark.parametrize("name", [INVALID, INJECTED])
@pytest.mark.parametrize("switch", ["busy once", "ends sessions once"])
def test_what_a_neighbour_disturbs_is_tried_again(run: Any, name: str, switch: str) -> None:
    found, _ = run(name, switch)
    assert failed(found) == unseen(found) == []


STRANGERS = {
    "strangers go to the login": {"statuses": [401], "location": "^/web/login"},
    "strangers get 403": {"statuses": [401, 403]},
    "strangers get 401": {"statuses": [401]},
}


@pytest.mark.parametrize("name", [INVALID, INJECTED])
@pytest.mark.parametrize("shape", STRANGERS)
@pytest.mark.parametrize("young", [False, True])
def test_a_session_that_ends_in_mid_run_is_renewed_or_said(
    run: Any, name: str, shape: str, monkeypatch: pytest.MonkeyPatch, *, young: bool
) -> None:
    """Answers to strangers count as refusals here: whoever took them for answers to odd input would pass what nobody tried."""
    if not young:
        monkeypatch.setattr("upheld.probes.api_logins._YOUNG_SECONDS", 0.0)
    refused = {"statuses": [401, 403, 404], "location": "^/web/login"}
    more = {"access": {"unauthenticated": STRANGERS[shape]}}
    found, server = run(name, "sessions end in mid run", shape, more=more, refused=refused)
    assert server.searches > 6
    assert failed(found) == []
    if young:
        assert any("search" in one and "nobody were logged in any more" in one for one in unseen(found)), unseen(found)
    else:
        assert unseen(found) == []


def test_a_refusal_that_looks_like_one_of_strangers_is_still_a_refusal(run: Any) -> None:
    """Here strangers are answered as those are whose input is not taken; that the session goes on shows elsewhere."""
    more = {"access": {"unauthenticated": {"statuses": [401, 422]}}}
    found, _ = run(INVALID, more=more)
    assert failed(found) == []
    passed = [str(one.subject) for one in found if isinstance(one, Finding)]
    assert any(one.startswith("search ") for one in passed)
    more["sessions"] = {"whoami": "listNotes", "identity": "ada", "token": "opaque"}
    found, _ = run(INVALID, more=more)
    assert failed(found) == unseen(found) == []


def test_odd_input_that_fails_once_and_is_refused_then_decides_nothing(run: Any) -> None:
    found, _ = run(INVALID, "503 on NUL once")
    assert failed(found) == []
    assert any("query q, a NUL: answered 503, and 422 a moment later" in one for one in unseen(found)), unseen(found)


@pytest.mark.parametrize("name", ALL)
def test_an_api_that_is_gone_shows_nothing(session_of: Callable[..., Any], tmp_path: Path, name: str) -> None:
    server = InputTenants(tmp_path / "security.log")
    with server.serving():
        session = session_of(secret_values=secret_values(), **server.target())
    one = CHECKS[name]
    with pytest.raises(Unobservable):
        list(one.function(*(session.probe(kind) for kind in one.probes.values())))


def test_a_valid_call_that_does_not_work_shows_nothing(run: Any) -> None:
    operations = {"search": {"query": {"q": "{search}"}}, "changeNote": {"json": {"text": ""}}}
    found, _ = run(INVALID, operations=operations)
    assert any("changeNote" in one and "the valid call does not work: it answered 422" in one for one in unseen(found))
    assert any("addLink" in one and "gives no recipe for its body" in one for one in unseen(found))


def test_what_the_target_excludes_is_left_out(run: Any) -> None:
    found, server = run(INVALID, excluded={"addLink": "it is slow"})
    left = {str(one.subject): one.reason for one in found if isinstance(one, LeftOut)}
    assert left["addLink (POST /t/{tenant_id}/links)"] == "it is slow"
    assert not any(path.endswith("/links") for _, path in server.asked)


def undeclared_read_back(session_of: Callable[..., Any], server: Workplace) -> Found:
    """What the check of undeclared fields says where what changes somebody is read back from what shows them."""
    target = server.target()
    target["api"]["operations"]["changeSelf"]["read_back"] = "getSelf"
    session = session_of(secret_values=server.secret_values(), **target)
    one = CHECKS[UNDECLARED]
    found = list(one.function(*(session.probe(kind) for kind in one.probes.values())))
    session.close()
    return found


def test_a_role_that_was_taken_is_given_back(session_of: Callable[..., Any]) -> None:
    with Workplace("mass assignment").serving() as server:
        found = undeclared_read_back(session_of, server)
    assert [one for one in failed(found) if "changeSelf" in one and "role became" in one], (
        failed(found),
        unseen(found),
    )
    assert server.roles == Workplace().roles


def test_what_names_an_object_that_is_not_the_harness_own_is_left_alone(session_of: Callable[..., Any]) -> None:
    with Workplace("mass assignment", "takes a note").serving() as server:
        found = undeclared_read_back(session_of, server)
    about = [one for one in found if str(one.subject).startswith("changeSelf ")]
    assert [type(one) for one in about] == [LeftOut]
    assert about[0].reason == "it changes what belongs to a whole tenant"
    assert failed(found) == []
