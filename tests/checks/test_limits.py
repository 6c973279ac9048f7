"""The checks of rate limits and lockouts against a real small API whose limit can be broken in many ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.api import Api
from upheld.probes.bursts import THREADS
from upheld.probes.clock import Clock
from upheld.probes.logs import Logs

from ..stopped_clock import hurry
from ..two_tenants import ADDRESS_HEADERS, LIMIT, LOCK_AFTER, TwoTenants, secret_values

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
BUDGET = 40
LIMITED, DODGED, LOGINS = "every_operation_is_limited", "cannot_be_dodged", "repeated_bad_logins_are_stopped"
Found = list[Finding | NotObserved | LeftOut]


@pytest.fixture
def run(session_of: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[Found, TwoTenants]]:
    """Runs a check of limits against a server with these switches; `hurried`, so that waiting takes no time."""

    def call(
        name: str, *switches: str, target: dict[str, Any] | None = None, hurried: bool = False, **api: Any
    ) -> tuple[Found, TwoTenants]:
        log = tmp_path / "security.log"
        log.write_text("started\n")
        limit = 100_000 if name == LOGINS else LIMIT
        with TwoTenants(log, *switches, limit=limit).serving() as server:
            session = session_of(secret_values=secret_values(), **{**server.target(**api), **(target or {})})
            if hurried:
                hurry(session.probe(Clock), server.go_on)
            probes = {
                LIMITED: [session.probe(Api), session.probe(Clock)],
                DODGED: [session.probe(Api)],
                LOGINS: [session.probe(Api), session.probe(Logs), session.probe(Clock)],
            }[name]
            arguments = (
                {"attempts": LOCK_AFTER, "recovers_within_seconds": 5.0}
                if name == LOGINS
                else {"budget_requests": BUDGET}
            )
            with session.recording("t"):
                found = list(CHECKS[f"limits.{name}"].function(*probes, **arguments))
        return found, server

    return call


def failed(found: Found) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def unseen(found: Found) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


@pytest.mark.parametrize(
    "switches",
    [
        (),
        ("date retry-after",),
        ("limit as 200 text",),
        ("limit as 401 text",),
        ("address spent before",),
        ("limit by account or else address",),
    ],
)
def test_a_limit_is_recognised_and_nothing_is_created(run: Any, switches: tuple[str, ...]) -> None:
    found, server = run(LIMITED, *switches)
    assert failed(found) == []
    assert unseen(found) == []
    subjects = {str(one.subject) for one in found}
    assert len(subjects) == 10 + 9 + 1  # Operations by address, those with an account by account, one page.
    assert server.notes == {}


@pytest.mark.parametrize(
    ("switch", "words", "count"),
    [
        ("search unlimited", "not limited", 2),
        ("no retry-after", "without Retry-After", 20),
        ("zero retry-after", "neither whole seconds from 1", 20),
        ("limit by address only", "not limited", 9),
        ("limit by account at address", "not limited", 9),
        ("home stays limited", "still limited when the time of Retry-After 1 was over", 1),
    ],
)
def test_what_is_wrong_with_a_limit(run: Any, switch: str, words: str, count: int) -> None:
    found, _ = run(LIMITED, switch)
    assert len(failed(found)) == count
    assert all(words in one for one in failed(found))
    assert unseen(found) == []


def test_one_burst_shows_the_limits_of_address_and_account(run: Any) -> None:
    found, server = run(LIMITED)
    assert [one.passed for one in found if isinstance(one, Finding) and str(one.subject).startswith("search")] == [
        True
    ] * 2
    asked = [path for _, path in server.asked if path.endswith("/search")]
    # The burst, what was under way with its last request, the three that ask whose limit it is, and each of both afterwards.
    assert len(asked) <= LIMIT + THREADS + 3 + 2


def test_what_is_not_limited_for_an_account_at_one_address_is_burst_once_more_without_it_only(run: Any) -> None:
    found, server = run(LIMITED, "search unlimited")
    assert len(failed(found)) == 2
    assert len([path for _, path in server.asked if path.endswith("/search")]) == 2 * BUDGET


def test_a_limit_of_addresses_for_all_operations_together_is_taken_for_no_account_s(run: Any) -> None:
    found, _ = run(LIMITED, "one limit for all from an address")
    accounts = [one for one in found if str(one.subject).endswith("per account")]
    assert len(accounts) == 9
    assert not any(isinstance(one, Finding) and one.passed for one in accounts)


def test_what_is_broken_shows_nothing_of_its_limits(run: Any) -> None:
    found, _ = run(LIMITED, "home broken")
    assert failed(found) == []
    pages = [one for one in unseen(found) if "page /home" in one]
    assert len(pages) == 1
    assert "answered 503 in the burst: what is broken shows nothing of its limits" in pages[0]


@pytest.mark.parametrize(
    "switches", [("403 for everybody",), ("404 for everybody",), ("403 for everybody", "login works")], ids="-".join
)
def test_an_api_that_refuses_everybody_shows_nothing_of_its_limits(run: Any, switches: tuple[str, ...]) -> None:
    found, _ = run(LIMITED, *switches)
    assert failed(found) == []
    assert all(str(one.subject).startswith("login ") for one in found if isinstance(one, Finding))
    status = switches[0][:3]
    shut = [one for one in unseen(found) if "nothing works for anybody" in one]
    assert len(shut) == (18 if "login works" in switches else 10)
    assert all(f"the last with {status}, but nothing works for anybody" in one for one in shut)
    (page,) = (one for one in unseen(found) if "page /home" in one)
    assert f"the last with {status}, but what is not there shows nothing of its limits" in page


def test_one_source_address_leaves_the_account_unobserved(run: Any) -> None:
    found, _ = run(LIMITED, target={"vantage": {"source_addresses": ["127.0.0.2"]}})
    assert failed(found) == []
    assert unseen(found) == [
        (
            "every operation, per account: the target declares 1 source addresses of the harness"
            " (vantage.source_addresses); 3 are needed"
        )
    ]


def test_an_account_limit_that_may_be_the_addresses_own_is_unobserved(run: Any) -> None:
    vantage = {"source_addresses": ["127.0.0.2", "127.0.0.3", "127.0.0.4"]}
    found, _ = run(LIMITED, "limit by address only", target={"vantage": vantage})
    assert failed(found) == []
    assert len(unseen(found)) == 9
    assert all("telling an account's limit from an address's takes" in one for one in unseen(found))


def test_excluded_operations_are_left_out_and_not_called(run: Any) -> None:
    found, server = run(LIMITED, excluded={"search": "it is slow"})
    assert [one.reason for one in found if isinstance(one, LeftOut)] == ["it is slow"]
    assert not any("search" in path for _, path in server.asked)


def test_a_sound_limit_is_not_dodged(run: Any) -> None:
    found, _ = run(DODGED)
    assert failed(found) == []
    assert unseen(found) == []


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        *((f"limit by {header}", header) for header in ADDRESS_HEADERS),
        ("limit by spelling", "trailing slash"),
        ("limit by spelling", "double slash"),
        ("limit by spelling", "path in other case"),
        ("limit by method", "HEAD instead of GET"),
    ],
)
def test_dodges_are_found(run: Any, switch: str, words: str) -> None:
    found, _ = run(DODGED, switch)
    assert failed(found)
    assert all(words in one for one in failed(found) if "page" not in one and "login" not in one)


def test_an_old_version_without_the_limit_is_found(run: Any) -> None:
    found, _ = run(DODGED, "only version 1 limited")
    assert failed(found) == ["api page /v1/home: the limit falls to: another version of the API (answered 200)"]


def test_what_is_not_limited_cannot_be_dodged(run: Any) -> None:
    found, _ = run(DODGED, "search unlimited")
    assert failed(found) == []
    assert [one.partition(" ")[0] for one in unseen(found)] == ["search"]


@pytest.mark.parametrize("switches", [(), ("silent lockout",)])
def test_a_lockout_is_seen_even_when_it_looks_like_a_wrong_password(run: Any, switches: tuple[str, ...]) -> None:
    found, _ = run(LOGINS, *switches)
    assert failed(found) == []
    assert unseen(found) == []
    assert len(found) == 4


def test_a_missing_lockout_is_found(run: Any) -> None:
    found, _ = run(LOGINS, "no lockout")
    assert failed(found) == ["login of burn: the right password still worked at once"]


def test_a_lockout_that_falls_to_a_header_is_found(run: Any) -> None:
    found, _ = run(LOGINS, "lockout by X-Forwarded-For")
    (one,) = failed(found)
    assert one.startswith("login of burn, claiming other addresses: the right password still worked at once")
    assert "the lock falls to X-Forwarded-For" in one


@pytest.mark.parametrize(("switches", "wrong"), [((), 0), (("lockout by X-Forwarded-For",), 1)])
def test_two_throw_away_accounts_are_tried_while_one_waits(run: Any, switches: tuple[str, ...], wrong: int) -> None:
    two = [{**one, "throwaway": one["name"] != "ada"} for one in TwoTenants(Path()).target()["identities"]]
    found, _ = run(LOGINS, *switches, target={"identities": two})
    assert unseen(found) == []
    assert [str(one.subject) for one in found] == [
        "login of burn",
        "login of burn, in the security log",
        "login of burn, afterwards",
        "login of bob, claiming other addresses",
    ]
    assert [one.partition(",")[0] for one in failed(found)] == ["login of bob"] * wrong


def test_nobody_is_locked_out_who_is_not_offered_for_it(run: Any) -> None:
    kept = [{**one, "throwaway": False} for one in TwoTenants(Path()).target()["identities"]]
    with pytest.raises(Unobservable, match="no throw-away identity to lock out"):
        run(LOGINS, target={"identities": kept})


def test_bad_logins_that_no_security_log_names_are_found(run: Any) -> None:
    found, _ = run(LOGINS, "no security log")
    assert [one.partition(": ")[0] for one in failed(found)] == ["login of burn, in the security log"]


def test_without_a_working_password_nothing_is_decided(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_WRONG", "another-password")
    target = TwoTenants(Path()).target()
    wrong = [{**one, "secrets": {"password": "env:TEST_WRONG"}} for one in target["identities"]]
    found, _ = run(LOGINS, target={"identities": wrong})
    assert unseen(found) == ["login of burn: the right password does not work to begin with: it answered 401"]
    assert len(found) == 1


@pytest.mark.parametrize(("seconds", "goes_on"), [(2, True), (6, False)])
def test_a_login_that_is_limited_to_begin_with_is_waited_for_as_long_as_a_lock(
    run: Any, seconds: int, *, goes_on: bool
) -> None:
    found, _ = run(LOGINS, f"login limited for {seconds} s", "no lockout", hurried=True)
    if goes_on:
        assert failed(found) == ["login of burn: the right password still worked at once"]
        assert unseen(found) == []
    else:
        assert unseen(found) == ["login of burn: the right password does not work to begin with: it answered 429"]
        assert len(found) == 1


def test_one_made_up_password_that_works_is_found_although_the_others_are_refused_and_lock(run: Any) -> None:
    found, _ = run(LOGINS, "second bad login works", hurried=True)
    assert failed(found) == ["login of burn: a made-up password was accepted"]


def test_a_lock_that_outlasts_what_it_says_a_little_recovers(run: Any) -> None:
    found, _ = run(LOGINS, "locked for 2 s", hurried=True)
    assert failed(found) == unseen(found) == []
    assert len(found) == 4


def test_a_lock_that_names_a_time_long_over_is_asked_again_after_pauses_that_grow(run: Any) -> None:
    found, server = run(LOGINS, "locked for 60 s", "lock ended long ago", hurried=True)
    assert failed(found) == []
    assert unseen(found) == [
        "login of burn, afterwards: still refused after 2.0 s; how long the target locks it does not say"
    ]
    asked = [path for _, path in server.asked if path == "/login"]
    assert len(asked) == 1 + LOCK_AFTER + 1 + 2


def test_a_lock_that_far_outlasts_what_it_says_is_found_and_the_account_tried_no_more(run: Any) -> None:
    found, _ = run(LOGINS, "locked for 60 s", hurried=True)
    (one,) = failed(found)
    assert one.startswith("login of burn, afterwards: still refused after 4.4 s, though it asked for 1 s")
    assert unseen(found) == []
    assert len(found) == 3
