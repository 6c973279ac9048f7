"""The checks of the audit log over a real table in a real PostgreSQL, which a real small console writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.clock import Clock

from ..staff_console import ACTIONS, StaffConsole, secret_values
from ..two_tenants import TwoTenants

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
DONE, REFUSED, READ = (
    "privileged_operations_are_logged",
    "refused_attempts_are_logged",
    "justified_reads_leave_an_entry",
)
UNCHANGED, CHAINED, ORDERLY = (
    "application_cannot_change_the_log",
    "chain_of_digests_holds",
    "emergency_access_was_in_order",
)
Found = list[Finding | NotObserved | LeftOut]
TABLE = """
CREATE TABLE log (
    sequence bigint PRIMARY KEY, at timestamptz NOT NULL, actor text, action text, target text, tenant text,
    outcome text, reason text, details jsonb, previous text NOT NULL, digest text NOT NULL
)
"""
COVERS = ("sequence", "at", "actor", "action", "target", "outcome", "previous")
DESCRIBED = {
    "table": "public.log",
    "columns": {"tenant": "tenant", "reason": "reason", "details": "details"},
    "staff": "staff:{id}",
    "chain": {"covers": COVERS},
    "anchors": "anchors.jsonl",
    "break_glass": {"request": "ask", "approve": "approve", "start": "start", "end": "end"},
}
NOW = datetime.now(UTC)


class Log:
    """A table in a database of its own, and the target's parts that describe it."""

    def __init__(self, postgres: Any, folder: Path) -> None:
        self.postgres = postgres
        self.folder = folder
        self.url = postgres.database(TABLE)
        self.application = postgres.role(self.url, "GRANT SELECT, INSERT ON log TO {role}")
        self.auditor = postgres.role(self.url, "GRANT SELECT ON log TO {role}")
        self.last, self.previous = 0, ""
        self.lag = timedelta(0)
        (folder / "anchors.jsonl").touch()

    def add(
        self,
        actor: str,
        action: str,
        target: str,
        tenant: str = "",
        outcome: str = "done",
        reason: str | None = None,
        details: dict[str, Any] | None = None,
        *,
        at: datetime | None = None,
    ) -> str:
        """An entry at the end of the chain; gives its digest."""
        self.last += 1
        when = (at or datetime.now(UTC)) - self.lag
        shown = when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        covered = dict(zip(COVERS, (self.last, shown, actor, action, target, outcome, self.previous), strict=True))
        text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        values = (
            self.last,
            when,
            actor,
            action,
            target,
            tenant or None,
            outcome,
            reason,
            json.dumps(details or {}),
            self.previous,
            digest,
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"INSERT INTO log VALUES ({','.join(['%s'] * len(values))})", values)
        self.previous = digest
        return digest

    def anchor(self, sequence: int, digest: str) -> None:
        """Notes a digest outside of the database."""
        with (self.folder / "anchors.jsonl").open("a") as file:
            file.write(json.dumps({"sequence": sequence, "digest": digest}) + "\n")

    def run(self, *scripts: str) -> None:
        self.postgres.run(self.url, *scripts)

    def parts(self, **described: Any) -> dict[str, Any]:
        """The target's parts; keywords replace parts of the log's description."""
        return {
            "audit_log": {**DESCRIBED, **described},
            "database": {"url": "env:AUDITOR", "application_url": "env:APPLICATION"},
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {"AUDITOR": self.auditor, "APPLICATION": self.application}


@pytest.fixture
def log(postgres: Any, tmp_path: Path) -> Log:
    return Log(postgres, tmp_path)


def judged(session: Any, name: str, **parameters: Any) -> Found:
    check = CHECKS[f"audit.{name}"]
    with session.recording("t"):
        return list(check.run([session.probe(kind) for kind in check.probes.values()], check.arguments(parameters)[0]))


def failed(found: Found) -> list[str]:
    return [f"{one.subject}: {one.observed}" for one in found if isinstance(one, Finding) and not one.passed]


def passed(found: Found) -> list[str]:
    return [str(one.subject) for one in found if isinstance(one, Finding) and one.passed]


def unseen(found: Found) -> list[str]:
    return [f"{one.subject}: {one.reason}" for one in found if isinstance(one, NotObserved)]


# --- what is done is logged ------------------------------------------------------------------------------------------


@pytest.fixture
def console(log: Log, tmp_path: Path, session_of: Callable[..., Any]) -> Callable[..., Found]:
    """Runs a check against a console with these switches that writes the log; `staff` replaces parts of its description."""

    def call(name: str, *switches: str, staff: dict[str, Any] | None = None, **described: Any) -> Found:
        log.add("nobody", "begin", "log")
        with TwoTenants(tmp_path / "security.log").serving() as notes:
            made = StaffConsole(notes, tmp_path / "mail", *switches, record=log.add)
            with made.serving():
                target = {**made.target(**(staff or {})), **log.parts(**described)}
                session = session_of(secret_values={**secret_values(), **log.secrets}, **target)
                found = judged(session, name, within_seconds=0.5)
        assert notes.notes == {}, "nothing is left behind"
        return found

    return call


@pytest.mark.parametrize(("name", "least"), [(DONE, 15), (REFUSED, 12), (READ, 1)])
def test_a_console_that_logs_everything_passes(console: Any, name: str, least: int) -> None:
    found = console(name)
    assert failed(found) == []
    assert unseen(found) == []
    assert len(passed(found)) >= least


@pytest.mark.parametrize(
    ("name", "switch", "words"),
    [
        (DONE, "listTenantNotes not logged", "no entry with the action staff.listTenantNotes is in the audit log"),
        (DONE, "startGlass not logged", "no entry with the action staff.startGlass"),
        (DONE, "doReset not logged", "no entry with the action staff.doReset"),
        (DONE, "finish not logged", "no entry with the action staff.finish"),
        (REFUSED, "refusals not logged", "no entry with the action staff.listAccounts"),
        (REFUSED, "refusals not logged", "entries with the action staff.start tells who did it"),
        (READ, "readNote not logged", "read, and no entry of it is in the audit log"),
        (READ, "reason not logged", "its entry does not say why"),
    ],
)
def test_what_is_not_logged_is_found_and_named(console: Any, name: str, switch: str, words: str) -> None:
    assert any(words in one for one in failed(console(name, switch)))


def test_one_operation_that_is_not_logged_is_the_only_one_that_fails(console: Any) -> None:
    assert len(failed(console(DONE, "listTenantNotes not logged"))) == 1


@pytest.mark.parametrize(("name", "words"), [(DONE, "none of 1 entries"), (REFUSED, "none of"), (READ, "does not say")])
def test_an_entry_that_names_somebody_else_does_not_count(console: Any, log: Log, name: str, words: str) -> None:
    write = log.add
    log.add = lambda _actor, *rest: write("staff:other", *rest)  # type: ignore[assignment,method-assign]
    assert any(words in one for one in failed(console(name)))


@pytest.mark.parametrize("name", [DONE, REFUSED, READ])
def test_an_entry_of_another_time_does_not_count(console: Any, log: Log, name: str) -> None:
    log.lag = timedelta(minutes=5)
    found = console(name)
    assert failed(found)
    assert passed(found) == []


@pytest.mark.parametrize(("name", "action"), [(DONE, "staff.endGlass"), (READ, "staff.readNote")])
def test_an_entry_that_comes_late_is_waited_for(
    console: Any, log: Log, monkeypatch: pytest.MonkeyPatch, name: str, action: str
) -> None:
    write, wait = log.add, Clock.wait
    late: list[tuple[Any, ...]] = []

    def add(actor: str, done: str, target: str, *rest: Any) -> None:
        if done == action:  # Before it there is another entry about the same.
            write(actor, "staff.noticed", target, *rest)
            late.append((actor, done, target, *rest))
        else:
            write(actor, done, target, *rest)

    def wait_for_it(clock: Clock, seconds: float) -> float:
        while late:
            write(*late.pop())
        return wait(clock, seconds)

    monkeypatch.setattr(log, "add", add)
    monkeypatch.setattr(Clock, "wait", wait_for_it)
    found = console(name)
    assert failed(found) == unseen(found) == []
    assert passed(found)


def test_an_entry_of_another_object_does_not_count(console: Any, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    write = log.add
    monkeypatch.setattr(log, "add", lambda actor, action, _, *rest: write(actor, action, "note:another", *rest))
    assert [one.partition(": ")[2] for one in failed(console(READ))] == ["its entry does not say what"]


@pytest.mark.parametrize("actor", ["staff:other", ""])
def test_a_login_of_somebody_else_does_not_count(
    console: Any, log: Log, monkeypatch: pytest.MonkeyPatch, actor: str
) -> None:
    write = log.add

    def add(by: str, action: str, target: str, *rest: Any) -> None:
        if action == "staff.finish":
            by, target = actor, "account:other" if actor else target
        write(by, action, target, *rest)

    monkeypatch.setattr(log, "add", add)
    (one,) = failed(console(DONE))
    assert one.startswith("finish as burn")


@pytest.mark.parametrize("name", [DONE, REFUSED])
def test_a_result_that_the_target_does_not_know_does_not_count(console: Any, name: str) -> None:
    assert failed(console(name, done=["ok"], refused=["no"]))


def test_what_did_not_come_out_as_meant_is_not_observed(console: Any) -> None:
    found = console(DONE, "approval broken")
    assert any("it could not be performed: answered 403" in one for one in unseen(found))
    assert failed(found) == []
    found = console(REFUSED, "listAccounts open")
    assert any("it was not refused: answered 200" in one for one in unseen(found))
    assert failed(found) == []
    found = console(READ, "reading broken")
    assert passed(found) == failed(found) == []
    assert any("readNote answered 500" in one for one in unseen(found))


def test_what_the_target_does_not_say_is_the_reason(console: Any, log: Log) -> None:
    for name in (DONE, REFUSED):
        with pytest.raises(Unobservable, match="which operations of the console are privileged"):
            console(name, staff={"actions": {}})
        with pytest.raises(Unobservable, match="no operation purge"):
            console(name, staff={"actions": {**ACTIONS, "purge": "staff.purge"}})
    with pytest.raises(Unobservable, match=r"staff\.reading"):
        console(READ, staff={"reading": None})
    log.run("ALTER TABLE log RENAME TO moved")
    log.add = lambda *_: None  # type: ignore[assignment,method-assign]
    for name in (DONE, REFUSED, READ):
        with pytest.raises(Unobservable):
            console(name)


@pytest.mark.parametrize("name", [DONE, REFUSED, READ])
def test_an_empty_log_shows_nothing(session_of: Any, log: Log, tmp_path: Path, name: str) -> None:
    with TwoTenants(tmp_path / "security.log").serving() as notes:
        made = StaffConsole(notes, tmp_path / "mail")
        with made.serving():
            target = {**made.target(), **log.parts()}
            session = session_of(secret_values={**secret_values(), **log.secrets}, **target)
            with pytest.raises(Unobservable, match="has no entries"):
                judged(session, name)


# --- the log stays as it is ------------------------------------------------------------------------------------------


@pytest.fixture
def look(log: Log, session_of: Callable[..., Any]) -> Callable[..., Found]:
    """Runs a check over the log as it is; keywords replace parts of its description."""

    def call(name: str, *, parameters: dict[str, Any] | None = None, **described: Any) -> Found:
        session = session_of(secret_values=log.secrets, **log.parts(**described))
        return judged(session, name, **(parameters or {}))

    return call


def count(log: Log) -> int:
    with psycopg.connect(log.url) as connection:
        row = connection.execute("SELECT count(*), max(at) FROM log").fetchone()
    assert row is not None
    assert row[1] is None or abs(row[1] - NOW) < timedelta(hours=2)
    return int(row[0])


def test_a_log_that_the_application_may_only_add_to_passes(look: Any, log: Log) -> None:
    log.add("nobody", "begin", "log")
    found = look(UNCHANGED)
    assert len(passed(found)) == 4
    assert failed(found) == unseen(found) == []
    # It may not even read it, but add: the target says how, and that is the control.
    log.run("REVOKE SELECT ON log FROM " + _role(log.application))
    append = "INSERT INTO log VALUES (99, now(), 'x', 'x', 'x', NULL, 'done', NULL, NULL, '', '')"
    assert len(passed(look(UNCHANGED, append=append))) == 4
    assert count(log) == 1


def _role(url: str) -> str:
    return url.partition("://")[2].partition(":")[0]


@pytest.mark.parametrize(
    ("grants", "failing"),
    [
        (("GRANT DELETE ON log TO {0}",), ["delete"]),
        (("GRANT UPDATE ON log TO {0}",), ["update"]),
        (("GRANT UPDATE (at) ON log TO {0}",), ["update"]),
        (("GRANT TRUNCATE ON log TO {0}",), ["truncate"]),
        (("ALTER TABLE log OWNER TO {0}", "REVOKE UPDATE, DELETE, TRUNCATE ON log FROM {0}"), []),
        (
            (
                "CREATE FUNCTION deny() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE insufficient_privilege; END$$",
                "CREATE TRIGGER deny BEFORE UPDATE OR DELETE ON log FOR EACH STATEMENT EXECUTE FUNCTION deny()",
                "ALTER TABLE log OWNER TO {0}",
            ),
            ["truncate", "take the triggers off and delete"],
        ),
    ],
)
def test_a_log_that_the_application_can_change_fails(
    look: Any, log: Log, grants: tuple[str, ...], failing: list[str]
) -> None:
    log.add("nobody", "begin", "log")
    log.run(*(one.format(_role(log.application)) for one in grants))
    assert [one.partition(", as")[0] for one in failed(look(UNCHANGED))] == failing
    assert count(log) == 1, "everything is rolled back"


def test_rows_that_row_security_leaves_alone_are_not_changed(look: Any, log: Log) -> None:
    log.add("nobody", "begin", "log")
    log.run(
        f"GRANT DELETE, UPDATE ON log TO {_role(log.application)}",
        "ALTER TABLE log ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY reading ON log FOR SELECT USING (true)",
    )
    found = look(UNCHANGED)
    assert failed(found) == []
    assert [one.observed for one in found if isinstance(one, Finding)][:2] == ["allowed, but it reaches no row"] * 2


def test_what_is_denied_for_another_reason_shows_nothing(look: Any, log: Log) -> None:
    with pytest.raises(Unobservable, match="no entries, so that changing none shows nothing"):
        look(UNCHANGED)
    log.add("nobody", "begin", "log")
    log.run(f"REVOKE ALL ON log FROM {_role(log.application)}")
    with pytest.raises(Unobservable, match="nowhere near the audit log"):
        look(UNCHANGED)
    with pytest.raises(Unobservable, match="nowhere near the audit log"):
        look(UNCHANGED, append="INSERT INTO log (sequence) VALUES (99)")
    with pytest.raises(Unobservable):
        look(UNCHANGED, table="public.elsewhere")
    log.run(f"REVOKE ALL ON log FROM {_role(log.auditor)}")
    with pytest.raises(Unobservable):
        look(UNCHANGED)


def test_a_chain_that_holds_passes_with_what_was_noted_elsewhere(look: Any, log: Log) -> None:
    digests = [log.add("staff:ünï", "read", f"note:{number}") for number in range(1_200)]
    log.anchor(1_000, digests[999])
    found = look(CHAINED)
    assert passed(found) == ["the chain", "the anchors"]
    assert [one.observed for one in found if isinstance(one, Finding)] == [
        "1200 entries are chained",
        "1 noted digests are in the log",
    ]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("UPDATE log SET actor = 'x' WHERE sequence = 2", "entry 2 has another content than its digest says"),
        ("UPDATE log SET at = at + interval '1 second' WHERE sequence = 2", "entry 2 has another content"),
        ("DELETE FROM log WHERE sequence = 2", "entry 3 stands where 2 should"),
        ("DELETE FROM log WHERE sequence = 1", "entry 2 stands where 1 should"),
        ("DELETE FROM log WHERE sequence = 4", "entry 4, which was noted elsewhere, is gone"),
        ("UPDATE log SET digest = repeat('0', 64) WHERE sequence = 2", "entry 3 does not name the digest"),
        ("UPDATE log SET previous = '' WHERE sequence = 3", "entry 3 does not name the digest of the entry before it"),
        (
            "UPDATE log SET sequence = sequence + 10; UPDATE log SET sequence = 15 - sequence WHERE sequence < 15",
            "does not name the digest of the entry before it",
        ),
    ],
)
def test_a_chain_that_is_broken_fails_and_says_where(look: Any, log: Log, script: str, words: str) -> None:
    for number in range(1, 5):
        log.anchor(number, log.add("staff:sue", "read", f"note:{number}"))
    log.run(script)
    (found,) = [one for one in look(CHAINED) if isinstance(one, Finding)]
    assert not found.passed
    assert found.observed
    session_words = str(found.seen[0])
    assert words in session_words


