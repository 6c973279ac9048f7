"""The checks of webhooks and of boundaries against a real little platform: sound, with each fault, and out of reach."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from upheld.errors import Unobservable
from upheld.model import Finding, NotObserved
from upheld.probes.inside import make_ways
from upheld.probes.listener import Zone
from upheld.probes.receivers import Receivers

from ..loopback import Pki, load_checks
from ..webhook_platform import platform

webhooks, boundaries = load_checks("webhooks"), load_checks("boundaries")
ALL = (
    webhooks.plain_http_is_refused,
    webhooks.only_verified_receivers_get_deliveries,
    webhooks.redirects_to_plain_http_are_not_followed,
    webhooks.deliveries_are_signed,
    boundaries.webhooks_never_lead_inside,
)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def run(session_of: Callable[..., Any], pki: Pki, check: Any, **faults: Any) -> list[Any]:
    with platform(pki, **faults) as (running, described):
        session = session_of(**described)
        receivers = session.probe(Receivers)
        try:
            with session.recording("t") as recorder:
                found = list(check(receivers))
        finally:
            receivers.close()
        assert "whsec_" not in str(recorder.observations)
        assert running.hooks == {}, "what was registered is deleted"
        assert running.zone.read_text() == "# names\n", "the names are as they were"
        return found


def failed(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.observed for one in found if isinstance(one, Finding) and not one.passed}


def unseen(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.reason for one in found if isinstance(one, NotObserved)}


@pytest.mark.parametrize("check", ALL)
def test_a_sound_platform(session_of: Callable[..., Any], pki: Pki, check: Any) -> None:
    found = run(session_of, pki, check)
    assert failed(found) == unseen(found) == {}
    assert sum(isinstance(one, Finding) for one in found) >= 3


@pytest.mark.parametrize(
    ("check", "fault", "words"),
    [
        (webhooks.plain_http_is_refused, {"takes_http": True}, "came in plain text"),
        (webhooks.only_verified_receivers_get_deliveries, {"verifies": False}, "not verified"),
        (webhooks.redirects_to_plain_http_are_not_followed, {"follows": True}, "was followed"),
        (webhooks.deliveries_are_signed, {"signs": False}, "no signature"),
        (webhooks.deliveries_are_signed, {"signed_bytes": 64}, "covers only the first 64 of"),
        (webhooks.deliveries_are_signed, {"signed_bytes": 0}, "covers only the first 0 of"),
        (webhooks.deliveries_are_signed, {"shared_secret": True}, "the secret is shared"),
        (webhooks.deliveries_are_signed, {"clock_off": -4000.0}, "s before the receipt"),
        (boundaries.webhooks_never_lead_inside, {"guards": False}, "leads inside"),
        (boundaries.webhooks_never_lead_inside, {"looks_up_twice": True}, "leads inside"),
    ],
)
def test_a_fault(session_of: Callable[..., Any], pki: Pki, check: Any, fault: dict[str, Any], words: str) -> None:
    assert words in "".join(failed(run(session_of, pki, check, **fault)).values())


def test_a_scheme_that_signs_no_time_is_refuted(session_of: Callable[..., Any], pki: Pki) -> None:
    with platform(pki, signs_time=False) as (_, described):
        described["webhooks"]["signature"]["content"] = "{body}"
        session = session_of(**described)
        with session.recording("t"):
            found = list(webhooks.deliveries_are_signed(session.probe(Receivers)))
    assert unseen(found) == {}
    assert list(failed(found)) == ["webhook 1, time", "webhook 2, time"]


def test_a_changed_webhook_counts_as_a_new_one(session_of: Callable[..., Any], pki: Pki) -> None:
    assert "change to http" in failed(run(session_of, pki, webhooks.plain_http_is_refused, takes_http=True))


def test_a_change_that_is_refused_and_made_is_found(session_of: Callable[..., Any], pki: Pki) -> None:
    found = failed(run(session_of, pki, webhooks.plain_http_is_refused, changes_and_refuses=True))
    assert list(found) == ["change to http"]
    assert "refused with 422, and" in found["change to http"]


def test_every_kind_of_way_leads_inside_where_nothing_guards(session_of: Callable[..., Any], pki: Pki) -> None:
    found = failed(run(session_of, pki, boundaries.webhooks_never_lead_inside, guards=False, follows=True))
    for way in ("the URL https://{n}:{port}/", "a name that resolves to {ip}", "a redirect to https://{ip}:{port}/"):
        assert way in found
    only_late = failed(run(session_of, pki, boundaries.webhooks_never_lead_inside, looks_up_twice=True))
    assert all(way.startswith("a name that resolves by turns") for way in only_late)


@pytest.mark.parametrize("refusal", [(500, {}), (201, {"id": "", "secret": "whsec_of_no_webhook"})])
def test_an_answer_that_neither_refuses_nor_delivers_shows_nothing(
    session_of: Callable[..., Any], pki: Pki, refusal: tuple[int, Any]
) -> None:
    check = partial(boundaries.webhooks_never_lead_inside, kinds=("name",))
    control, *tried = run(session_of, pki, check, refusal=refusal)
    assert control.passed
    assert len(tried) > 1
    assert [one for one in tried if not isinstance(one, NotObserved)] == []


def test_a_way_on_which_even_the_allowed_receiver_gets_nothing_shows_nothing(
    session_of: Callable[..., Any], pki: Pki
) -> None:
    check = partial(boundaries.webhooks_never_lead_inside, kinds=("turn", "redirect"))
    control, *tried = run(session_of, pki, check, delivers_first_only=True)
    assert control.passed
    assert len(tried) > 1
    assert [one for one in tried if not isinstance(one, NotObserved)] == []


@pytest.fixture
def busy(session_of: Callable[..., Any], pki: Pki) -> Callable[..., tuple[list[Any], int]]:
    """Runs the check of receivers while others have deliveries too; also gives how often it asked what became of its own."""

    def call(*, names_deliveries: bool = True, **described: Any) -> tuple[list[Any], int]:
        with platform(pki, busy=True, names_deliveries=names_deliveries) as (running, target):
            target["webhooks"] |= described
            receivers = session_of(**target).probe(Receivers)
            try:
                return list(webhooks.only_verified_receivers_get_deliveries(receivers)), running.listed
            finally:
                receivers.close()

    return call


def test_what_others_have_delivered_meanwhile_is_not_waited_for(busy: Callable[..., tuple[list[Any], int]]) -> None:
    found, asked = busy(delivery="/id", delivery_seconds=20)
    assert [one.passed for one in found] == [True] * 3
    found, asked_by_newest = busy(delivery_seconds=5)
    assert [one.passed for one in found] == [True] * 3
    assert asked < asked_by_newest


def test_a_ping_that_does_not_name_its_delivery_shows_nothing(busy: Callable[..., tuple[list[Any], int]]) -> None:
    with pytest.raises(Unobservable, match="pingHook gives no id of the delivery at /id"):
        busy(delivery="/id", names_deliveries=False)


@pytest.mark.parametrize("check", ALL)
def test_deliveries_that_never_come_show_nothing(session_of: Callable[..., Any], pki: Pki, check: Any) -> None:
    if check is webhooks.plain_http_is_refused:
        return
    with platform(pki, delivers=False) as (_, described):
        described["webhooks"]["delivery_seconds"] = 0.5
        session = session_of(**described)
        found: list[Any] = []
        reasons = []
        try:
            with session.recording("t"):
                found += check(session.probe(Receivers))
        except Unobservable as unobservable:
            reasons.append(unobservable.reason)
        assert "no delivery came" in " ".join([*reasons, *unseen(found).values()])
        assert not [one for one in found if isinstance(one, Finding)]


@pytest.mark.parametrize("answers", [(403, b""), (500, b""), (200, b"")])
@pytest.mark.parametrize("check", ALL)
def test_an_api_that_says_nothing_passes_nothing(
    session_of: Callable[..., Any], pki: Pki, check: Any, answers: tuple[int, bytes]
) -> None:
    with platform(pki, answers=answers) as (_, described):
        session = session_of(**described)
        found: list[Any] = []
        try:
            with session.recording("t"):
                found += check(session.probe(Receivers))
        except Unobservable:
            pass
        assert not [one for one in found if isinstance(one, Finding)]


def test_without_a_place_to_listen_nothing_is_said(session_of: Callable[..., Any], pki: Pki) -> None:
    with platform(pki) as (_, described):
        described["receivers"]["addresses"] = ["192.0.2.1"]
        session = session_of(**described)
        with session.recording("t"), pytest.raises(Unobservable, match="cannot listen"):
            session.probe(Receivers).control()


def test_the_file_of_ways_fills_in() -> None:
    ways = make_ways()
    filled = [way.filled("127.91.13.7", 8443, "127.90.1.1", "r.example.net") for way in ways]
    assert len(set(zip((way.kind for way in ways), filled, strict=True))) == len(ways) > 35
    assert {way.kind for way in ways} == {"url", "name", "turn", "redirect"}
    for spelling in ("https://2136673543:8443/", "https://0x7f5b0d07:8443/", "https://0177.0133.015.07:8443/"):
        assert spelling in filled
    assert not any("{" in one for one in filled)


def test_names_are_given_and_taken_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    before = "# names\n127.0.0.1 a.example b.example # two\n127.0.0.2 c.example\n"
    path.write_text(before)
    path.chmod(0o640)
    zone = Zone(path)
    with zone.names("a.example", "127.9.9.9"), zone.names("c.example", "127.9.9.8", "127.9.9.7"):
        held = [line.partition("#")[0].split() for line in path.read_text().splitlines()]
        assert ["127.9.9.9", "a.example"] in held
        assert ["127.0.0.1", "b.example"] in held
        assert [address for address, *names in filter(None, held) if "c.example" in names] == ["127.9.9.8", "127.9.9.7"]
    assert sorted(path.read_text().splitlines()) == sorted(before.splitlines())
    assert path.stat().st_mode & 0o777 == 0o640


def test_names_of_a_process_that_died_are_put_right_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# upheld 999999999 holds: 127.0.0.2 c.example\n127.9.9.9 c.example # upheld 999999999\n")
    with Zone(path).names("x.example", "127.1.1.1"):
        assert "127.0.0.2 c.example" in path.read_text().splitlines()
        assert "127.9.9.9" not in path.read_text()
