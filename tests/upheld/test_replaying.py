"""The same checks over the recorded observations come to the same findings, and nothing is looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import pytest

from recordings import checks, recording, results
from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.catalogue import make_check
from upheld.evidence.again import judged_again
from upheld.execution import execute
from upheld.model import PlannedCheck, Verdict
from upheld.probes.base import Probe, Session, look
from upheld.probes.clock import Clock
from upheld.probes.logs import Logs
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.replaying import replay
from upheld.target.endpoints import Endpoint
from upheld.target.logs import LogSource
from upheld.target.model import Target

QUICK = ("transit-tls12", "meta-bsp", "subprocessors-dpa", "retention-90-days", "volume-encryption")


class Colour(StrEnum):
    """A value that must come back as a member."""

    RED = "red"


@dataclass(frozen=True, slots=True)
class Leaf:
    """Each kind of plain value."""

    at: datetime
    day: date | None
    colour: Colour
    period: timedelta
    names: tuple[str, ...]
    pairs: dict[str, int]
    note: str = ""


class Garden(Probe):
    """Looks that may be made once only."""

    name = "test-garden"
    looked = 0
    made = 0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        type(self).made += 1

    @look
    def leaf(self, name: str, *, secret: str = "") -> Leaf:
        """A leaf."""
        type(self).looked += 1
        moment = datetime(2026, 11, 26, 2, 0, self.looked, 123456, tzinfo=UTC)
        return Leaf(
            moment,
            None,
            Colour.RED,
            timedelta(days=2),
            (name,),
            {"a": self.looked},
            f"{self.session.redactor.reveal(secret)}!",
        )

    @look
    def gate(self) -> Endpoint:
        """An address of the target."""
        return Endpoint(name="gate", url="https://gate.example:8443/hunter2-hunter2")

    @look
    def through(self, gate: Endpoint) -> int:
        """A look that takes a part of the target's description."""
        return gate.port

    @look
    def shed(self) -> str:
        """Never."""
        raise Unobservable("the shed is locked with hunter2-hunter2")

    def outside(self) -> str:
        """No look."""
        return "seen without a record"


@pytest.fixture
def session(tmp_path):
    Garden.looked = Garden.made = 0
    target = Target(name="t", environment="staging")
    session = Session(target, Redactor(), Scope(target), tmp_path)
    session.redactor.add("hunter2-hunter2", "alice.password")
    yield session
    session.close()


def run_and_replay(function, session, again=None):
    one = make_check("family.check", check(basis=OBSERVED)(function))
    plan = PlannedCheck("k" * 16, "claim", "family.check", {}, OBSERVED, one.title, one.code_digest)
    first = execute(plan, one, session)
    made, looked = Garden.made, Garden.looked
    other = make_check("family.check", check(basis=OBSERVED)(again)) if again else one
    second = replay(first, other)
    assert (Garden.made, Garden.looked) == (made, looked)
    return first, second


def test_everything_comes_back_as_it_was(session):
    def body(garden: Garden, clock: Clock) -> Iterator[Finding | NotObserved | LeftOut]:
        """It holds."""
        one, two = garden.leaf("a"), garden.leaf("a", secret="[redacted:alice.password]")
        yield Finding("order", one.at < two.at < clock.now(), "in order", f"{one.at} {two.note}", seen=(two,))
        gate = garden.gate()
        yield Finding(gate, garden.through(gate) == 8443, "8443", f"{gate} {gate.url}")
        yield Finding("kinds", one.colour is Colour.RED and one.period == timedelta(days=2), "kinds", f"{one.pairs}")
        yield LeftOut("tree", "it is too high")
        try:
            garden.shed()
        except Unobservable as unobservable:
            yield NotObserved("shed", unobservable.reason)

    first, second = run_and_replay(body, session)
    assert first == second
    assert [finding.verdict for finding in first.findings] == [*[Verdict.PASS] * 3, Verdict.INCONCLUSIVE]
    assert "hunter2" not in str(first)


def test_looks_side_by_side_come_back_as_they_were(session):
    def body(garden: Garden) -> Iterator[Finding]:
        """It holds."""

        def judged(*names: str) -> Iterator[Finding]:
            for name in names:
                yield Finding(name, garden.leaf(name).names == (name,), name, "as it is called")

        for lane in garden.side_by_side([judged("a", "d"), judged("b"), judged("c")]):
            yield from lane

    first, second = run_and_replay(body, session)
    assert first == second
    assert [one.observations for one in first.findings] == [(one.id,) for one in first.observations]