def test_a_log_that_was_written_anew_differs_from_what_was_noted(look: Any, log: Log) -> None:
    log.anchor(1, log.add("staff:sue", "read", "note:1"))
    log.run("TRUNCATE log")
    log.last, log.previous = 0, ""
    log.add("staff:eve", "read", "note:1")
    assert failed(look(CHAINED)) == ["the chain: entry 1 differs from what was noted of it elsewhere"]


def test_a_chain_that_cannot_be_followed_shows_nothing(look: Any, log: Log) -> None:
    with pytest.raises(Unobservable, match="no entries"):
        look(CHAINED)
    log.add("nobody", "begin", "log")
    assert any("a cut end would not show" in one for one in unseen(look(CHAINED)))
    assert any("a cut end would not show" in one for one in unseen(look(CHAINED, anchors=None)))
    for described, words in (
        ({"chain": None}, "does not describe how the log's entries are chained"),
        ({"anchors": "nowhere.jsonl"}, "cannot be read"),
        ({"chain": {"covers": ["sequence", "nothing"]}}, "nothing"),
    ):
        with pytest.raises(Unobservable, match=words):
            look(CHAINED, **described)
    (log.folder / "anchors.jsonl").write_text("{}\n")
    with pytest.raises(Unobservable, match="a line that is no anchor"):
        look(CHAINED)


