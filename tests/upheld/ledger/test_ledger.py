"""The ledger keeps what it was given, in its order, and shows whoever changes it; on SQLite and on PostgreSQL."""

from __future__ import annotations

import dataclasses
import json
import secrets
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

import upheld.ledger
from ledgers import START, Clock, claim, finding, made, of, run
from processes import said
from upheld.errors import InputError
from upheld.ledger import Ledger, LedgerFault, find_place
from upheld.ledger.place import place_of
from upheld.ledger.schema import HEAD, VERSION_TABLE, metadata
from upheld.model import Status, Verdict, Waiver

GOOD = {"one": Status.UPHELD, "two": Status.ATTESTED}
BAD = {"one": Status.REFUTED, "two": Status.INCONCLUSIVE}


@pytest.fixture(scope="module")
def template(postgres):
    """A database with an empty ledger, which others are copies of."""
    url = postgres.database()
    Ledger.open(url)
    return make_url(url).database


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where a new ledger is to be, and nothing is yet."""
    if request.param == "sqlite":
        return str(tmp_path / "folder" / "ledger.sqlite")
    return request.getfixturevalue("postgres").database()


@pytest.fixture(params=["sqlite", "postgresql"])
def stands(request, tmp_path):
    """Where an empty ledger stands."""
    if request.param == "sqlite":
        return str(made(tmp_path / "ledger.sqlite").place)
    server, name = request.getfixturevalue("postgres"), f"copy_{secrets.token_hex(6)}"
    server.run(server.superuser_url, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('template')}")
    return make_url(server.superuser_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def ledger(stands):
    return Ledger.open(stands, now=Clock())


def damaged(stands: str, *statements: str) -> None:
    """What somebody does to a ledger who may do everything, triggers included."""
    engine = create_engine(place_of(stands).url)
    with engine.begin() as connection:
        for table in ("upheld_entries", "upheld_bodies"):
            if engine.dialect.name == "postgresql":
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
                connection.execute(text("ALTER TABLE upheld_bodies DROP CONSTRAINT IF EXISTS upheld_bodies_seq_fkey"))
            else:
                for what in ("unchanged", "kept", "new"):
                    connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_{what}"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_what_a_run_came_to_is_kept_with_its_findings(ledger, tmp_path):
    waiver = Waiver("one", "accepted", "anna", "2026-04-01")
    failing = [
        finding("thing 1", Verdict.PASS),
        finding("thing 2", Verdict.FAIL, "bad"),
        finding("3", Verdict.INCONCLUSIVE),
    ]
    given = run("r1", START, claim("one", Status.REFUTED, *failing, waivers=(waiver,)), claim("two", Status.UNCOVERED))
    entry = ledger.add(given, tmp_path / "reports")
    (row,) = ledger.runs()
    assert (row.seq, row.run, row.complete, row.ended) == (entry.seq, "r1", True, True)
    assert row.statuses() == {"one": Status.REFUTED, "two": Status.UNCOVERED}
    assert (row.status("two"), row.status("three"), row.worst) == (Status.UNCOVERED, None, Status.REFUTED)
    record = ledger.record(entry.seq)
    (one, two) = record.claims
    assert [(kept.fingerprint, kept.subject, kept.observed) for kept in one.failing] == [
        (failing[1].fingerprint, "thing 2", "bad")
    ]
    assert [(kept.subject, kept.reason) for kept in one.unseen] == [("3", "connection refused")]
    assert one.passing == (failing[0].fingerprint,)
    assert (one.waived_until, two.status, record.code) == ("2026-04-01", "uncovered", {"own.one": "c" * 64})
    assert [(lapse.kind, lapse.claim, lapse.at) for lapse in record.lapses] == [
        ("waiver", "one", "2026-04-02T00:00:00.000Z")
    ]
    assert record.folder == str(tmp_path / "reports")
    assert ledger.verify().holds


def test_what_looks_like_a_secret_does_not_go_in(ledger):
    secret = "AKIA" + "IOSFODNN7EXAMPLE"
    entry = ledger.add(
        run("r1", START, claim("one", Status.REFUTED, finding(secret, Verdict.FAIL, f"password={secret}x" * 99)))
    )
    _, body = ledger.entry(entry.seq)
    assert secret.encode() not in body
    assert b"redacted" in body
    assert len(body) < 3000


def test_the_same_run_is_added_once_and_another_of_its_id_never(ledger):
    first = ledger.add(of(GOOD, "r1"))
    assert ledger.add(of(GOOD, "r1")) == first
    with pytest.raises(LedgerFault, match="another run of the id r1"):
        ledger.add(of(BAD, "r1"))
    assert len(ledger.runs()) == 1


def test_a_run_without_an_end_shows_as_one_and_what_is_known_later_takes_its_place(ledger):
    whole = of(GOOD, "r1")
    ledger.begin(whole)
    ledger.begin(whole)
    (row,) = ledger.runs()
    assert (row.ended, row.complete, row.claims, row.worst) == (False, False, "", Status.INCONCLUSIVE)
    ledger.add(of(BAD, "r1", complete=False))
    (row,) = ledger.runs()
    assert (row.ended, row.complete) == (True, False)
    ledger.add(of({**BAD, "two": Status.UPHELD}, "r1", complete=False))
    assert [one.status("two") for one in ledger.runs()] == [Status.UPHELD]
    ledger.begin(whole)  # A copy of the news that comes late.
    assert (len(ledger.runs()), ledger.verify().entries) == (1, 3)


def test_runs_are_found_by_what_a_person_types(ledger):
    for number in range(3):
        ledger.add(of(GOOD, f"abcdef0{number}", START + timedelta(days=-number)))
    assert ledger.find("2").run == "abcdef01"
    assert ledger.find("abcdef02").seq == 3
    assert ledger.find("latest").run == "abcdef00"
    for unknown, said_of_it in (("99", "is no run"), ("abcd", "names several runs"), ("zzzz", "is no run")):
        with pytest.raises(InputError, match=said_of_it):
            ledger.find(unknown)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE upheld_entries SET letters = 'UU' WHERE seq = 1",
        "DELETE FROM upheld_entries WHERE seq = 2",
        "DELETE FROM upheld_bodies",
        "UPDATE upheld_bodies SET seq = 9",
    ],
)
def test_nothing_is_changed_or_deleted(ledger, stands, statement):
    for number in range(2):
        ledger.add(of(BAD, f"r{number}"))
    engine = create_engine(place_of(stands).url)
    with pytest.raises(Exception, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    assert ledger.verify().holds


def test_nothing_is_replaced_or_truncated(ledger, stands):
    ledger.add(of(BAD, "r1"))
    engine = create_engine(place_of(stands).url)
    statement = (
        "TRUNCATE upheld_entries CASCADE"
        if engine.dialect.name == "postgresql"
        else "INSERT OR REPLACE INTO upheld_bodies VALUES (1, x'00')"
    )
    with pytest.raises(Exception, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "seq", "says"),
    [
        ("UPDATE upheld_entries SET letters = 'UU' WHERE seq = 2", 2, "it was changed after it was added"),
        ("UPDATE upheld_entries SET started = '2020' WHERE seq = 1", 1, "it was changed after it was added"),
        ("DELETE FROM upheld_entries WHERE seq = 2", 3, "entry 2 is missing"),
        ("DELETE FROM upheld_entries WHERE seq = 1", 2, "the entries before 2 are missing, and no pruning let them go"),
        ("DELETE FROM upheld_bodies WHERE seq = 2", 2, "its body is missing"),
        ("UPDATE upheld_bodies SET body = (SELECT body FROM upheld_bodies WHERE seq = 1) WHERE seq = 3", 3, "its body was changed"),
    ],
)  # fmt: skip
def test_whoever_takes_the_triggers_away_breaks_the_chain_where_they_changed_it(ledger, stands, statement, seq, says):
    for number in range(4):
        ledger.add(of(BAD, f"r{number}"))
    damaged(stands, statement)
    verified = ledger.verify()
    assert not verified.holds
    assert verified.breaks[0].seq == seq
    assert says in verified.breaks[0].says


def test_an_end_that_is_cut_off_shows_to_whoever_noted_it(ledger, stands):
    for number in range(3):
        ledger.add(of(BAD, f"r{number}"))
    noted = ledger.head()
    assert ledger.verify([noted]).holds
    damaged(stands, "DELETE FROM upheld_bodies WHERE seq = 3", "DELETE FROM upheld_entries WHERE seq = 3")
    assert ledger.verify().holds  # Nothing in it can show it.
    (broken,) = ledger.verify([noted]).breaks
    assert broken.says == "it was noted, and is not there"
    ledger.add(of(GOOD, "another"))
    (broken,) = ledger.verify([noted]).breaks
    assert broken.says == "it is another one than was noted"


def test_what_is_pruned_is_signed_off_and_the_chain_holds_without_it(stands):
    clock = Clock()
    ledger = Ledger.open(stands, now=clock)
    for number in range(10):
        ledger.add(of(GOOD, f"r{number}", clock.at))
        clock.passes(days=1)
    noted = ledger.head()
    count, entry = ledger.prune(START + timedelta(days=4), "6d", "anna")
    assert (count, entry.kind) == (4, "pruned")
    body = json.loads(ledger.entry(entry.seq)[1])
    assert (body["by"], body["keep"], body["through"], body["runs"]) == ("anna", "6d", 4, 4)
    verified = ledger.verify([noted])
    assert (verified.holds, verified.first, verified.pruned, verified.entries) == (True, 5, 4, 7)
    assert [row.run for row in ledger.runs()] == [f"r{number}" for number in range(4, 10)]
    assert ledger.prune(START + timedelta(days=4), "6d") == (0, None)
    # The first pruning goes with the next one, which takes its place.
    clock.passes(days=30)
    assert ledger.prune(clock.at, "1s")[0] == 7
    verified = ledger.verify()
    assert (verified.holds, verified.entries, ledger.runs()) == (True, 1, [])
    ledger.add(of(GOOD, "r10", clock.at))
    assert ledger.verify().holds


def test_more_than_a_pruning_lets_go_is_missed(ledger, stands):
    for number in range(5):
        ledger.add(of(GOOD, f"r{number}"))
    ledger.prune(START, "400d")
    damaged(stands, "DELETE FROM upheld_bodies WHERE seq <= 2", "DELETE FROM upheld_entries WHERE seq <= 2")
    assert "no pruning let them go" in ledger.verify().breaks[0].says


def test_sixteen_processes_write_at_once_and_nothing_is_lost(place):
    writers = f"""
