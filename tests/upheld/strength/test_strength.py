"""A claim's words against what its checks can show: too weak is a mistake, stricter is fine, silence where words state nothing."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from loopback import ROOT
from upheld.catalogue import Catalogue
from upheld.cli.main import cli
from upheld.errors import InputError, Mistake
from upheld.plugin.audit import Audit
from upheld.policies import load
from upheld.reporting.headline import notices
from upheld.running import assemble
from upheld.strength.table import FILE, Bounded, Country, Covering, Names, Threshold, table
from upheld.target.start import find

from ..reporting import sample

TODAY = date(2026, 11, 26)
CATALOGUE = Catalogue.load(ROOT / "checks")
OURS: dict[str, Any] = yaml.safe_load((ROOT / "policies.yaml").read_text(encoding="utf-8"))


# --- the table -----------------------------------------------------------------------------------------------------------


def test_the_table_says_of_every_parameter_of_every_check_how_it_is_compared_and_of_nothing_else() -> None:
    there = {one.id: set(one.parameters.model_fields) for one in CATALOGUE if one.parameters.model_fields}
    assert {check: set(parameters) for check, parameters in table().checks.items()} == there
    for check in (*table().configuration, *table().by_itself, *table().endpoints):
        assert check in CATALOGUE


def test_the_table_follows_its_published_schema() -> None:
    schema = json.loads((ROOT / "schema/strength.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(FILE.read_text(encoding="utf-8")), schema, jsonschema.Draft202012Validator)


def test_vague_words_stand_for_what_the_check_does_by_itself() -> None:
    """So that a policy which sets nothing is never weaker than its vague words."""
    for check, parameters in table().checks.items():
        for name, how in parameters.items():
            own = CATALOGUE[check].own_values.get(name)
            if isinstance(how, Threshold) and isinstance(own, int | float):
                limits = [
                    limit for word, limit in how.vague.items() if word != "immediate"
                ]  # Of which no check's own number is true.
                assert all(own <= limit if how.stricter == "lower" else own >= limit for limit in limits), (check, name)


# --- no way to green by loosening ------------------------------------------------------------------------------------------


def _looser(how: object, value: Any) -> Iterator[Any]:
    """The value, loosened a little and a lot."""
    way = how.stricter if isinstance(how, Threshold) else how.bounded if isinstance(how, Bounded) else ""
    if isinstance(how, Bounded) and how.order:
        yield from list(how.order)[: list(how.order).index(value)]
    elif isinstance(value, str) and isinstance(how, Threshold):
        yield from ("TLS 1.1", "TLS 1.0")
    elif way == "lower":
        yield from (value + 1, value * 3)
    elif way == "higher":
        yield from (value - 1, value // 2)
    elif isinstance(how, Names | Covering):
        yield from ([one for one in value if one != gone] for gone in value)
    elif isinstance(how, Country):
        yield "FR" if isinstance(value, str) else ["FR"]


def _thresholds() -> Iterator[tuple[str, int, str, str, Any]]:
    for claim in OURS["claims"]:
        for index, use in enumerate(claim.get("checks", ())):
            for check, given in use.items() if isinstance(use, dict) else ():
                for name, value in (given or {}).items():
                    for looser in _looser(table().of(check)[name], value):
                        yield claim["id"], index, check, name, looser


def _valid(check: str, name: str, given: dict[str, Any], value: Any) -> bool:
    try:
        CATALOGUE[check].arguments({**given, name: value})
    except ValueError:
        return False
    return True


@pytest.fixture
def mistakes(tmp_path: Path) -> Callable[[dict[str, Any]], list[Mistake]]:
    def load_it(data: dict[str, Any]) -> list[Mistake]:
        file = tmp_path / "policies.yaml"
        file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
        try:
            load(file, CATALOGUE, today=TODAY)
        except InputError as error:
            return list(error.mistakes)
        return []

    return load_it


def test_our_policy_gets_to_green_by_no_threshold_that_is_loosened(mistakes: Callable[..., list[Mistake]]) -> None:
    tried = 0
    for claim_id, index, check, name, looser in _thresholds():
        claims = copy.deepcopy([one for one in OURS["claims"] if one["id"] == claim_id])
        given = claims[0]["checks"][index][check]
        if not _valid(check, name, given, looser):
            continue
        given[name] = looser
        found = mistakes({"upheld": "policy/1", "name": "Loosened", "claims": claims})
        assert any(check in one.message and name in one.message for one in found), (claim_id, check, name, looser)
        tried += 1
    assert tried >= 40


def test_the_shipped_policy_and_the_examples_are_as_strong_as_their_words() -> None:
    for file in (ROOT / "policies.yaml", *sorted((ROOT / "examples").glob("*/policy.yaml"))):
        load(file, CATALOGUE, today=TODAY)


# --- the rules ------------------------------------------------------------------------------------------------------------


def _policy(statement: str, *checks: Any, **more: Any) -> dict[str, Any]:
    claim = {
        "id": "c",
        "statement": statement,
        "section": "S",
        "severity": "high",
        "owner": "o",
        "checks": list(checks),
        **more,
    }
    return {"upheld": "policy/1", "name": "T", "claims": [claim]}


KEPT = "retention.nothing_is_older_than_its_period"
ACKNOWLEDGED = "registers.reports_are_acknowledged_in_time"
ZA = {"calendar": "ZA", "time_zone": "Africa/Johannesburg"}


@pytest.mark.parametrize(
    ("statement", "checks", "words"),
    [
        ("Connections use TLS 1.2+.", [{"tls.refuses_old_versions": {"minimum": "TLS 1.1"}}], "“TLS 1.2+”"),
        ("Connections use TLS 1.2+.", ["tls.certificates_are_valid"], "“TLS 1.2+” promises more than tls.certificates_are_valid can show"),
        ("We refuse TLS 1.0 and TLS 1.1.", [{"tls.refuses_old_versions": {"minimum": "TLS 1.1"}}], "TLS 1.1"),
        ("Logs are kept for 90 days.", [{KEPT: {"days": 120}}], "“90 days” promises more than"),
        ("Logs are kept for ninety (90) days.", [{KEPT: {"days": 91}}], "“ninety (90) days”"),
        ("Logs are kept for three months.", [{KEPT: {"days": 94}}], "“three months”"),
        ("Logs are kept for at least 90 days.", [{KEPT: {"days": 90}}], "which is about “at most”"),
        ("Logs are kept for 90 days.", ["retention.other_plans_cannot_set_a_period"], "“90 days”"),
        ("HSTS is on for at least a year.", [{"web.hsts_is_set": {"minimum_seconds": 15552000}}], "“a year”"),
        ("We acknowledge reports within 2 business days.", [{"registers.customers_are_told_in_time": {"within_hours": 72}}], "“2 business days”"),
        ("We acknowledge reports within 2 business days.", [{ACKNOWLEDGED: {"business_days": 3, **ZA}}], "“2 business days”"),
        ("We acknowledge reports within 48 hours.", [{ACKNOWLEDGED: {"business_days": 1, **ZA}}], "“48 hours”"),
        ("Tokens are encrypted with AES-256.", [{"credentials.end_sealed": {"key_bits": 128}}], "“AES-256”"),
        ("Disks are encrypted with AES-256.", ["host.database_lies_on_encrypted_devices"], "“AES-256” promises more than host"),
        ("Backups are taken hourly.", ["backups.taken_in_every_interval"], "“hourly”"),
        ("Backups are taken daily and deletion takes 30 days.", [{"backups.taken_in_every_interval": {"every_hours": 48}}], "“daily”"),
        ("Access tokens are short-lived.", [{"sessions.tokens_are_short_lived": {"most_minutes": 61}}], "“short-lived”"),
        ("Tokens expire after 15 minutes.", ["sessions.tokens_are_short_lived"], "“15 minutes”"),
        ("Two approvals are needed for every change.", ["reviews.protection_forbids_unreviewed_changes"], "“Two approvals”"),
        ("100 requests a minute are let through.", ["limits.every_operation_is_limited"], "“100 requests”"),
        ("Plaintext credentials are never stored.", ["storage.nothing_sensitive_is_readable"], "“never” promises more than"),
        ("Peer review is enforced.", ["reviews.protection_forbids_unreviewed_changes"], "“enforced” promises more than"),
        ("All credentials are sealed.", [{"credentials.end_sealed": {"kinds": ["access token"]}}], "“All” promises more than"),
        ("Data is stored in Germany.", [{"host.stands_where_promised": {"provider": "Hetzner", "country": "FI"}}], "“Germany”"),
        ("Retention can be set on Business and Agency plans.", [{"retention.periods_keep_within_bounds": {"on_plans": ["business"]}}], "“Agency”"),
        ("Backups are complete.", [{"backups.sizes_are_sane": {"smallest_percent": 0.1}}], "smallest_percent: 0.1"),
        ("Backups are complete.", [{"backups.taken_in_every_interval": {"grace_hours": 48}}], "grace_hours: 48"),
        ("Webhooks lead nowhere inside.", [{"boundaries.webhooks_never_lead_inside": {"kinds": ["url"]}}], "kinds: [url]"),
    ],
)  # fmt: skip
def test_what_is_too_weak_is_a_mistake_with_words_and_parameter_side_by_side(
    mistakes: Callable[..., list[Mistake]], statement: str, checks: list[Any], words: str
) -> None:
    found = mistakes(_policy(statement, *checks))
    assert found, "silent"
    assert any(words in one.message and one.line > 0 and one.expected for one in found), [str(one) for one in found]


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        ("Connections use TLS 1.2+.", [{"tls.refuses_old_versions": {"minimum": "TLS 1.3"}}]),
        ("Every current browser connects with TLS 1.2 or TLS 1.3.", ["tls.accepts_current_versions"]),
        ("We refuse TLS 1.0 and TLS 1.1.", ["tls.refuses_old_versions"]),
        ("Versions older than TLS 1.2 are refused.", ["tls.refuses_old_versions"]),
        ("Logs are kept for 90 days.", [{KEPT: {"days": 30}}]),
        ("Logs are kept for three months.", [{KEPT: {"days": 90}}]),
        ("Logs are kept as long as they are needed.", [{KEPT: {"days": 400}}]),
        ("HSTS is on for at least half a year.", ["web.hsts_is_set"]),
        ("Browsers are told to use HTTPS always.", [{"web.hsts_is_set": {"minimum_seconds": 1}}]),
        ("We acknowledge reports within 2 business days.", [{ACKNOWLEDGED: {"business_days": 1, **ZA}}]),
        ("Customers are told within 72 hours.", [{"registers.customers_are_told_in_time": {"within_hours": 72}}]),
        ("Tokens are encrypted with AES-128.", [{"credentials.end_sealed": {"key_bits": 256}}]),
        ("Backups are taken every day.", ["backups.taken_in_every_interval"]),
        ("We watch 24 hours a day, 7 days a week.", ["status.keeps_looking"]),
        ("Data is deleted within 30 days; logs are kept for 90 days.", [{"deletion.nothing_is_left_of_departed_customers": {"days": 30}}, {KEPT: {"days": 90}}]),
        ("100 requests a minute are let through.", [{"limits.every_operation_is_limited": {"budget_requests": 101}}]),
        ("Plaintext credentials are never stored.", ["storage.nothing_sensitive_is_readable", "credentials.leave_no_plain_copy"]),
        ("Peer review is enforced.", ["reviews.every_commit_was_approved_by_someone_else"]),
        ("All access tokens are sealed.", [{"credentials.end_sealed": {"kinds": ["access token"]}}]),
        ("Data is stored in Germany.", [{"host.stands_where_promised": {"provider": "Hetzner", "country": "DE"}}]),
        ("We sell no data, ever, for 10 years.", [{"attestations.statement_is_signed_and_in_force": {"claim": "c"}}]),
        ("TLS 1.2+ is promised, and nothing decides it.", []),
        ("TLS 1.3 is promised.", [{"tls.refuses_old_versions": {"minimum": "TLS 1.2"}, "not_applicable": "It is not ours."}]),
    ],
)  # fmt: skip
def test_what_is_strict_enough_and_what_words_do_not_state_is_let_be(
    mistakes: Callable[..., list[Mistake]], statement: str, checks: list[Any]
) -> None:
    assert [str(one) for one in mistakes(_policy(statement, *checks))] == []


def test_a_claim_that_others_decide_is_held_against_what_they_show(mistakes: Callable[..., list[Mistake]]) -> None:
    data = _policy("Logs are gone after 30 days.", decided_by=["part"])
    part = {**_policy("Old logs are removed.", {KEPT: {"days": 90}})["claims"][0], "id": "part"}
    data["claims"].append(part)
    found = mistakes(data)
    assert [one.message.partition(" promises")[0] for one in found] == ["c: “30 days”"]
    part["checks"] = [{KEPT: {"days": 30}}]
    assert mistakes(data) == []


def test_an_overlay_that_loosens_is_told_where_it_does(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        yaml.safe_dump(_policy("Kept for 90 days.", {KEPT: {"days": 90}})), encoding="utf-8"
    )
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        f"upheld: policy/1\nextends: base.yaml\noverride:\n  c:\n    {KEPT}: {{days: 120}}\n", encoding="utf-8"
    )
    with pytest.raises(InputError) as error:
        load(overlay, CATALOGUE, today=TODAY)
    (mistake,) = error.value.mistakes
    assert (Path(mistake.file), mistake.line) == (overlay, 5)
    assert "shows with days: 120" in mistake.message


# --- where it is said -------------------------------------------------------------------------------------------------------


def test_validate_says_it_with_file_and_line_and_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(yaml.safe_dump(_policy("Kept for 90 days.", {KEPT: {"days": 120}})), encoding="utf-8")
    result = CliRunner().invoke(cli, ["validate", "--policy", str(file)])
    assert isinstance(result.exception, InputError)
    assert f"{file}:4:" in str(result.exception)
    assert "“90 days” promises more than" in str(result.exception)


TARGET = """upheld: target/1
name: shop
environment: staging
endpoints:
  - {name: api, url: "https://api.shop.example"%s}
