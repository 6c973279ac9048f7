"""No check can pass by seeing nothing: every check there is, over every way in which a target can show nothing.

The cases are generated from the folder of checks, so that a new check is in them from its first day. What a check says is
judged as in an audit: `execute` gives its verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from blind_targets import EMPTIED, WORLDS, Ground, described, ground
from loopback import ROOT
from upheld.catalogue import Catalogue
from upheld.execution import execute
from upheld.model import PlannedCheck, Verdict
from upheld.planning import plan
from upheld.policies import load
from upheld.probes.api import Api
from upheld.probes.base import Session
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.load import load_target

CATALOGUE = Catalogue.load(ROOT / "checks")
POLICY = load(ROOT / "policies.yaml", CATALOGUE, today=datetime.now(UTC).date())


def every_check() -> dict[str, PlannedCheck]:
    """Every check as this repository's policy uses it, and those that it does not use with their defaults."""
    cases: dict[str, PlannedCheck] = {}
    known = set()
    for planned in plan(POLICY, CATALOGUE):
        use = (planned.check, repr(planned.parameters))
        if use not in known:
            known.add(use)
            cases[planned.check if planned.check not in cases else f"{planned.check}@{planned.claim}"] = planned
    for one in CATALOGUE:
        if one.id not in cases:
            cases[one.id] = PlannedCheck(
                key=one.id,
                claim="none",
                check=one.id,
                parameters={},
                basis=one.marks.basis,
                title=one.title,
                code_digest=one.code_digest,
            )
    return cases


CASES = every_check()
VARIANTS = {"object-200", "list-200"}
ASKING = {"api", "staff"}
"""Parts of a description whose probes ask an API."""
KNOWN_IN_A_PLAIN_RUN = {"denies-known", "empty-200-known"}
LONG_WHERE_KNOWN = {"limits.every_operation_is_limited", "limits.cannot_be_dodged"}
"""Bursts at every operation, which take seconds each where nothing limits them."""
REFUSING = {"empty", "denies", "empty-known", "denies-known"}
"""Worlds in which everybody is answered 404 or 403."""
HELD_AGAINST_A_CONTROL = {"access.roles_are_enforced", "limits.every_operation_is_limited"}
"""Checks that could take a refusal of everybody for a defect."""
OF_TABLES = {
    "database.kept_apart_columns_stand_apart",
    "database.no_role_reads_both_groups",
    "database.roles_have_only_declared_grants",
    "database.services_own_nothing",
    "tenancy.row_security_is_forced",
}


@pytest.fixture(scope="module")
def base() -> Iterator[Ground]:
    with ground() as made:
        yield made


@contextmanager
def opened(base: Ground, world: str) -> Iterator[Session]:
    """A session over the world of that name, made as an audit makes it."""
    with described(base, world) as file:
        target, _ = load_target(file)
        made = Session(target, Redactor(), Scope(target), file.parent / "scratch", target_folder=file.parent)
        made.policy_sentences = {one.id: one.sentences for one in POLICY.claims if one.origin == "page"}
        made.no_promise = tuple(sentence for sentence, _ in POLICY.no_promise)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def session_in(base: Ground) -> Iterator[Callable[[str], Session]]:
    """Gives the session over a world; the cases come world by world, and only the last one's is kept open."""
    stack = ExitStack()
    kept: dict[str, Session] = {}

    def give(world: str) -> Session:
        if world not in kept:
            kept.clear()
            stack.close()
            kept[world] = stack.enter_context(opened(base, world))
        return kept[world]

    with stack:
        yield give


@pytest.fixture(autouse=True, scope="module")
def no_long_waits() -> Iterator[None]:
    """What is waited for never comes in these worlds, so that nobody waits for it long."""
    sleep = time.sleep
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))
        yield


def earned(world: str, case: str) -> bool:
    """Whether the world really shows what the check says: whoever answers over faultless TLS has shown faultless TLS.

    A database without rows still has its tables with their policies, owners and grants, one without tables its roles.
    """
    known = WORLDS[world]
    if known.bare or known.answer is None:
        return False
    of_tables, of_roles = case in OF_TABLES, case == "database.roles_have_no_powers_over_the_server"
    return case.startswith("tls.") or (of_tables and known.database == EMPTIED) or (of_roles and known.files == EMPTIED)


def cases() -> Iterator[Any]:
    """Every check in every world. A plain run leaves out variants, and worlds that let all log in where a check asks no API."""
    for world, described_world in WORLDS.items():
        for name, planned in CASES.items():
            needs = {need for kind in CATALOGUE[planned.check].probes.values() for need in kind.needs}
            if described_world.known:
                plain = world in KNOWN_IN_A_PLAIN_RUN and bool(needs & ASKING) and name not in LONG_WHERE_KNOWN
            else:
                plain = world not in VARIANTS
            marks = () if plain else (pytest.mark.exhaustive,)
            yield pytest.param(world, name, id=f"{world}-{name}", marks=marks)


@pytest.mark.parametrize(("world", "case"), cases())
def test_no_check_passes_by_seeing_nothing(session_in: Callable[[str], Session], world: str, case: str):
    planned, session = CASES[case], session_in(world)
    result = execute(planned, CATALOGUE[planned.check], session)
    if result.verdict is Verdict.PASS:
        assert earned(world, case), result.findings
        return
    assert result.reason
    assert not result.reason.startswith("the check broke"), result.reason
    if WORLDS[world].bare or WORLDS[world].answer is None:
        # Nothing answers here, so that nothing can be refuted either.
        assert result.verdict is Verdict.INCONCLUSIVE, result.reason
    if world in REFUSING and planned.check in HELD_AGAINST_A_CONTROL:
        assert result.verdict is Verdict.INCONCLUSIVE, result.findings


def test_the_worlds_are_what_they_say(base: Ground):
    """Otherwise what is inconclusive in them would be so for another reason."""
    import psycopg

    rows = "SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = 'app'), (SELECT count(*) FROM app.members)"
    auditor = (base.source / "secrets/database-auditor.url").read_text(encoding="utf-8").strip()
    with psycopg.connect(base.secret(auditor, WORLDS["empty"])) as connection:
        tables, members = connection.execute(rows).fetchone() or (0, 1)
    assert tables > 5
    assert members == 0
    with psycopg.connect(base.secret(auditor, WORLDS["empty-200"])) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'app'").fetchone() == (0,)
    with (
        psycopg.connect(base.secret(auditor, WORLDS["denies"])) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT count(*) FROM pg_class")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(base.secret(auditor, WORLDS["dead"]))
    with opened(base, "denies-known") as session:
        api = cast("Api", session.probe(Api))
        assert len(api.cases()) > 20
        assert session.target.sessions is not None
        assert api.send(session.target.sessions.whoami, identity="acme-owner", objects={}).status == 403
