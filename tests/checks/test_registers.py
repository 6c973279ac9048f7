"""The checks of registers on real files, a real database and a real page: what passes, fails, and what nothing was seen of."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.base import Probe, Session
from upheld.probes.calendar import Calendar
from upheld.probes.clock import Clock
from upheld.probes.countries import countries_in
from upheld.probes.database import Database
from upheld.probes.entries import Entry, renamed, zone_of
from upheld.probes.registers import Registers

from ..loopback import Pki, endpoint, server_context, web
from ..stopped_clock import stop

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FAR = "Pacific/Kiritimati"


class Company:
    """A folder of registers that a test writes."""

    def __init__(self, session_of: Callable[..., Session], folder: Path) -> None:
        self.session_of = session_of
        self.folder = folder / "registers"
        self.folder.mkdir()
        self.described: dict[str, Any] = {}
        self.parts: dict[str, Any] = {}

    def write(self, kind: str, content: Any, **described: Any) -> Path:
        path = self.folder / f"{kind}.yaml"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        self.described[kind] = {"file": path.name, **described}
        return path

    def document(self, name: str, text: str = "text") -> dict[str, str]:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return {"document": name, "sha256": hashlib.sha256(text.encode()).hexdigest()}

    def session(self, **described: Any) -> Session:
        registers = {"folder": "registers", **self.described, **described}
        return self.session_of(registers=registers, **self.parts)

    def run(self, check: str, session: Session | None = None, **parameters: Any) -> dict[str, Any]:
        session = session or self.session()
        one = CHECKS[f"registers.{check}"]
        probes: list[Probe] = [session.probe(kind) for kind in one.probes.values()]
        for probe in probes:
            if isinstance(probe, Clock):
                stop(probe, NOW)
        return {str(found.subject): found for found in one.function(*probes, **parameters)}


@pytest.fixture
def company(session_of: Callable[..., Session], tmp_path: Path) -> Company:
    return Company(session_of, tmp_path)


def passed(found: Any) -> bool:
    assert isinstance(found, Finding), found
    return found.passed


# --- sub-processors ------------------------------------------------------------------------------------------------


def processor(company: Company, **changes: Any) -> dict[str, Any]:
    agreement = {"signed_on": "2025-01-01", "valid_until": "2026-11-25", **company.document("dpa/host.md")}
    entry = {"id": "host", "category": "hosting", "country": "DE", "receives_credentials": False, "data": ["all"]}
    return {**entry, "agreement": {**agreement, **changes.pop("agreement", {})}, **changes}


def agreements(company: Company, *entries: Any, **parameters: Any) -> dict[str, Any]:
    company.write("sub_processors", {"sub_processors": list(entries)})
    return company.run("sub_processors_are_under_agreement", **parameters)


def test_an_agreement_is_in_force_to_the_end_of_its_last_day(company: Company) -> None:
    found = agreements(company, processor(company))
    assert {subject: passed(one) for subject, one in found.items()} == {
        "category hosting": True,
        "host": True,
        "document of host, agreement": True,
    }
    # In the east it is the 26th already.
    assert not passed(agreements(company, processor(company), time_zone=FAR)["host"])


@pytest.mark.parametrize(
    ("agreement", "says"),
    [
        ({"valid_until": "2026-11-24"}, "ended on 2026-11-24"),
        ({"valid_until": None}, "no last day"),
        ({"signed_on": None}, "not signed"),
        ({"signed_on": "2026-12-01"}, "not signed before 2026-12-01"),
    ],
)
def test_an_agreement_out_of_force_refutes(company: Company, agreement: dict[str, Any], says: str) -> None:
    found = agreements(company, processor(company, agreement=agreement))["host"]
    assert not passed(found)
    assert says in found.observed


def test_an_open_ended_agreement_is_in_force_where_the_policy_says_so(company: Company) -> None:
    assert passed(agreements(company, processor(company, agreement={"valid_until": None}), open_ended=True)["host"])


def test_no_agreement_and_no_entry_of_a_category_refute(company: Company) -> None:
    entry = {**processor(company), "agreement": None}
    found = agreements(company, entry, categories=("hosting", "payments"))
    assert not passed(found["host"])
    assert passed(found["category hosting"])
    assert not passed(found["category payments"])


def test_a_document_must_be_there_and_be_the_same(company: Company) -> None:
    subject = "document of host, agreement"
    entry = processor(company)
    (company.folder / "dpa/host.md").write_text("another text")
    assert not passed(agreements(company, entry)[subject])
    (company.folder / "dpa/host.md").unlink()
    assert "does not exist" in agreements(company, entry)[subject].observed
    without = processor(company, agreement={"sha256": ""})
    assert isinstance(agreements(company, without)[subject], NotObserved)


@pytest.mark.parametrize(
    "path", ["../secret.md", "/etc/hostname", "dpa/link.md", "linked/secret.md", "dpa", "dpa/pipe"]
)
def test_nothing_outside_of_the_folder_is_read(company: Company, path: str, tmp_path: Path) -> None:
    entry = processor(company, agreement={"document": path})
    (tmp_path / "secret.md").write_text("text")
    (company.folder / "dpa/link.md").symlink_to(tmp_path / "secret.md")
    (company.folder / "linked").symlink_to(tmp_path)
    os.mkfifo(company.folder / "dpa/pipe")
    assert isinstance(agreements(company, entry)["document of host, agreement"], NotObserved)


@pytest.mark.parametrize("until", [7, True, "next year", ["2027-01-01"]])
def test_a_date_that_is_none_decides_nothing(company: Company, until: Any) -> None:
    assert isinstance(agreements(company, processor(company, agreement={"valid_until": until}))["host"], NotObserved)


def test_who_receives_credentials_refutes_and_who_does_not_say_decides_nothing(company: Company) -> None:
    silent = {key: value for key, value in processor(company, id="silent").items() if key != "receives_credentials"}
    entries = [processor(company), processor(company, id="greedy", receives_credentials=True), silent]
    company.write("sub_processors", entries)
    found = company.run("no_sub_processor_receives_credentials")
    assert passed(found["host"])
    assert not passed(found["greedy"])
    assert isinstance(found["silent"], NotObserved)


# --- the register itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "sub_processors: []", "- 7", "a: [", "!!python/none x", "x: 1\nx: 2"]
)
def test_a_register_that_is_empty_or_broken_decides_nothing(company: Company, content: str) -> None:
    company.write("sub_processors", content)
    with pytest.raises(Unobservable):
        company.run("no_sub_processor_receives_credentials")


def test_a_register_that_is_missing_linked_or_not_declared_decides_nothing(company: Company, tmp_path: Path) -> None:
    with pytest.raises(Unobservable, match=r"declares no register of sub processors"):
        company.run("no_sub_processor_receives_credentials")
    path = company.write("sub_processors", [processor(company)])
    moved = path.rename(tmp_path / "elsewhere.yaml")
    with pytest.raises(Unobservable, match="does not exist"):
        company.run("no_sub_processor_receives_credentials")
    path.symlink_to(moved)
    with pytest.raises(Unobservable, match="link"):
        company.run("no_sub_processor_receives_credentials")


def test_a_register_that_is_out_of_date_or_of_another_form_is_not_enough(company: Company) -> None:
    path = company.write("sub_processors", [processor(company)], maximum_age_days=30, json_schema="form.json")
    (company.folder / "form.json").write_text('{"type": "array", "items": {"required": ["owner"]}}')
    old = (NOW - timedelta(days=31)).timestamp()
    os.utime(path, (old, old))
    session = company.session()
    reasons = [
        found.reason
        for found in CHECKS["registers.no_sub_processor_receives_credentials"].function(
            session.probe(Registers), session.probe(Clock)
        )
        if isinstance(found, NotObserved)
    ]
    assert len(reasons) == 2
    assert "last changed" in reasons[0]
    assert "JSON Schema" in reasons[1]


@pytest.mark.parametrize("schema", ["7", "{", '{"type": 7}', '{"$ref": "https://schemas.example/form.json"}'])
def test_a_schema_that_is_none_or_lies_elsewhere_decides_nothing(company: Company, schema: str) -> None:
    company.write("sub_processors", [processor(company)], json_schema="form.json")
    (company.folder / "form.json").write_text(schema)
    with pytest.raises(Unobservable):
        company.run("no_sub_processor_receives_credentials")


def test_a_company_may_call_fields_as_it_likes() -> None:
    fields = {"acknowledged_at": "answered", "agreement.valid_until": "expiry", "notices.sent_at": "when"}
    entry = {"answered": "a", "expiry": "b", "notices": [{"when": "c"}, "odd"]}
    result = renamed(entry, fields)
    assert (result["acknowledged_at"], result["agreement"], result["notices"][0]["sent_at"]) == (
        "a",
        {"valid_until": "b"},
        "c",
    )
    assert renamed({"agreement": {"expiry": "d"}}, fields)["agreement"]["valid_until"] == "d"
    assert renamed({}, fields)["agreement"] is None


def test_an_instant_without_an_offset_is_none() -> None:
    entry = Entry("one", {"at": "2026-11-25T12:00:00", "day": "2026-02-30", "zoned": "2026-11-25T23:00:00Z"})
    for field in ("at", "day"):
        with pytest.raises(Unobservable):
            entry.day(field, UTC)
    assert entry.day("zoned", zone_of("Africa/Johannesburg")) == date(2026, 11, 26)
    with pytest.raises(Unobservable):
        zone_of("Africa/Nowhere")


# --- incidents -----------------------------------------------------------------------------------------------------


def incident(**changes: Any) -> dict[str, Any]:
    return {
        "id": "I-1",
        "detected_at": "2026-11-01T10:00:00Z",
        "closed_at": "2026-11-02T10:00:00Z",
        "affects_customers": True,
        "reportable": True,
        "notices": [
            {
                "sent_at": "2026-11-04T10:00:00Z",
                "nature": "A laptop was stolen.",
                "data_affected": "Names of customers.",
                "steps_taken": "It was wiped from afar.",
            }
        ],
        "regulator_report": {"reference": "R-1", "reported_at": "2026-11-02T10:00:00Z"},
        "review": {"held_on": "2026-11-20", "actions": [{"owner": "me", "due_on": "2026-11-25", "closed_on": None}]},
        **changes,
    }


def of_incident(company: Company, check: str, *, subject: str = "I-1", **changes: Any) -> Any:
    company.write("incidents", [incident(**changes)])
    return company.run(check)[subject]


TOLD, REPORTED, REVIEWED = (
    "customers_are_told_in_time",
    "reportable_incidents_are_reported",
    "closed_incidents_are_reviewed",
)


def test_a_notice_at_the_limit_is_in_time_and_one_after_it_is_late(company: Company) -> None:
    assert passed(of_incident(company, TOLD))
    for at in ("2026-11-04T10:00:01Z", "2026-11-01T09:00:00Z", "2026-12-01T00:00:00Z"):
        assert not passed(of_incident(company, TOLD, notices=[{"sent_at": at}]))
    # The first of several counts, and an offset counts too.
    first = [{"sent_at": "2026-11-20T10:00:00Z"}, {"sent_at": "2026-11-04T11:30:00+02:00"}]
    assert passed(of_incident(company, TOLD, notices=first))


def test_no_notice_refutes_once_the_limit_is_over_and_not_before(company: Company) -> None:
    assert not passed(of_incident(company, TOLD, notices=[]))
    fresh = "2026-11-22T12:00:01Z"
    assert isinstance(of_incident(company, TOLD, notices=[], detected_at=fresh), LeftOut)
    assert not passed(of_incident(company, TOLD, notices=[], detected_at="2026-11-22T11:59:59Z"))


def test_what_an_incident_does_not_say_decides_nothing(company: Company) -> None:
    assert isinstance(of_incident(company, TOLD, affects_customers=False), LeftOut)
    for changes in ({"affects_customers": "maybe"}, {"detected_at": None}, {"notices": "sent"}, {"notices": ["sent"]}):
        assert isinstance(of_incident(company, TOLD, **changes), NotObserved)


def test_the_document_of_a_notice_counts(company: Company) -> None:
    notice = {"id": 1, "sent_at": "2026-11-02T10:00:00Z", **company.document("notice.md")}
    subject = "document of I-1, notice 1"
    assert passed(of_incident(company, TOLD, subject=subject, notices=[notice]))
    (company.folder / "notice.md").write_text("other")
    assert not passed(of_incident(company, TOLD, subject=subject, notices=[notice]))


@pytest.mark.parametrize("part", ["", "   ", "tbd", "None.", "short", None])
def test_a_notice_that_says_nothing_refutes(company: Company, part: Any) -> None:
    check, subject = "notices_say_what_they_must", "I-1, notice 1"
    assert passed(of_incident(company, check, subject=subject))
    notice = {**incident()["notices"][0], "steps_taken": part}
    found = of_incident(company, check, subject=subject, notices=[notice])
    assert not passed(found)
    assert "steps taken" in found.observed


def test_a_report_to_the_regulator_needs_time_and_reference(company: Company) -> None:
    assert passed(of_incident(company, REPORTED))
    for report in (
        None,
        {"reference": "", "reported_at": "2026-11-02T10:00:00Z"},
        {"reference": "R-1", "reported_at": "2026-11-05T10:00:00Z"},
        {"reference": "R-1", "reported_at": None},
    ):
        assert not passed(of_incident(company, REPORTED, regulator_report=report))


def test_an_incident_that_is_not_reportable_says_why(company: Company) -> None:
    assert isinstance(of_incident(company, REPORTED, reportable=False), NotObserved)
    assert isinstance(of_incident(company, REPORTED, reportable=False, reportable_because="No data."), LeftOut)


def test_a_closed_incident_needs_a_review_in_time(company: Company) -> None:
    assert passed(of_incident(company, REVIEWED))
    assert isinstance(of_incident(company, REVIEWED, closed_at=None), LeftOut)
    early = "2026-10-01T00:00:00Z"
    assert not passed(of_incident(company, REVIEWED, closed_at=early))
    assert not passed(of_incident(company, REVIEWED, closed_at=early, review=None))
    assert isinstance(of_incident(company, REVIEWED, review=None), LeftOut)
    assert not passed(of_incident(company, REVIEWED, review={"held_on": "2026-11-30", "actions": []}))


@pytest.mark.parametrize(
    ("action", "right"),
    [
        ({"owner": "me", "due_on": "2026-11-25"}, True),
        ({"owner": "me", "due_on": "2026-11-24"}, False),
        ({"owner": "me", "due_on": "2026-11-01", "closed_on": "2026-11-10"}, True),
        ({"owner": "", "due_on": "2026-12-25"}, False),
        ({"owner": "me"}, False),
        ({"owner": "me", "closed_on": "2026-12-01"}, False),
    ],
)
def test_an_action_has_an_owner_and_is_not_overdue(company: Company, action: dict[str, Any], right: bool) -> None:
    review = {"held_on": "2026-11-20", "actions": [action]}
    assert passed(of_incident(company, REVIEWED, subject="I-1, review, action 1", review=review)) is right


def test_a_review_without_actions_refutes(company: Company) -> None:
    review = {"held_on": "2026-11-20", "actions": []}
    assert not passed(of_incident(company, REVIEWED, subject="I-1, review", review=review))


REVIEW = {"held_on": "2026-11-20", "actions": [{"owner": "me", "due_on": "2026-11-25"}]}


@pytest.mark.parametrize(
    ("kind", "check", "subject", "entry"),
    [
        (
            "incidents",
            TOLD,
            "I-1, notice 1",
            lambda kept: incident(notices=[{"sent_at": "2026-11-02T10:00:00Z", **kept}]),
        ),
        (
            "incidents",
            REPORTED,
            "I-1, regulator report",
            lambda kept: incident(regulator_report={"reference": "R-1", "reported_at": "2026-11-02T10:00:00Z", **kept}),
        ),
        ("incidents", REVIEWED, "I-1, review", lambda kept: incident(review={**REVIEW, **kept})),
        ("access_reviews", "access_reviews_are_held", "2026-11-20", lambda kept: review("2026-11-20", "a", **kept)),
    ],
)
def test_a_document_counts_with_its_digest_and_a_digest_with_its_document(
    company: Company, kind: str, check: str, subject: str, entry: Callable[[dict[str, str]], dict[str, Any]]
) -> None:
    def of_document(*kept: str) -> Any:
        whole = company.document("kept.md")
        company.write(kind, [entry({key: whole[key] for key in kept})])
        return company.run(check).get(f"document of {subject}")

    assert passed(of_document("document", "sha256"))
    assert isinstance(of_document("document"), NotObserved)
    assert not passed(of_document("sha256"))
    assert of_document() is None


# --- reports of vulnerabilities ------------------------------------------------------------------------------------


def answered(company: Company, received: str, acknowledged: str | None, **parameters: Any) -> Any:
    company.write("vulnerability_reports", [{"id": "V", "received_at": received, "acknowledged_at": acknowledged}])
    given = {"calendar": "ZA", "time_zone": "Africa/Johannesburg", **parameters}
    return company.run("reports_are_acknowledged_in_time", **given)["V"]


@pytest.mark.parametrize(
    ("received", "acknowledged", "right"),
    [
        # Friday evening to Tuesday night; then Wednesday's first minutes.
        ("2026-09-25T22:10:00+02:00", "2026-09-29T23:59:00+02:00", True),
        ("2026-09-25T22:10:00+02:00", "2026-09-30T00:01:00+02:00", False),
        # Heritage Day (24 September) and a weekend are no business days.
        ("2026-09-23T17:40:00+02:00", "2026-09-28T21:55:00+02:00", True),
        ("2026-09-23T17:40:00+02:00", "2026-09-29T08:00:00+02:00", False),
        # In California it is still Tuesday, in South Africa Wednesday already.
        ("2026-10-13T19:30:00-08:00", "2026-10-16T10:15:00+02:00", True),
        ("2026-10-13T13:30:00-08:00", "2026-10-16T10:15:00+02:00", False),
        # Women's Day of 2026 falls on a Sunday, so that Monday is a holiday.
        ("2026-08-07T09:00:00+02:00", "2026-08-12T10:00:00+02:00", True),
        # Dates that cannot be.
        ("2026-09-25T22:10:00+02:00", "2026-09-24T10:00:00+02:00", False),
        ("2026-09-25T22:10:00+02:00", "2027-09-24T10:00:00+02:00", False),
    ],
)
def test_business_days_are_counted_by_the_calendar(
    company: Company, received: str, acknowledged: str, right: bool
) -> None:
    assert passed(answered(company, received, acknowledged)) is right


def test_another_country_and_another_zone_count_otherwise(company: Company) -> None:
    times = "2026-09-23T17:40:00+02:00", "2026-09-28T21:55:00+02:00"
    assert not passed(answered(company, *times, calendar="DE"))
    assert passed(answered(company, "2026-10-13T13:30:00-08:00", "2026-10-15T23:00:00+02:00", time_zone="UTC"))


def test_an_unanswered_report_refutes_once_its_deadline_is_over(company: Company) -> None:
    # Now is Wednesday the 25th.
    assert isinstance(answered(company, "2026-11-23T10:00:00+02:00", None), LeftOut)
    assert not passed(answered(company, "2026-11-20T10:00:00+02:00", None))
    assert isinstance(answered(company, "2026-11-21T10:00:00+02:00", None, business_days=3), LeftOut)


def test_a_calendar_that_is_not_known_decides_nothing(company: Company) -> None:
    for given in ({"calendar": "XX"}, {"calendar": "DE-XX"}):
        assert isinstance(answered(company, "2026-11-23T10:00:00+02:00", None, **given), NotObserved)
    with pytest.raises(Unobservable):
        answered(company, "2026-11-23T10:00:00+02:00", None, time_zone="Mars/Olympus")
    assert isinstance(answered(company, "2026-11-23", "yesterday"), NotObserved)
    assert isinstance(answered(company, "2026-12-23", None), NotObserved)


def test_a_missing_library_decides_nothing(
    company: Company, session_of: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(Unobservable, match=r"install upheld\[registers\]"):
        session_of().probe(Calendar).deadline(date(2026, 1, 1), 2, "ZA")  # type: ignore[attr-defined]


# --- places --------------------------------------------------------------------------------------------------------


def places(company: Company, flows: list[Any], country: str = "DE") -> dict[str, Any]:
    company.write("sub_processors", [processor(company, country=country)])
    company.write("data_flows", flows)
    return company.run("data_stays_in_the_declared_places", processed_in="DE", transferred_to=("ZA",))


def test_a_third_country_refutes(company: Company) -> None:
    flow = {"id": "support", "from": "DE", "to": "ZA", "safeguard": "clauses"}
    found = places(company, [flow])
    assert all(passed(one) for one in found.values())
    assert not passed(places(company, [flow], country="US")["sub-processor host"])
    assert not passed(places(company, [flow, {**flow, "id": "night", "to": "PH"}])["flow night"])
    assert isinstance(places(company, [flow, {"id": "half", "from": "DE"}])["flow half"], NotObserved)
    assert not passed(places(company, [{**flow, "to": "DE"}])["transfer DE to ZA"])
    assert not passed(places(company, [{**flow, "safeguard": ""}])["transfer DE to ZA"])


def test_countries_are_found_by_the_names_that_people_use() -> None:
    text = "Stored in Germany and the USA, in Papua New Guinea, not in\nSouth Africa; us, chad and Germanys are none."
    assert dict(countries_in(text)) == {"DE": "Germany", "US": "USA", "PG": "Papua New Guinea", "ZA": "South Africa"}


# --- the data inventory --------------------------------------------------------------------------------------------

SCHEMA = "CREATE SCHEMA app; CREATE TABLE app.people (id int, name text); CREATE TABLE loose (id int)"


def inventory(company: Company, postgres: Any, content: Any, *scripts: str, **described: Any) -> dict[str, Any]:
    company.write("data_inventory", content)
    url = postgres.database(SCHEMA, *scripts)
    company.parts = {"database": {"url": "env:AUDITOR"}, "secret_values": {"AUDITOR": url}}
    return company.run("every_stored_column_is_in_the_inventory", company.session(**described))


KNOWN = {"purpose": "needed", "retention": "short"}
INVENTORY = {
    "retentions": {"short": "A day"},
    "tables": {"app.people": {"id": KNOWN, "name": KNOWN}, "loose": {"id": KNOWN}},
}


def test_every_column_is_in_the_inventory(company: Company, postgres: Any) -> None:
    found = inventory(company, postgres, INVENTORY)
    assert {subject: passed(one) for subject, one in found.items()} == {"app.people": True, "public.loose": True}


def test_a_column_a_table_and_a_partitioned_table_that_are_not_in_it_refute(company: Company, postgres: Any) -> None:
    found = inventory(
        company,
        postgres,
        INVENTORY,
        "ALTER TABLE app.people ADD birth date",
        "CREATE TABLE app.log (id int, at date) PARTITION BY RANGE (at)",
        "CREATE TABLE app.log_1 PARTITION OF app.log DEFAULT",
        "CREATE MATERIALIZED VIEW app.seen AS SELECT name AS who FROM app.people",
    )
    assert "birth is not in the inventory" in found["app.people"].observed
    assert not passed(found["app.log"])
    assert not passed(found["app.seen"])
    assert "app.log_1" not in found
    left = inventory(company, postgres, INVENTORY, "CREATE TABLE app.log ()", "CREATE TABLE app.mig (v int)",
                     not_in_inventory={"app.mig": "versions"})  # fmt: skip
    assert isinstance(left["app.mig"], LeftOut)
    # A table of the schema public may be named without it.
    bare = inventory(company, postgres, INVENTORY, "ALTER TABLE loose ADD at date", not_in_inventory={"loose": "gone"})
    assert isinstance(bare["public.loose"], LeftOut)


@pytest.mark.parametrize("entry", [{"purpose": "x"}, {"retention": "short"}, {**KNOWN, "retention": "ages"}, None])
def test_an_entry_without_purpose_or_retention_refutes(company: Company, postgres: Any, entry: Any) -> None:
    content = {**INVENTORY, "tables": {**INVENTORY["tables"], "loose": {"id": entry}}}
    assert not passed(inventory(company, postgres, content)["public.loose"])


def test_an_inventory_may_be_a_list_and_may_list_what_is_gone(company: Company, postgres: Any) -> None:
    columns = [("app.people", "id"), ("app.people", "name"), ("public.loose", "id"), ("app.people", "gone")]
    found = inventory(company, postgres, [{"table": table, "column": name, **KNOWN} for table, name in columns])
    assert passed(found["app.people"])
    assert isinstance(found["app.people.gone"], LeftOut)


def test_an_empty_inventory_or_database_decides_nothing(company: Company, postgres: Any) -> None:
    for content in ({"tables": {}}, {"tables": {"app.people": ["id"]}}, [{"table": "x"}]):
        with pytest.raises(Unobservable):
            inventory(company, postgres, content)
    with pytest.raises(Unobservable, match="lists no table"):
        inventory(company, postgres, INVENTORY, "DROP SCHEMA app CASCADE", "DROP TABLE loose")
    dead = company.session_of(database={"url": "env:DEAD"}, secret_values={"DEAD": "postgresql://127.0.0.1:1/x"})
    with pytest.raises(Unobservable):
        dead.probe(Database).stored_columns()  # type: ignore[attr-defined]


# --- access --------------------------------------------------------------------------------------------------------


def review(day: str, *accounts: str, **changes: Any) -> dict[str, Any]:
    listed = [{"system": "console", "account": one, "holder": one, "decided_by": "boss"} for one in accounts]
    return {"id": day, "held_on": day, "accounts": listed, **changes}


def test_reviews_are_held_in_each_interval(company: Company) -> None:
    company.write("access_reviews", [review("2026-08-25", "a"), review("2026-11-25", "a")])
    found = company.run("access_reviews_are_held")
    assert all(passed(one) for one in found.values())
    found = company.run("access_reviews_are_held", interval_days=91)
    assert {subject: passed(one) for subject, one in found.items() if "decisions" not in subject} == {
        "2026-08-25": False,
        "2026-11-25": True,
    }


@pytest.mark.parametrize("last", ["2026-08-24", "2026-11-26"])
def test_a_last_review_that_is_old_or_still_to_come_refutes(company: Company, last: str) -> None:
    company.write("access_reviews", [review(last, "a")])
    assert not passed(company.run("access_reviews_are_held")[last])


def test_nobody_reviews_themselves_and_an_undated_review_decides_nothing(company: Company) -> None:
    company.write("access_reviews", [review("2026-11-20", "a", "Boss")])
    assert not passed(company.run("access_reviews_are_held")["decisions of 2026-11-20"])
    company.write("access_reviews", [review("2026-11-20", "a"), review("2026-11-21", held_on=None)])
    with pytest.raises(Unobservable):
        company.run("access_reviews_are_held")


ACCOUNTS = "CREATE TABLE accounts (email text, made timestamptz, gone timestamptz)"


def person(name: str, *, left: str | None = None, off: str | None = None, since: str = "2026-01-01") -> dict[str, Any]:
    accounts = [{"system": "console", "account": name, "since": since, "off_on": off}]
    return {"name": name, "left_on": left, "accounts": accounts}


def access(company: Company, postgres: Any, check: str, *rows: str, roles: bool = False, **parameters: Any) -> Any:
    url = postgres.database(ACCOUNTS, *(f"INSERT INTO accounts VALUES {row}" for row in rows))
    company.parts = {"database": {"url": "env:AUDITOR"}, "secret_values": {"AUDITOR": url}}
    table = {"system": "console", "table": "accounts", "account": "email", "since": "made", "off": "gone"}
    described = {"database_roles": {"system": "database"}} if roles else {}
    return company.run(check, company.session(accounts=[table], **described), **parameters)


COVERS, ENDED = "last_review_covers_every_account", "ended_access_is_off"


def test_the_last_review_has_every_account_that_is_on(company: Company, postgres: Any) -> None:
    company.write("access_reviews", [review("2026-08-20", "a", "b", "old"), review("2026-11-01", "A", "removed")])
    company.described["access_reviews"]["entries"] = None
    book = json.loads((company.folder / "access_reviews.yaml").read_text())
    book[1]["accounts"][1]["decision"] = "remove"
    company.write("access_reviews", book)
    company.write("staff", {"people": [person("a"), person("elsewhere")], "role_changes": []}, entries="people")
    found = access(
        company,
        postgres,
        COVERS,
        "('a', '2026-01-01', NULL)",
        "('b', '2026-01-01', NULL)",
        "('new', '2026-11-10', NULL)",
        "('left', '2026-01-01', '2026-02-01')",
        "('removed', '2026-01-01', NULL)",
        "('undated', NULL, NULL)",
    )
    verdicts = {
        subject: type(one).__name__ if isinstance(one, LeftOut) else passed(one) for subject, one in found.items()
    }
    assert verdicts == {
        "console: a": True,
        "console: b": False,
        "console: new": "LeftOut",
        "console: left": "LeftOut",
        "console: removed": False,
        "console: undated": False,
        "console: elsewhere": False,
    }


def test_roles_of_the_database_are_accounts_and_an_empty_system_is_not_seen(company: Company, postgres: Any) -> None:
    company.write("access_reviews", [review("2026-11-01", "a")])
    company.write("staff", {"people": [person("a")]}, entries="people")
    found = access(company, postgres, COVERS, roles=True)
    assert isinstance(found["console"], NotObserved)
    assert not passed(found["database: postgres"])


@pytest.mark.parametrize("check", [COVERS, ENDED])
def test_without_a_system_to_look_at_registers_alone_are_not_enough(company: Company, check: str) -> None:
    company.write("access_reviews", [review("2026-11-01", "a")])
    company.write(
        "staff", {"people": [person("a"), person("b", left="2026-11-01", off="2026-11-01")]}, entries="people"
    )
    assert isinstance(company.run(check)["systems"], NotObserved)


@pytest.mark.parametrize(
    ("left", "off", "gone", "right"),
    [
        ("2026-11-01", "2026-11-02", "'2026-11-02'", True),
        ("2026-11-01", "2026-11-03", "'2026-11-03'", False),
        ("2026-11-01", None, "'2026-11-02'", False),
        ("2026-11-01", None, "NULL", False),
        # What the register says is off is on in the system.
        ("2026-11-01", "2026-11-02", "NULL", False),
    ],
)
def test_a_leaver_is_off_in_time(
    company: Company, postgres: Any, left: str, off: str | None, gone: str, right: bool
) -> None:
    company.write("staff", {"people": [person("a", left=left, off=off)]}, entries="people")
    assert passed(access(company, postgres, ENDED, f"('a', NULL, {gone})")["console: a"]) is right


def test_a_leaver_of_today_has_until_tomorrow(company: Company, postgres: Any) -> None:
    company.write("staff", {"people": [person("a", left="2026-11-25")]}, entries="people")
    assert isinstance(access(company, postgres, ENDED, "('a', NULL, NULL)")["console: a"], LeftOut)


@pytest.mark.parametrize(
    ("decided", "done", "right"),
    [
        ("2026-11-01", "2026-11-02", True),
        ("2026-11-01", "2026-11-22", False),
        ("2026-11-01", None, False),
        ("2026-11-25", None, None),
        (None, None, None),
    ],
)
def test_a_change_of_role_is_carried_out_in_time(
    company: Company, postgres: Any, decided: str | None, done: str | None, right: bool | None
) -> None:
    changes = [{"login": "a", "decided_on": decided, "carried_out_on": done}]
    company.write("staff", {"people": [person("a")], "role_changes": changes}, entries="people")
    found = access(company, postgres, ENDED, "('a', NULL, NULL)")["role change 1 of a"]
    assert isinstance(found, LeftOut | NotObserved) if right is None else passed(found) is right


# --- the privacy policy --------------------------------------------------------------------------------------------

POLICY = "<main><p>Data is processed in Germany and sent to South Africa.</p></main><footer>Made in France</footer>"


def policy(company: Company, tmp_path: Path, page: str, status: int = 200, **parameters: Any) -> dict[str, Any]:
    company.write("sub_processors", [processor(company)])
    company.write("data_flows", [{"id": "support", "from": "DE", "to": "ZA"}])
    headers = {"Content-Type": "text/html; charset=utf-8"}
    context = server_context(Pki(tmp_path).issue("www.rivet.example"))
    with web({"/privacy": (status, headers, page.encode())}, context) as port:
        company.parts = {"endpoints": [endpoint("www", port)], "ca": "ca.pem"}
        session = company.session(privacy_policy={"page": f"https://www.rivet.example:{port}/privacy"})
        given = {"processed_in": "DE", "transferred_to": ("ZA",), **parameters}
        return company.run("privacy_policy_names_the_same_places", session, **given)


def test_the_privacy_policy_names_what_the_registers_hold_and_no_more(company: Company, tmp_path: Path) -> None:
    found = policy(company, tmp_path, POLICY)
    assert {subject: passed(one) for subject, one in found.items()} == {"DE": True, "ZA": True}
    assert not passed(policy(company, tmp_path, POLICY.replace(" and sent to South Africa", ""))["ZA"])
    third = POLICY.replace("South Africa", "South Africa and the United States")
    assert not passed(policy(company, tmp_path, third)["US"])
    assert isinstance(policy(company, tmp_path, third, also_named=("US",))["US"], LeftOut)


def test_a_privacy_policy_that_cannot_be_read_decides_nothing(company: Company, tmp_path: Path) -> None:
    for page, status in ((POLICY, 404), (POLICY, 429), ("<main></main>", 200), ("<p>Germany</p>", 200), ("", 200)):
        with pytest.raises(Unobservable):
            policy(company, tmp_path, page, status)
