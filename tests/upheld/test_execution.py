"""Running a check always ends in a result that says how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.catalogue import make_check
from upheld.execution import execute
from upheld.model import PlannedCheck, Verdict
from upheld.probes.base import Probe, Session, look
from upheld.probes.clock import Clock
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.model import Target


class Oracle(Probe):
    """Says what the test wants to hear."""

    name = "test-oracle"
    needs = ("database",)

    @look
    def says(self, text: str) -> str:
        """The text itself."""
        return text

    @look
    def refuses(self) -> str:
        """Never."""
        raise Unobservable("the oracle is silent about hunter2-hunter2")


@pytest.fixture
def session(tmp_path):
    target = Target(name="t", environment="staging", database={"url": "env:NOT_ASKED"})
    session = Session(target, Redactor(), Scope(target), tmp_path)
    session.redactor.add("hunter2-hunter2", "alice.password")
    yield session
    session.close()


def run(function, session, **planned):
    one = make_check("family.check", check(basis=OBSERVED, **planned)(function))
    plan = PlannedCheck("k" * 16, "claim", "family.check", {}, OBSERVED, one.title, "d", **planned)
    return execute(plan, one, session)


def test_a_pass_rests_on_its_observations(session):
    def body(oracle: Oracle) -> Iterator[Finding]:
        """It holds."""
        oracle.says("one")
        yield Finding("first", passed=True, expected="one", observed="one")
        two = oracle.says("two")
        oracle.says("three")
        yield Finding("second", passed=True, expected="two", observed="two", seen=(two,))

    result = run(body, session)
    assert result.verdict is Verdict.PASS
    assert [finding.observations for finding in result.findings] == [("k" * 16 + ".1",), ("k" * 16 + ".2",)]
    assert [observation.value for observation in result.observations] == ["one", "two", "three"]
    assert (result.population.found, result.population.probed) == (2, 2)


def test_a_check_that_looked_at_nothing_is_not_a_pass(session):
    def body(clock: Clock) -> Iterator[Finding]:
        """It holds."""
        yield Finding("subject", passed=True, expected="x", observed="x")

    assert run(body, session).verdict is Verdict.INCONCLUSIVE


def test_a_check_that_finds_nothing_is_not_a_pass(session):
    def body(clock: Clock) -> Iterator[Finding]:
        """It holds."""
        clock.now()
        yield LeftOut("the only one", "public by design")

    result = run(body, session)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "the check found no subject to judge")
    assert result.population.left_out == (("the only one", "public by design"),)


def test_a_look_that_fails_leaves_the_check_inconclusive_and_names_no_secret(session):
    def body(oracle: Oracle) -> Iterator[Finding]:
        """It holds."""
        oracle.says("fine")
        yield Finding("first", passed=True, expected="x", observed="x")
        oracle.refuses()

    result = run(body, session)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == "the oracle is silent about [redacted:alice.password]"
    assert result.observations[-1].seen is False
    assert result.observations[-1].value is None


def test_an_exception_leaves_the_check_inconclusive(session):
    def body(clock: Clock) -> Iterator[Finding]:
        """It holds."""
        clock.now()
        yield Finding("first", passed=True, expected="x", observed="x")
        raise ZeroDivisionError("division by zero")

    result = run(body, session)
    assert (result.verdict, result.reason) == (
        Verdict.INCONCLUSIVE,
        "the check broke: ZeroDivisionError: division by zero",
    )


def test_a_failing_finding_survives_a_later_exception(session):
    def body(oracle: Oracle) -> Iterator[Finding]:
        """It holds."""
        oracle.says("bad")
        yield Finding("first", passed=False, expected="good", observed="bad")
        raise RuntimeError

    assert run(body, session).verdict is Verdict.FAIL


def test_what_the_target_does_not_describe_is_inconclusive(session):
    session.target = Target(name="t", environment="staging")

    def body(oracle: Oracle) -> Iterator[Finding]:
        """It holds."""
        yield Finding("first", passed=True, expected="x", observed=oracle.says("x"))

    result = run(body, session)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "the target describes no database")


def test_an_intrusive_check_does_not_run_in_production(session):
    session.target = Target(name="t", environment="production")
    ran = []

    def body(clock: Clock) -> Iterator[Finding]:
        """It holds."""
        ran.append(clock.now())
        yield Finding("first", passed=True, expected="x", observed="x")

    assert run(body, session, intrusive=True).verdict is Verdict.INCONCLUSIVE
    assert not ran
    session.target = Target(name="t", environment="production", allow_intrusive=("family.check",))
    assert run(body, session, intrusive=True).verdict is Verdict.PASS


def test_checks_see_and_keep_no_secret(session):
    heard = []

    def body(oracle: Oracle) -> Iterator[Finding]:
        """It holds."""
        heard.append(oracle.says("the password is hunter2-hunter2"))
        yield Finding("hunter2-hunter2", passed=False, expected="hunter2-hunter2", observed="got hunter2-hunter2")
        yield NotObserved("x", "hunter2-hunter2")

    result = run(body, session)
    assert heard == ["the password is [redacted:alice.password]"]
    assert "hunter2" not in repr(result)


def test_the_clock_is_a_look(session):
    seen = []

    def body(clock: Clock) -> Iterator[Finding]:
        """It holds."""
        seen.append(clock.now())
        yield Finding("now", passed=True, expected="x", observed="x")

    result = run(body, session)
    assert isinstance(seen[0], datetime)
    assert seen[0].tzinfo is UTC
    assert result.observations[0].value == seen[0].isoformat()


def test_yielding_something_else_is_a_fault_of_the_check(session):
    def body(clock: Clock) -> Iterator[Finding]:
        """It holds."""
        clock.now()
        yield True

    assert run(body, session).reason == "the check yielded bool, which is no finding"


def test_a_check_that_takes_too_long_is_cut_off_at_its_next_look(tmp_path):
    target = Target(name="t", environment="staging", check_seconds=0.05)
    session = Session(target, Redactor(), Scope(target), tmp_path)

    def body(clock: Clock) -> Iterator[Finding]:
        """It holds."""
        while True:
            clock.wait(0.02)
            yield Finding("again", passed=True, expected="x", observed="x")

    result = run(body, session)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "time limit of 0.05 s" in result.reason