import multiprocessing
from ledgers import of
from upheld.ledger import Ledger
from upheld.model import Status

def write(one):
    ledger = Ledger.open({place!r})  # All of them find no ledger, and one makes it.
    for number in range(2):
        ledger.add(of({{'one': Status.UPHELD}}, f'{{one}}-{{number}}'))

fork = multiprocessing.get_context('fork')
started = [fork.Process(target=write, args=(one,)) for one in range(16)]
for one in started:
    one.start()
for one in started:
    one.join()
print([one.exitcode for one in started])
"""
    assert said(writers).strip() == str([0] * 16)
    ledger = Ledger.open(place, make=False)
    verified = ledger.verify()
    assert (verified.holds, verified.entries, verified.last) == (True, 32, 32)
    assert {row.run for row in ledger.runs()} == {f"{one}-{number}" for one in range(16) for number in range(2)}


def test_a_database_is_made_by_migrations_and_nothing_else(place):
    Ledger.open(place)
    engine = create_engine(place_of(place).url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_code_works_with():
    config = Config()
    config.set_main_option("script_location", f"{upheld.ledger.__path__[0]}/migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_ledger_of_a_later_version_is_refused_and_nothing_is_done_to_it(ledger, stands):
    engine = create_engine(place_of(stands).url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(InputError, match="later version"):
        Ledger.open(stands)


def test_reading_makes_no_ledger(tmp_path, postgres):
    for place in (str(tmp_path / "none.sqlite"), postgres.database()):
        with pytest.raises(InputError, match="there is no ledger here"):
            Ledger.open(place, make=False)
    assert not (tmp_path / "none.sqlite").exists()


def test_a_role_that_may_only_read_and_add_can_record(postgres):
    url = postgres.database()
    Ledger.open(url).add(of(GOOD, "r1"))
    writer = postgres.role(
        url,
        "GRANT SELECT, INSERT ON upheld_entries, upheld_bodies TO {role}",
        f"GRANT SELECT ON {VERSION_TABLE} TO {{role}}",
    )
    ledger = Ledger.open(writer)
    ledger.add(of(GOOD, "r2"))
    assert (len(ledger.runs()), ledger.verify().holds) == (2, True)
    with pytest.raises(LedgerFault, match="permission denied"):
        ledger.prune(START + timedelta(days=99999), "1d")
    assert ledger.verify().holds


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path):
    (tmp_path / "ledger.sqlite").write_text("this is no database, by no means and in no way " * 50, encoding="utf-8")
    with pytest.raises(LedgerFault, match=r"ledger\.sqlite: file is not a database$"):
        Ledger.open(tmp_path / "ledger.sqlite")


def test_a_file_is_for_its_owner_alone_and_one_that_stands_stays_as_it_is(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    Ledger.open(path).add(of(GOOD, "r1"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_password_is_never_shown(monkeypatch):
    monkeypatch.setenv("THE_LEDGER", "postgresql://anna:s3cr3t-word@127.0.0.1:1/audits")
    place = find_place("env:THE_LEDGER")
    assert "s3cr3t-word" not in str(place)
    with pytest.raises(LedgerFault) as caught:
        Ledger.open(place)
    assert "s3cr3t-word" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "named", ["mysql://a@b/c", "postgresql", "http://x", "env:NOT_SET_AT_ALL", "file:/no/such/file", "sqlite://"]
)
def test_what_names_no_ledger_is_refused(named):
    if named == "postgresql":  # A path like any other.
        assert find_place(named).file.name == "postgresql"
        return
    with pytest.raises(InputError):
        find_place(named)


def test_a_run_that_a_thread_adds_beside_others_is_in_the_chain(ledger):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ledger.add(of(GOOD, f"r{number}")), range(24)))
    assert (ledger.verify().holds, len(ledger.runs())) == (True, 24)


def test_a_kept_record_is_what_its_row_says(ledger):
    entry = ledger.add(of(GOOD, "r1"))
    record = ledger.record(entry.seq)
    assert dataclasses.asdict(record)["run"] == "r1"
    with pytest.raises(LedgerFault, match="there is no entry 99"):
        ledger.record(99)