def test_a_fault_comes_back_as_it_was(session):
    def body(garden: Garden) -> Iterator[Finding]:
        """It holds."""
        yield Finding(garden.leaf("a").names, True, "a", "a")
        raise ValueError(f"cannot go on with {garden.leaf('b').at}")

    first, second = run_and_replay(body, session)
    assert first == second
    assert "cannot go on" in first.reason


def test_the_end_of_the_time_comes_back_where_it_was(session):
    def body(garden: Garden, clock: Clock) -> Iterator[Finding]:
        """It holds."""
        yield Finding("a", True, "a", garden.leaf("a").note)
        clock.wait(0.2)
        yield Finding("b", True, "b", garden.leaf("b").note)

    session.target = session.target.model_copy(update={"check_seconds": 0.1})
    first, second = run_and_replay(body, session)
    assert first == second
    assert "time limit" in first.reason


def test_a_record_from_before_arguments_had_further_fields_comes_back(session, tmp_path):
    """The mark that is handed to later looks has told only how large files were."""

    def body(logs: Logs) -> Iterator[Finding]:
        """It holds."""
        mark = logs.mark()
        with (tmp_path / "app.log").open("a") as file:
            file.write("said\n")
        found = logs.contains("said", since=mark), logs.contains("said", since=mark)
        yield Finding("log", all(one.found for one in found), "said", f"{found[0].count}", seen=found)

    (tmp_path / "app.log").write_text("begun\n")
    session.target = session.target.model_copy(update={"logs": (LogSource(name="app", path="app.log"),)})
    session.target_folder = tmp_path
    one = make_check("family.check", check(basis=OBSERVED)(body))
    first = execute(PlannedCheck("k" * 16, "c", one.id, {}, OBSERVED, one.title, one.code_digest), one, session)
    assert first.verdict is Verdict.PASS
    earlier = [dataclasses.replace(observation) for observation in first.observations]
    for mark in (earlier[0].value, *(observation.arguments["since"] for observation in earlier[1:])):
        del mark["identities"], mark["places"]
    second = replay(dataclasses.replace(first, observations=tuple(earlier)), one)
    assert second == first


def test_what_was_not_recorded_is_not_seen(session):
    def body(garden: Garden) -> Iterator[Finding]:
        """It holds."""
        yield Finding("a", True, "a", garden.leaf("a").note)

    def asks_more(garden: Garden) -> Iterator[Finding]:
        """It holds."""
        yield Finding("a", True, "a", garden.leaf("a").note)
        yield Finding("again", True, "a", garden.leaf("a").note)

    def asks_otherwise(garden: Garden) -> Iterator[Finding]:
        """It holds."""
        yield Finding("b", True, "b", garden.leaf("b").note)

    def goes_round(garden: Garden) -> Iterator[Finding]:
        """It holds."""
        yield Finding("c", True, "c", garden.outside())

    for other, reason in (
        (asks_more, "not recorded: test-garden.leaf"),
        (asks_otherwise, "not recorded: test-garden.leaf"),
        (goes_round, "test-garden.outside is no look, so the record does not have it"),
    ):
        _, second = run_and_replay(body, session, other)
        assert (second.verdict, second.reason) == (Verdict.INCONCLUSIVE, reason)


def test_a_check_that_never_looked_stays_what_it_was(session):
    def body(garden: Garden) -> Iterator[Finding]:
        """It holds."""
        raise Unobservable("there is nothing to look at")
        yield Finding("a", True, "a", garden.leaf("a").note)

    first, second = run_and_replay(body, session)
    assert first == second
    assert first.verdict is Verdict.INCONCLUSIVE


@pytest.mark.slow
def test_a_real_audit_replays_to_the_same_results():
    assert differing(QUICK) == {}
    again = judged_again(recording((), QUICK), checks())
    assert again.same_bytes, again.differing


@pytest.mark.exhaustive
def test_an_audit_of_every_claim_replays_to_the_same_results():
    assert differing(()) == {}


def differing(claims):
    """The checks of an audit of the untouched reference that come to something else over what it recorded."""
    found = results([recording((), claims)])
    assert found
    return {
        name: [_difference(result, again) for result in one if (again := replay(result, checks()[name])) != result]
        for name, one in found.items()
        if any(replay(result, checks()[name]) != result for result in one)
    }


def _difference(first, second):
    return [
        field.name for field in dataclasses.fields(first) if getattr(first, field.name) != getattr(second, field.name)
    ] + [second.reason]