# --- emergencies -----------------------------------------------------------------------------------------------------

STEPS = (("ask", "eve", 0.0), ("approve", "ann", 1.0), ("start", "eve", 2.0), ("end", "eve", 30.0))


def emergency(
    log: Log, *steps: tuple[str, str, float], ticket: str = "T-7", hours_ago: float = 100, name: str = "a"
) -> None:
    """A session of emergency access: steps with who and after how many minutes."""
    for action, who, minutes in steps:
        at = NOW - timedelta(hours=hours_ago) + timedelta(minutes=minutes)
        log.add(f"staff:{who}", action, f"glass:{name}", details={"ticket": ticket} if action == "ask" else {}, at=at)


def test_emergencies_that_were_in_order_pass(look: Any, log: Log) -> None:
    emergency(log, *STEPS)
    emergency(log, *STEPS[:2], name="never-started")
    emergency(log, *STEPS[:3], name="running", hours_ago=0.5)
    log.add("staff:eve", "start", "glass:refused", outcome="refused")
    found = look(ORDERLY)
    assert passed(found) == ["glass:a", "glass:running"]
    assert failed(found) == []
    assert [(str(one.subject), one.reason) for one in found if isinstance(one, LeftOut)] == [
        ("glass:never-started", "it was asked for and never started")
    ]


