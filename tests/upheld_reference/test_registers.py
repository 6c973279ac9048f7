"""The registers keep their own rules, which are worked out here once more; and each defect breaks exactly its claim."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import holidays
import jsonschema
import pytest
import yaml

from register_rules import CLAIMS, NOW, Registers, signature_is_good, violations
from upheld_reference import people, sabotages
from upheld_reference.platform import Platform
from upheld_reference.registers import attestations, documents, writing
from upheld_reference.registers.clock import SOUTH_AFRICA, Clock
from upheld_reference.settings import Settings
from upheld_reference.staff import roster

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


def schema_errors(kept: Registers) -> list[str]:
    found = []
    checked = [(name, kept.read(name)) for name in writing.NAMES]
    statements = kept.folder.glob("attestations/*.yaml")
    checked += [("attestation", yaml.safe_load(file.read_text(encoding="utf-8"))) for file in statements]
    for name, content in checked:
        schema = json.loads((kept.folder / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        found += [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(content)]
    return found


def written(folder: Path, now: dt.datetime = NOW) -> Registers:
    writing.write(folder, Clock(now))
    return Registers(folder, now)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Registers:
    return written(tmp_path_factory.mktemp("kept") / "registers")


def test_the_registers_keep_their_rules(kept: Registers) -> None:
    assert violations(kept) == set()


def test_every_register_has_a_schema_and_keeps_to_it(kept: Registers) -> None:
    assert schema_errors(kept) == []
    assert {path.stem for path in kept.folder.glob("*.yaml")} == set(writing.NAMES)
    schemas = {path.name.removesuffix(".schema.json") for path in kept.folder.glob("schemas/*")}
    assert schemas == {*writing.NAMES, "attestation"} == set(writing.SCHEMA_NAMES)


def moments() -> Iterator[dt.datetime]:
    """Awkward moments to start at: year ends, Easter, holidays, every weekday, both sides of midnight."""
    awkward = """
        2026-01-01T00:10 2026-01-02T22:30 2026-02-28T21:59 2026-04-03T09:00 2026-04-06T22:01 2026-04-28T00:00 2026-08-10T12:00
        2026-11-04T06:00 2026-12-16T23:30 2026-12-25T01:00 2026-12-27T12:00 2026-12-31T21:59 2026-12-31T22:01
    """
    for text in awkward.split():
        yield dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    for offset in range(14):
        yield dt.datetime(2025, 12, 20, 3, 30, tzinfo=dt.UTC) + dt.timedelta(days=offset * 26, hours=offset)


@pytest.mark.parametrize("now", moments(), ids=str)
def test_the_rules_are_kept_whenever_a_deployment_starts(now: dt.datetime, tmp_path: Path) -> None:
    kept = written(tmp_path / "registers", now)
    assert violations(kept) - signatures_out_of_time(now) == set()


def signatures_out_of_time(now: dt.datetime) -> set[str]:
    """ssh-keygen goes by the real clock, so that the keys of a start in the far past may be out of date for it."""
    return {f"{claim}: signature" for claim in CLAIMS} if now.year + 2 <= NOW.year else set()


def test_the_reports_come_at_awkward_times(kept: Registers) -> None:
    reports = {report["id"]: report for report in kept.entries("vulnerability-reports")}
    received = {id_: dt.datetime.fromisoformat(report["received_at"]) for id_, report in reports.items()}
    acknowledged = {
        id_: dt.datetime.fromisoformat(report["acknowledged_at"])
        for id_, report in reports.items()
        if report["acknowledged_at"]
    }
    assert set(received) - set(acknowledged) == {"VR-16"}
    assert received["VR-13"].weekday() == 4
    assert received["VR-13"].hour >= 20
    assert (acknowledged["VR-13"] - received["VR-13"]).days >= 3  # late by the calendar, in time by business days
    calendar = holidays.country_holidays("ZA")
    following = received["VR-11"].date() + dt.timedelta(days=1)
    assert following in calendar or (following + dt.timedelta(days=1)) in calendar or following.weekday() == 5
    assert received["VR-14"].utcoffset() != SOUTH_AFRICA.utcoffset(None)
    assert received["VR-14"].date() != received["VR-14"].astimezone(SOUTH_AFRICA).date()


def test_every_document_is_referred_to(kept: Registers) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in kept.folder.glob("**/*.yaml"))
    paths = [str(path.relative_to(kept.folder)) for path in kept.folder.glob("documents/**/*") if path.is_file()]
    assert len(paths) > 20
    assert [path for path in paths if path not in text] == []


def test_no_private_key_is_left(kept: Registers) -> None:
    files = [path for path in kept.folder.rglob("*") if path.is_file()]
    assert [path for path in files if b"PRIVATE KEY" in path.read_bytes()] == []


def test_everybody_is_in_the_register_of_staff(kept: Registers) -> None:
    assert [person["login"] for person in kept.read("staff")["people"]] == [person.login for person in people.PEOPLE]
    last = kept.entries("access-reviews")[0]["accounts"]
    consoles = {one["account"] for one in last if one["system"] == "staff-console"}
    people_with_one = {person.email for person in people.working() if person.staff_role}
    assert consoles == people_with_one | {account.email for account in roster.AUDIT_ACCOUNTS}
    own = {one["account"] for one in last if one["system"] == "forge" and one["holder"] != "service"}
    assert own == {person.login for person in people.working() if person.teams}


def test_earlier_reviews_list_who_was_there_then(kept: Registers) -> None:
    by_review = [
        {one["account"]: one["role"] for one in review["accounts"] if one["system"] == "staff-console"}
        for review in kept.entries("access-reviews")
    ]
    zanele, priya = people.by_login("zanele").email, people.by_login("priya").email
    assert [zanele in accounts for accounts in by_review] == [False, False, True, True, True]
    assert [accounts[priya] for accounts in by_review] == ["security"] * 3 + ["engineer"] * 2


@needs_ssh_keygen
def test_a_signature_is_good_for_nothing_else(kept: Registers, tmp_path: Path) -> None:
    file = kept.folder / "attestations" / "no-data-sale.yaml"
    signer = people.by_login("thandi").email
    assert signature_is_good(kept, file, signer, attestations.namespace("no-data-sale"))
    assert not signature_is_good(kept, file, signer, attestations.namespace("meta-terms"))
    assert not signature_is_good(kept, file, people.by_login("amahle").email, attestations.namespace("no-data-sale"))
    changed = tmp_path / file.name
    changed.write_bytes(file.read_bytes() + b"\n")
    shutil.copy(f"{file}.sig", f"{changed}.sig")
    assert not signature_is_good(kept, changed, signer, attestations.namespace("no-data-sale"))


def test_a_digest_is_that_of_the_bytes_in_the_file() -> None:
    assert documents.digest("Größe\n") == hashlib.sha256("Größe\n".encode()).hexdigest()


EXPECTED = {
    "subprocessor_in_third_country": {"data-location: heatlens"},
    "data_flow_to_third_country": {"data-location: night-support"},
    "access_review_overdue": {"access-reviewed: no review for a quarter after *"},
    "account_not_reviewed": {"access-reviewed: staff-console account of naledi not reviewed"},
    "leaver_still_active": {"access-reviewed: staff-console account of erik still on"},
    "role_change_carried_out_late": {"access-reviewed: role of jonas changed late"},
    "agreement_expired": {"subprocessors-dpa: agreement with messwert not in force"},
    "agreement_document_missing": {"subprocessors-dpa: document of kaappay"},
    "agreement_document_changed": {"subprocessors-dpa: document of hetzner"},
    "contacted_host_not_in_register": {"subprocessors-dpa: graph.rivet.example in no entry"},
    "subprocessor_receives_credentials": {"credentials-not-shared: messwert receives credentials"},
    "incident_notice_late": {"incident-notice: INC-6"},
    "incident_notice_missing": {"incident-notice: INC-4"},
    "notice_without_steps_taken": {"incident-notice-content: INC-6"},
    "notice_without_data_affected": {"incident-notice-content: INC-2"},
    "reportable_incident_without_reference": {"incident-regulator: INC-3"},
    "regulator_report_late": {"incident-regulator: INC-2"},
    "incident_review_missing": {"incident-reviews: INC-5"},
    "review_action_overdue": {"incident-reviews: action INC-6-2"},
    "report_acknowledged_on_third_business_day": {"disclosure-2-days: VR-13"},
    "report_unanswered_past_deadline": {"disclosure-2-days: VR-15"},
    "inventory_entry_without_retention": {"minimal-collection: app.contacts.note"},
    "meta_terms_attestation_expired": {"meta-terms: not in force"},
    "meta_terms_signer_not_allowed": {
        "meta-terms: lukas@rivetsoftware.dev may not sign",
        "meta-terms: signature",
    },
    "meta_terms_document_changed": {"meta-terms: document"},
    "meta_bsp_attestation_expired": {"meta-bsp: not in force"},
    "meta_bsp_signature_invalid": {"meta-bsp: signature"},
    "no_data_sale_attestation_expired": {"no-data-sale: not in force"},
    "no_data_sale_unsigned": {"no-data-sale: signature"},
    "credentials_attestation_expired": {"credentials-not-shared: not in force"},
}


class Undone(Platform):
    """A platform whose replaced parts are put back at the end of the test, for they are this process's own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(Settings(folder=folder))
        self._monkeypatch = monkeypatch

    def replace(self, owner: object, name: str, value: object) -> None:
        self._monkeypatch.setattr(owner, name, value)


