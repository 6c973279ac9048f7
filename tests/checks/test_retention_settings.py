"""The checks of periods that tenants set, against a real API, a real PostgreSQL and a job that goes by the periods, or does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from upheld import Finding, NotObserved, Unobservable
from upheld.catalogue import Catalogue

from ..workplace import Workplace

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
EFFECT = "retention.a_period_that_is_set_takes_effect"
OTHERS = "retention.other_plans_cannot_set_a_period"
BOUNDS = "retention.periods_keep_within_bounds"
ON_PLANS = ("big", "huge")


@pytest.fixture
def run(postgres: Any, session_of: Callable[..., Any]) -> Callable[..., tuple[list[Any], Workplace]]:
    """Runs a check against a server with these switches, beside a job that removes what is over its period."""
    url = postgres.database("CREATE TABLE logs (id serial PRIMARY KEY, tenant text, at timestamptz, body text)")

    def holds(connection: psycopg.Connection[Any], tenant: str) -> bool:
        return connection.execute("SELECT 1 FROM logs WHERE tenant = %s", [tenant]).fetchone() is not None

    def job(server: Workplace, ended: threading.Event) -> None:
        longest: dict[str, int] = {}
        with psycopg.connect(url, autocommit=True) as connection:
            while not ended.wait(0.05):
                if "somebody sets it back" in server.on:
                    server.days.update(
                        {one: 90 for one, days in server.days.items() if days > 90 and holds(connection, one)}
                    )
                for tenant, days in server.days.items():
                    kept = 90 if "job ignores the setting" in server.on else days
                    longest[tenant] = max(kept, longest.get(tenant, 0))
                    if "job never shortens" in server.on:
                        kept = longest[tenant]
                    if "job off" not in server.on:
                        query = "DELETE FROM logs WHERE tenant = %s AND at < now() - make_interval(days => %s)"
                        connection.execute(query, [tenant, kept])

    def call(
        name: str, *switches: str, on_plans: tuple[str, ...] = ON_PLANS, **parts: Any
    ) -> tuple[list[Any], Workplace]:
        ended = threading.Event()
        with Workplace(*switches).serving() as server:
            worker = threading.Thread(target=job, args=(server, ended), daemon=True)
            worker.start()
            store = {
                "name": "logs", "table": "logs", "timestamp": "at", "tenant_column": "tenant", "content": ["body"],
                "plant": {"body": "{canary}"},
            }  # fmt: skip
            target = {
                "database": {"url": "env:TEST_DATABASE", "planting_url": "env:TEST_DATABASE"},
                "retention": {"tables": [store], "job_within_seconds": 1.5},
                **server.target(**parts),
            }
            session = session_of(secret_values={"TEST_DATABASE": url, **server.secret_values()}, **target)
            one = CHECKS[name]
            try:
                with session.recording("t"):
                    probes = [session.probe(kind) for kind in one.probes.values()]
                    found = list(one.function(*probes, on_plans=on_plans))
            finally:
                ended.set()
                worker.join()
                session.close()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM logs").fetchone() == (0,), "what was planted is removed"
        return found, server

    return call


def failed(found: list[Any]) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def unseen(found: list[Any]) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


@pytest.mark.parametrize("name", [EFFECT, OTHERS, BOUNDS])
def test_a_sound_deployment_passes_and_is_left_as_it_was(run: Any, name: str) -> None:
    found, server = run(name)
    assert failed(found) == unseen(found) == []
    assert any(isinstance(one, Finding) for one in found)
    assert set(server.days.values()) == {90}


@pytest.mark.parametrize(
    ("name", "switch", "words"),
    [
        (EFFECT, "job ignores the setting", "logs of red (big plan), 90 days and 15 old, period 120 days: removed"),
        (EFFECT, "one for all", "blue (huge plan), when red sets 120 days: its period is 120 days"),
        (EFFECT, "setting forgotten", "red (big plan): answered 200, and the period is 90 days"),
        (EFFECT, "job never shortens", "logs of red (big plan), once the period is 90 days again: still there"),
        (EFFECT, "job off", "logs of blue (huge plan), 90 days and 15 old, period 90 days: still there"),
        (OTHERS, "any plan", "green (small plan): answered 200, and the period is 91 days, before 90"),
        (
            OTHERS,
            "any plan+setting forgotten",
            "green (small plan): answered 200, and the period is 90 days, before 90",
        ),
        (BOUNDS, "no bounds", "red (big plan), 366 days: answered 200, and the period is 366 days"),
        (BOUNDS, "no bounds+setting forgotten", "red (big plan), 366 days: answered 200, and the period is 90 days"),
    ],
)
def test_a_defect_is_found_and_undone(run: Any, name: str, switch: str, words: str) -> None:
    on_plans = ("big",) if name == EFFECT else ON_PLANS  # Each takes its time, and one shows it.
    found, server = run(name, *switch.split("+"), on_plans=on_plans)
    assert any(words in one for one in failed(found)), failed(found)
    assert set(server.days.values()) == {90}


def test_a_period_that_somebody_else_sets_meanwhile_shows_nothing(run: Any) -> None:
    found, server = run(EFFECT, "somebody sets it back")
    assert not failed(found)
    assert len(unseen(found)) == len(ON_PLANS)
    assert all("the period has become 90 days meanwhile" in one for one in unseen(found))
    assert set(server.days.values()) == {90}


def test_where_too_long_is_accepted_nothing_worse_is_sent(run: Any) -> None:
    found, _ = run(BOUNDS, "no bounds")
    assert [str(one.subject) for one in found] == ["red (big plan), 366 days"]


def test_a_plan_without_a_tenant_is_not_seen(run: Any) -> None:
    assert any(
        "vast plan: the target names no tenant on this plan" in one
        for one in unseen(run(EFFECT, on_plans=("vast",))[0])
    )
    assert any("no tenant on another plan" in one for one in unseen(run(OTHERS, on_plans=("big", "huge", "small"))[0]))
    with pytest.raises(Unobservable, match="no tenant on the plans vast"):
        run(BOUNDS, on_plans=("vast",))


def test_without_another_tenant_to_compare_with_nothing_is_shown(run: Any) -> None:
    plans = Workplace().target()["plans"]
    found, server = run(EFFECT, on_plans=("big",), plans=plans | {"holders": plans["holders"][:1]})
    assert unseen(found) == ["big plan: the target names no other tenant (plans.holders)"]
    assert len(found) == 1
    assert set(server.days.values()) == {90}


def test_a_period_that_cannot_be_lengthened_is_not_shortened(run: Any) -> None:
    plans = Workplace().target()["plans"] | {"longest_days": 100}
    found, _ = run(EFFECT, plans=plans)
    assert len(unseen(found)) == 2
    assert not any(isinstance(one, Finding) for one in found)