@pytest.mark.parametrize(
    ("steps", "ticket", "words"),
    [
        (STEPS, " ", "it has no ticket"),
        (STEPS[1:], "T-7", "nobody asked for it"),
        ((STEPS[0], *STEPS[2:]), "T-7", "nobody approved it"),
        ((STEPS[0], ("approve", "eve", 1.0), *STEPS[2:]), "T-7", "it was approved by whoever used it"),
        (
            (STEPS[0], ("approve", "zed", 1.0), ("start", "zed", 2.0), STEPS[3]),
            "T-7",
            "started by somebody who had not",
        ),
        ((STEPS[0], STEPS[2], ("approve", "ann", 9.0), STEPS[3]), "T-7", "it was approved after it had begun"),
        (STEPS[:3], "T-7", "and has no end"),
        ((*STEPS[:3], ("end", "eve", 68.0)), "T-7", "it lasted 66 min"),
    ],
)
def test_an_emergency_that_was_not_in_order_fails(
    look: Any, log: Log, steps: tuple[tuple[str, str, float], ...], ticket: str, words: str
) -> None:
    emergency(log, *STEPS, name="good")
    emergency(log, *steps, ticket=ticket, name="bad")
    found = look(ORDERLY)
    assert passed(found) == ["glass:good"]
    (one,) = failed(found)
    assert one.startswith("glass:bad: ")
    assert words in one


def test_how_long_an_emergency_may_last_is_a_parameter(look: Any, log: Log) -> None:
    emergency(log, *STEPS)
    assert passed(look(ORDERLY, parameters={"longest_minutes": 28, "grace_minutes": 0}))
    assert failed(look(ORDERLY, parameters={"longest_minutes": 27, "grace_minutes": 0}))


def test_emergencies_that_cannot_be_seen_decide_nothing(look: Any, log: Log) -> None:
    with pytest.raises(Unobservable, match="what the log calls emergency access"):
        look(ORDERLY, break_glass=None)
    assert look(ORDERLY) == [], "without one, there is no finding and so no verdict"
    with pytest.raises(Unobservable):
        look(ORDERLY, table="public.elsewhere")