"""


@pytest.mark.parametrize("alone", [False, True])
def test_all_over_one_endpoint_is_said_unless_the_target_says_why_it_is_alone(tmp_path: Path, alone: bool) -> None:
    policy, target = tmp_path / "policies.yaml", tmp_path / "target.yaml"
    policy.write_text(
        yaml.safe_dump(_policy("All API and web traffic: TLS 1.2+", "tls.refuses_old_versions")), encoding="utf-8"
    )
    target.write_text(TARGET % (", alone: one host serves all" if alone else ""), encoding="utf-8")
    result = CliRunner().invoke(cli, ["validate", "--policy", str(policy), "--target", str(target)])
    assert (result.exception is None) is alone
    if not alone:
        assert f"{target}:5:" in str(result.exception)
        assert "“All API and web traffic” promises more than the one endpoint" in str(result.exception)


def test_reports_of_runs_that_nobody_held_against_the_rules_say_it() -> None:
    period = sample.check(id=KEPT, parameters={"days": 120, "grace_hours": 24}, calibrated=True)
    weak = sample.run(sample.claim(checks=(period,), statement="Logs are kept for 90 days.", id="kept"))
    (said,) = notices(weak)
    assert f"kept: “90 days” promises more than {KEPT} shows with days: 120" in said
    strict = dataclasses.replace(period, parameters={"days": 90, "grace_hours": 24})
    assert notices(sample.run(sample.claim(checks=(strict,), statement="Logs are kept for 90 days."))) == ()


def test_a_run_says_that_all_was_looked_at_over_one_endpoint(tmp_path: Path) -> None:
    policy, target = tmp_path / "policies.yaml", tmp_path / "target.yaml"
    policy.write_text(
        yaml.safe_dump(_policy("All web traffic: TLS 1.2+", "tls.refuses_old_versions")), encoding="utf-8"
    )
    target.write_text(TARGET % "", encoding="utf-8")
    with Audit(policy, find(str(target), ())) as audit:
        audit.start_target()
        notes = assemble(audit).notes
    assert notes == (
        "c: “All web traffic” was looked at over one endpoint, api (api.shop.example:443): the target describes no other.",
    )