@needs_ssh_keygen
@pytest.mark.parametrize("name", EXPECTED)
def test_each_defect_breaks_its_claim_and_no_rule_beside(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Undone(tmp_path, monkeypatch)
    sabotages.apply(platform, [name])
    kept = written(tmp_path / "registers")
    asyncio.run(platform.reach("settled"))
    found = {re.sub(r"after \d{4}-\d\d-\d\d", "after *", one) for one in violations(kept)}
    assert found == EXPECTED[name]
    assert {one.partition(":")[0] for one in found} == set(sabotages.find(name).breaks)
    assert schema_errors(kept) == []  # what is wrong is wrong by the rules, not by the form


@functools.cache
def defects_of_registers() -> set[str]:
    modules = {"access_registers", "attestations", "collection", "incidents", "places", "sub_processors"}
    modules |= {"vulnerability_reports"}
    return {
        name
        for name, found in sabotages.catalogue().items()
        if found.module.removeprefix("upheld_reference.sabotages.") in modules
    }


def test_every_defect_of_the_registers_is_tried() -> None:
    with_a_deployment = {"privacy_policy_without_transfer", "column_not_in_inventory"}
    of_the_staff_console = {"leaver_still_active"}
    assert defects_of_registers() == (EXPECTED.keys() | with_a_deployment) - of_the_staff_console
