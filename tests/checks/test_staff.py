"""The checks of family staff against a real small console: its defects are found, and its blindness is no assurance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.staff import Staff

from ..staff_console import PEOPLE, SEEDS, StaffConsole, secret_values
from ..two_tenants import TwoTenants

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
Found = list[Finding | NotObserved | LeftOut]


@pytest.fixture
def run(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., Found]:
    """Runs a check of family staff against a console with these switches, which sends messages to the folder `mail`.

    `staff` replaces parts of its description.
    """

    def call(name: str, *switches: str, mail: Path = tmp_path / "mail", **staff: Any) -> Found:
        with TwoTenants(tmp_path / "security.log").serving() as notes:
            console = StaffConsole(notes, mail, *switches)
            with console.serving():
                session = session_of(secret_values=secret_values(), **console.target(**staff))
                check = CHECKS[f"staff.{name}"]
                with session.recording("t"):
                    found = list(check.function(*(session.probe(kind) for kind in check.probes.values())))
        assert notes.notes == {}, "nothing is left behind"
        return found

    return call


def failed(found: Found) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def passed(found: Found) -> list[str]:
    return [str(one.subject) for one in found if isinstance(one, Finding) and one.passed]


def unseen(found: Found) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


CODES = "only_the_present_code_once_opens_a_session"
PASSWORD = "password_alone_opens_nothing"
ENROLLED = "every_account_is_enrolled"
ROUND = "no_way_round_the_second_factor"
REASON = "reading_needs_a_reason"
LISTINGS = "listings_show_no_content"
GLASS = "emergency_access_needs_a_ticket_and_another_person"


@pytest.mark.parametrize("name", [CODES, PASSWORD, ENROLLED, ROUND, REASON, LISTINGS, GLASS])
def test_a_sound_console_passes(run: Any, name: str) -> None:
    found = run(name)
    assert failed(found) == []
    assert unseen(found) == []
    assert passed(found)


@pytest.mark.parametrize(
    ("name", "switch", "words"),
    [
        (CODES, "replay", "the code that was just used of burn1: finish answered 200 with a session"),
        (CODES, "any age", "an old code of burn1: finish answered 200 with a session"),
        (CODES, "any age", "a future code of burn1: finish answered 200 with a session"),
        (CODES, "any code", "a made-up code of burn1: finish answered 200 with a session"),
        (PASSWORD, "code optional", "no code of burn1: finish answered 200 with a session"),
        (PASSWORD, "code optional", "null as the code of burn4: finish answered 200 with a session"),
        (PASSWORD, "exempt burn2", "no code of burn2"),
        (PASSWORD, "password gives session", "start answered 200, and its /session opens the console as a session"),
        (PASSWORD, "challenge is session", "me (GET /me) with what the first factor hands out: answered 200"),
        (PASSWORD, "find open", "find (GET /find) with nothing: answered 200, without a second factor"),
        (ENROLLED, "exempt burn2", "burn2: no second factor is set up"),
        (ROUND, "reset gives session", "doReset answered 200, and its /next/session opens the console"),
        (ROUND, "hello gives session", "hello answered 200, and its /token opens the console"),
        (REASON, "no reason needed", "readNote as sue without a reason: answered 200 with what was written"),
        (REASON, "blank reason", "with the reason ' ': answered 200 with what was written"),
        (REASON, "refusal shows content", "answered 422 with what was written"),
        (REASON, "empty without a reason", "readNote as sue without a reason: answered 200, as if it were allowed"),
        (REASON, "readNote open", "who may not read, with a good reason: answered 200"),
        (
            LISTINGS,
            "listing shows content",
            "listTenantNotes (GET /t/{tenant_id}/notes): answered 200 with what was written",
        ),
        (LISTINGS, "find shows content", "for a word that was written: the search shows what was written"),
        (LISTINGS, "find by content", "for a word that was written: the search finds the note by what was written"),
        (GLASS, "no ticket needed", "askGlass without a ticket: answered 200; as if no ticket were needed"),
        (GLASS, "own approval", "approveGlass of one's own request: answered 200, as if it were allowed"),
        (GLASS, "starts unapproved", "startGlass before anybody approved: answered 200, as if it were allowed"),
    ],
)
def test_a_defect_is_found_and_named(run: Any, name: str, switch: str, words: str) -> None:
    assert any(words in one for one in failed(run(name, switch)))


@pytest.mark.parametrize("name", [REASON, GLASS])
def test_a_refusal_by_text_is_one_where_the_target_says_so(run: Any, name: str) -> None:
    api = StaffConsole(TwoTenants(Path()), Path()).target()["staff"]["api"]
    refused = {"statuses": [401, 403, 404, 409, 422], "body": "not allowed"}
    found = run(name, "refuses by text", api=api | {"refused": refused})
    assert failed(found) == unseen(found) == []
    assert passed(found)


@pytest.mark.parametrize(
    ("name", "switch", "words"),
    [
        # What is refused because nothing works is not refused for its code.
        (CODES, "locked", "refused with 401, but so was the present code"),
        (CODES, "locked", "the present code of burn1: it does not work"),
        (CODES, "locked after a session", "an old code of burn1: refused with 401, but so was"),
        (PASSWORD, "locked", "no session could be opened to compare with"),
        (ENROLLED, "accounts incomplete", "the account of burn1: the list of accounts does not show it"),
        (ROUND, "no code works", "it could not be set: doReset answered 401"),
        (REASON, "reading broken", "it cannot be read even then: readNote answered 500"),
        (REASON, "reading shows nothing", "it cannot be read even then: readNote does not show what was written"),
        (LISTINGS, "listing is empty", "the answer names nothing that was made"),
        (LISTINGS, "find finds nothing", "the search does not find the note by its identifier"),
        (GLASS, "approval broken", "refused with 403, but the way that is meant answered 403"),
    ],
)
def test_what_shows_nothing_is_not_observed(run: Any, name: str, switch: str, words: str) -> None:
    found = run(name, switch)
    assert failed(found) == []
    assert any(words in one for one in unseen(found))


@pytest.mark.parametrize(
    ("name", "switch", "words"),
    [
        (ENROLLED, "no accounts", "lists no account"),
        (ROUND, "no mail", "no message with a link came"),
        (ROUND, "reset sets cookie", "it sets a cookie"),
        # Emergency access that was had and cannot be ended is no passing matter.
        (GLASS, "ending limited", "endGlass is limited for 600 s"),
    ],
)
def test_a_look_that_cannot_be_made_ends_the_check(
    run: Any, monkeypatch: pytest.MonkeyPatch, name: str, switch: str, words: str
) -> None:
    monkeypatch.setattr("upheld.probes.staff_calls.MAIL_SECONDS", 0.3)
    with pytest.raises(Unobservable, match=words):
        run(name, switch)


def test_messages_with_links_may_lie_outside_of_the_targets_folder(run: Any, tmp_path_factory: Any) -> None:
    mail = tmp_path_factory.mktemp("elsewhere")
    reset = StaffConsole(TwoTenants(Path("x")), mail).target()["staff"]["reset"]
    assert not Path(reset["mail"]).is_absolute()
    found = run(ROUND, mail=mail, reset={**reset, "mail": f"{mail}/*.eml"})
    assert passed(found)
    assert not failed(found) + unseen(found)


@pytest.mark.parametrize(
    ("name", "part", "words"),
    [
        (ENROLLED, "accounts", "staff.accounts"),
        (ROUND, "reset", "staff.reset"),
        (REASON, "reading", "staff.reading"),
        (LISTINGS, "reading", "staff.reading"),
        (GLASS, "break_glass", "staff.break_glass"),
    ],
)
def test_what_the_target_does_not_describe_is_the_reason(run: Any, name: str, part: str, words: str) -> None:
    with pytest.raises(Unobservable, match=words):
        run(name, **{part: None})


@pytest.mark.parametrize("name", [CODES, PASSWORD, ROUND])
def test_without_identities_to_burn_nothing_is_burnt(run: Any, name: str) -> None:
    kept = [
        {"name": one, "role": role, "values": {"user": one}, "secrets": {"password": f"env:STAFF_PASSWORD_{one.upper()}"},
         "totp_seed": f"env:STAFF_SEED_{one.upper()}"}
        for one, role in PEOPLE.items() if not one.startswith("burn")
    ]  # fmt: skip
    with pytest.raises(Unobservable, match="no throw-away identity"):
        run(name, identities=kept)


@pytest.mark.parametrize("name", [CODES, PASSWORD])
def test_sessions_of_staff_are_found_by_queries(run: Any, name: str) -> None:
    login = StaffConsole(TwoTenants(Path("x")), Path("x")).target()["staff"]["login"]
    first, second = login["steps"]
    steps = [{**first, "gives": {"challenge": "$.challenge"}}, second]
    found = run(name, login={**login, "steps": steps, "token": "$[?length(@) > 20]", "expires_in": "$.expires_in"})
    assert passed(found)
    assert not failed(found) + unseen(found)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"token": "$.*"}, r"$.* matches 2 values in the answer and must match one: $['session'], $['expires_in']"),
        ({"token": "$.nothing"}, "finish answered 200"),
        ({"expires_in": "$.*"}, r"$.* matches 2 values"),
        ({"gives": "$.nothing"}, "$.nothing matches nothing in the answer"),
    ],
)
def test_a_query_of_staff_that_is_not_clear_opens_nothing(
    session_of: Callable[..., Any], tmp_path: Path, part: dict[str, Any], words: str
) -> None:
    with TwoTenants(tmp_path / "security.log").serving() as notes:
        console = StaffConsole(notes, tmp_path / "mail")
        with console.serving():
            login = console.target()["staff"]["login"]
            first, second = login["steps"]
            steps = [{**first, "gives": {"challenge": part.get("gives", "/challenge")}}, second]
            rest = {name: one for name, one in part.items() if name != "gives"}
            described = console.target(login={**login, "steps": steps, **rest})
            staff = session_of(secret_values=secret_values(), **described).probe(Staff)
            with pytest.raises(Unobservable) as caught:
                staff.send("me", identity=next(iter(PEOPLE)), objects={})
    assert words in caught.value.reason


def test_codes_count_once_in_a_run_whatever_process_asks(session_of: Callable[..., Any], tmp_path: Path) -> None:
    from upheld.probes.staff_codes import Code, Codes

    console = StaffConsole(TwoTenants(tmp_path / "log"), tmp_path / "mail")
    one, other = (session_of(secret_values=secret_values(), **console.target()) for _ in range(2))
    assert one.scratch == other.scratch
    member = one.target.staff.identities[0]
    made = [Codes(each, each.target.staff.totp).make(member, Code.EARLIEST) for each in (one, other)]
    assert made[0] != made[1]
    with pytest.raises(Unobservable, match="a later code of sue was used"):
        Codes(one, one.target.staff.totp).make(member, Code.OLD)
    assert SEEDS["sue"] not in one.redactor.text(f"seed {SEEDS['sue']}")


def test_a_seed_that_is_none_is_said(session_of: Callable[..., Any], tmp_path: Path) -> None:
    from upheld.probes.staff_codes import Code, Codes

    console = StaffConsole(TwoTenants(tmp_path / "log"), tmp_path / "mail")
    session = session_of(secret_values={**secret_values(), "STAFF_SEED_SUE": "not base32 !!"}, **console.target())
    member = session.target.staff.identities[0]
    with pytest.raises(Unobservable, match="is not base32"):
        Codes(session, session.target.staff.totp).make(member, Code.PRESENT)
    with pytest.raises(Unobservable, match="gives no seed"):
        Codes(session, session.target.staff.totp).make(member.model_copy(update={"totp_seed": None}), Code.WRONG)
