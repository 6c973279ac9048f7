"""The API probe against a real small API: calls, tokens, planted objects, state, limits that stand in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from upheld.errors import Refused, Throttled, Unobservable
from upheld.probes.api import Api
from upheld.probes.api_input import ApiInput
from upheld.probes.api_requests import Request, fill, put
from upheld.probes.api_variants import OTHER_VERSION, VARIANTS, applies, varied
from upheld.probes.bursts import THREADS
from upheld.probes.waiting import seconds_of

from ...two_tenants import LIMIT, PASSWORDS, TwoTenants, secret_values


@pytest.fixture
def started(session_of: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., tuple[Any, TwoTenants]]]:
    """Starts a server with these switches; gives the session and the server."""
    running: list[Any] = []

    def start(*switches: str, limit: int = 100_000, **api: Any) -> tuple[Any, TwoTenants]:
        context = TwoTenants(tmp_path / "security.log", *switches, limit=limit).serving()
        server = context.__enter__()
        running.append(context)
        return session_of(secret_values=secret_values(), **server.target(**api)), server

    yield start
    for context in running:
        context.__exit__(None, None, None)


def test_no_secret_is_kept(started: Any) -> None:
    session, server = started()
    with session.recording("t") as recorder:
        api = session.probe(Api)
        planted = api.plant("red")
        reply = api.call("getNote", "ada", planted.ids())
        api.login("burn", right_password=False)
        api.remove_planted()
    kept = repr(recorder.observations) + repr(reply)
    for secret in (*PASSWORDS.values(), *server.tokens):
        assert secret not in kept
    assert planted.objects[0].canary in reply.shows
    assert "[redacted:canary-red-note]" in reply.text


def test_a_token_is_fetched_once_and_again_when_it_is_refused(started: Any) -> None:
    session, server = started()
    api = session.probe(Api)
    for _ in range(3):
        assert api.call("listNotes", "ada", {}).worked
    assert [path for _, path in server.asked].count("/login") == 1
    server.tokens.clear()
    # A young token that is refused is not fetched anew: the target may answer 401 to whatever it refuses.
    assert api.call("listNotes", "ada", {}).status == 401
    api.logins.forget(api.identity("ada"))
    assert api.call("listNotes", "ada", {}).worked


def test_a_login_that_is_refused_is_the_reason(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = started()
    monkeypatch.setenv("TEST_PASSWORD_ADA", "another-one")
    with pytest.raises(Refused, match="login of ada was refused: it answered 401"):
        session.probe(Api).call("listNotes", "ada", {})


def test_a_limit_in_the_way_is_waited_for_and_recorded(started: Any) -> None:
    session, _ = started(limit=LIMIT)
    api = session.probe(Api)
    replies = [api.call("listNotes", "ada", {}) for _ in range(LIMIT + 1)]
    assert all(reply.worked for reply in replies)
    assert replies[-1].waited_seconds > 0


def test_a_limit_that_stays_is_throttled(started: Any) -> None:
    session, _ = started("zero retry-after", limit=0)
    with pytest.raises(Throttled, match=r"still limited after waiting"):
        session.probe(Api).call("listNotes", None, {"tenant": "red"})


def test_what_was_planted_is_removed_when_the_probe_closes(started: Any) -> None:
    session, server = started()
    session.probe(Api).plant("red")
    assert server.notes
    session.close()
    assert server.notes == {}


def test_what_a_stranger_may_make_is_noted_and_taken_away_too(started: Any) -> None:
    session, server = started("anybody adds")
    api = session.probe(Api)
    for tenant in ("red", "blue"):
        assert api.call("addNote", None, {"tenant": tenant}).worked
    noted = [(one.planted.title, one.planted.identity) for one in session.journal.kept]
    assert noted == [("a note made by addNote without a login", one) for one in ("bob", "ada")]
    case = next(one for one in api.cases() if one.id == "addNote")
    inputs = session.probe(ApiInput)
    assert inputs.attempts(case, None, {"tenant": "red"}, 4).valid.worked
    assert inputs.injected(case, None, {"tenant": "blue"}, "").valid.worked
    assert len(server.notes) > 4
    assert len(session.journal.kept) == len(server.notes)
    session.close()
    assert server.notes == {}
    assert session.journal.kept == ()


def test_what_a_stranger_is_refused_is_not_noted(started: Any) -> None:
    session, server = started()
    assert session.probe(Api).call("addNote", None, {"tenant": "red"}).refused
    assert server.notes == {}
    assert session.journal.kept == ()


def test_state_leaves_out_what_differs_from_read_to_read(started: Any) -> None:
    session, server = started()
    api = session.probe(Api)
    ids = api.plant("red").ids()
    before = api.state("getNote", "red", ids)
    assert before.unstable == ("/reads",)
    assert before.differs(api.state("getNote", "red", ids)) == ()
    server.notes[ids["note"]]["text"] = "changed"
    assert before.differs(api.state("getNote", "red", ids)) == ("/text",)
    del server.notes[ids["note"]]
    assert before.differs(api.state("getNote", "red", ids)) == ("(gone)",)


def test_what_comes_and_goes_in_a_list_is_no_change_of_an_object_in_it(started: Any) -> None:
    session, server = started()
    api = session.probe(Api)
    ids = api.plant("red").ids()
    mine, other = ids["note"], api.plant_one("red", "note", {}).id
    before = api.state("listNotes", "red", ids)
    server.notes = {other: server.notes[other], mine: server.notes[mine]}
    assert before.differs(api.state("listNotes", "red", ids)) == (), "the order of a list is no change"
    del server.notes[other]
    after = api.state("listNotes", "red", ids)
    assert before.differs(after, of=mine) == ()
    assert before.differs(after, of=other) == ("(gone)",)
    assert any(f"({other})" in place for place in before.differs(after))
    assert before.differs(after, of="in no list") == before.differs(after)
    server.notes[mine]["text"] = "changed"
    (place,) = before.differs(api.state("listNotes", "red", ids), of=mine)
    assert place.endswith(f"({mine})/text")


def test_a_burst_stops_once_it_is_limited(started: Any) -> None:
    session, server = started(limit=LIMIT)
    server.window_seconds = 600.0  # A busy machine may take more than a second for a handful of requests.
    found = session.probe(Api).burst("listNotes", None, 50)
    assert found.first_limited is not None
    assert LIMIT - THREADS < found.first_limited <= LIMIT  # Requests under way together may overtake one another.
    assert (found.ordinary, found.limited_status, found.retry_after) == (401, 429, "1")
    assert LIMIT < found.requests < LIMIT + 5
    assert (
        len({path for _, path in server.asked if "notes" in path}) == found.requests
    )  # Every one names another tenant.


def test_a_burst_without_a_limit_uses_its_budget(started: Any) -> None:
    session, _ = started()
    found = session.probe(Api).burst("listNotes", "burn", 20, source_addresses=("127.0.0.2", "127.0.0.3"))
    assert (found.first_limited, found.requests, found.most_from_one_address) == (None, 20, 10)


def test_what_the_document_does_not_have_is_unobservable(started: Any) -> None:
    session, _ = started()
    api = session.probe(Api)
    with pytest.raises(Unobservable, match="no operation nothing"):
        api.call("nothing", "ada", {})
    with pytest.raises(Unobservable, match="nothing is known to put into path note_id"):
        api.call("getNote", "ada", {})


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ({"a": 1}, "b", {"a": 1, "b": "x"}),
        ({}, "a.b", {"a": {"b": "x"}}),
        ({"s": [{"t": "1"}, {"t": "2", "u": 3}]}, "s[].t", {"s": [{"t": "1"}, {"t": "x", "u": 3}]}),
        ({}, "s[].t[].u", {"s": [{"t": [{"u": "x"}]}]}),
        ({"ids": ["1", "2"]}, "ids[]", {"ids": ["1", "x"]}),
        ([{"a": 1}], "[].a", [{"a": "x"}]),
    ],
)
def test_one_place_of_a_body_is_replaced(body: Any, path: str, expected: Any) -> None:
    assert put(body, path, "x") == expected


def test_placeholders_are_filled_everywhere_and_unknown_ones_are_said() -> None:
    assert fill({"a": ["{x}-{y}", 1]}, {"x": "1", "y": "2"}) == {"a": ["1-2", 1]}
    with pytest.raises(Unobservable, match=r"\{z\}"):
        fill("{z}", {})


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_guise_makes_another_request(variant: Any) -> None:
    request = Request("GET", "https://api.example.com/v1/things", (), None)
    assert varied(request, variant.name) != request
    assert applies(variant, "GET", "/v1/things")


@pytest.mark.parametrize(
    ("path", "other"), [("/v1/things", "/v2/things"), ("/api/v3", "/api/v2"), ("/v10/v1/x", "/v9/v1/x")]
)
def test_another_version_is_the_one_before_or_the_second(path: str, other: str) -> None:
    assert varied(Request("GET", f"https://api.example.com{path}", (), None), OTHER_VERSION).url.endswith(other)


def test_a_path_without_a_version_has_no_other_one() -> None:
    variant = next(one for one in VARIANTS if one.name == OTHER_VERSION)
    assert not applies(variant, "GET", "/things/v/1")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1", 1.0), (" 120 ", 120.0), ("0", 0.0), ("-1", None), ("1.5", None), ("soon", None), ("", None)],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_retry_after_as_a_date() -> None:
    found = seconds_of(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert found is not None
    assert 90 < found <= 100


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", 3.0),
        ("Thu, 01 Jan 2026 02:00:01 +0200", 2.0),
        ("Thu, 01 Jan 2026 00:00:09 GMT", -6.0),
    ],
)
def test_retry_after_as_a_date_counts_by_the_clock_of_whoever_sent_it(sent: str, seconds: float) -> None:
    assert seconds_of("Thu, 01 Jan 2026 00:00:03 GMT", sent) == seconds


def test_retry_after_as_a_date_counts_from_now_where_the_date_of_the_answer_is_none() -> None:
    found = seconds_of(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True), "yesterday")
    assert found is not None
    assert 90 < found <= 100
