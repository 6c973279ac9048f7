"""The rules of the reference deployment's registers, worked out once more from nothing but their files."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import yaml

NOW = dt.datetime.now(dt.UTC)
CLAIMS = {
    claim["id"]: claim["statement"]
    for claim in yaml.safe_load(Path(__file__).parents[1].joinpath("policies.yaml").read_text(encoding="utf-8"))[
        "claims"
    ]
}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Registers:
    """The registers in a folder, as somebody reads them who has nothing but the folder."""

    def __init__(self, folder: Path, now: dt.datetime = NOW) -> None:
        self.folder = folder
        self.now = now
        self.rules = self.read("rules")

    def read(self, name: str) -> Any:
        return yaml.load(self.folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8"), _Loader)

    def entries(self, name: str) -> list[dict[str, Any]]:
        (entries,) = self.read(name).values()
        return list(entries)

    def document_fits(self, entry: dict[str, Any]) -> bool:
        path = self.folder / entry.get("document", entry.get("path", ""))
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]


def days_between(earlier: str, later: str) -> int:
    return (dt.date.fromisoformat(later[:10]) - dt.date.fromisoformat(earlier[:10])).days


def hours_between(earlier: str, later: str) -> float:
    return (dt.datetime.fromisoformat(later) - dt.datetime.fromisoformat(earlier)).total_seconds() / 3600


def access_violations(kept: Registers) -> set[str]:
    found = set()
    rules, reviews = kept.rules["access_reviews"], kept.entries("access-reviews")
    today = kept.now.astimezone(ZoneInfo("Africa/Johannesburg")).date().isoformat()
    held = [review["held_on"] for review in reviews]
    for later, earlier in zip([today, *held], held, strict=False):
        if days_between(earlier, later) > rules["interval_days"]:
            found.add(f"access-reviewed: no review for a quarter after {earlier}")
    covered = {(one["system"], one["account"], one["role"]) for one in reviews[0]["accounts"]}
    if {system for system, _, _ in covered} != set(rules["systems"]):
        found.add("access-reviewed: a system is not covered")
    staff = kept.read("staff")
    for person in staff["people"]:
        for account in person["accounts"]:
            on = account["off_on"] is None and account["since"] <= held[0]
            if on and (account["system"], account["account"], account["role"]) not in covered:
                found.add(f"access-reviewed: {account['system']} account of {person['login']} not reviewed")
            if person["left_on"] is not None and (
                account["off_on"] is None
                or days_between(person["left_on"], account["off_on"]) > rules["off_within_days"]
            ):
                found.add(f"access-reviewed: {account['system']} account of {person['login']} still on")
    for change in staff["role_changes"]:
        limit = kept.rules["staff"]["role_change_within_days"]
        if days_between(change["decided_on"], change["carried_out_on"] or today) > limit:
            found.add(f"access-reviewed: role of {change['login']} changed late")
    found |= {f"access-reviewed: {review['id']}" for review in reviews if not kept.document_fits(review)}
    for review in reviews:
        if any(one["holder"] == one["decided_by"] for one in review["accounts"]):
            found.add(f"access-reviewed: somebody reviewed an account of their own in {review['id']}")
    return found


def location_violations(kept: Registers) -> set[str]:
    places = set(kept.rules["data_flows"]["places"])
    found = {
        f"data-location: {party['id']}" for party in kept.entries("sub-processors") if party["country"] not in places
    }
    flows = kept.entries("data-flows")
    found |= {f"data-location: {flow['id']}" for flow in flows if not {flow["from"], flow["to"]} <= places}
    if not any((flow["from"], flow["to"]) == ("DE", "ZA") for flow in flows):
        found.add("data-location: no transfer")
    return found


def sub_processor_violations(kept: Registers, contacted: frozenset[str] = frozenset()) -> set[str]:
    found = set()
    parties = kept.entries("sub-processors")
    if not {"hosting", "payments", "analytics"} <= {party["category"] for party in parties}:
        found.add("subprocessors-dpa: a category is missing")
    for party in parties:
        agreement = party["agreement"]
        today = kept.now.date().isoformat()
        if not agreement["signed_on"] <= today <= agreement["valid_until"]:
            found.add(f"subprocessors-dpa: agreement with {party['id']} not in force")
        if not kept.document_fits(agreement):
            found.add(f"subprocessors-dpa: document of {party['id']}")
        if party["receives_credentials"]:
            found.add(f"credentials-not-shared: {party['id']} receives credentials")
    unknown = contacted - {host for party in parties for host in party["hosts"]}
    return found | {f"subprocessors-dpa: {host} in no entry" for host in unknown}


def incident_violations(kept: Registers) -> set[str]:
    found = set()
    rules = kept.rules["incidents"]
    now = kept.now.isoformat()
    for incident in kept.entries("incidents"):
        id_, detected, report, review = (incident[k] for k in ("id", "detected_at", "regulator_report", "review"))
        told = min((hours_between(detected, notice["sent_at"]) for notice in incident["notices"]), default=None)
        after = hours_between(detected, now) if told is None else told
        if incident["affects_customers"] and after > rules["customers_told_within_hours"]:
            found.add(f"incident-notice: {id_}")
        for notice in incident["notices"]:
            text = (kept.folder / notice["document"]).read_text(encoding="utf-8")
            if not all(notice.get(part, "").strip() and notice[part] in text for part in rules["notice_parts"]):
                found.add(f"incident-notice-content: {id_}")
            if not kept.document_fits(notice):
                found.add(f"incident-notice: document of {id_}")
        if incident["reportable"]:
            after = hours_between(detected, report["reported_at"] if report else now)
            if after > rules["regulator_told_within_hours"] or (report and not (report.get("reference") or "").strip()):
                found.add(f"incident-regulator: {id_}")
            if report and not kept.document_fits(report):
                found.add(f"incident-regulator: document of {id_}")
        if incident["closed_at"] is not None:
            after = days_between(incident["closed_at"], review["held_on"] if review else now)
            if after > rules["reviewed_within_days"] or (review and not kept.document_fits(review)):
                found.add(f"incident-reviews: {id_}")
        for action in review["actions"] if review else ():
            if not action["owner"] or (action["closed_on"] is None and days_between(action["due_on"], now) > 0):
                found.add(f"incident-reviews: action {action['id']}")
    return found


def disclosure_violations(kept: Registers) -> set[str]:
    found = set()
    zone = ZoneInfo(kept.rules["vulnerability_reports"]["time_zone"])
    calendar = holidays.country_holidays(kept.rules["vulnerability_reports"]["calendar"])
    for report in kept.entries("vulnerability-reports"):
        day = dt.datetime.fromisoformat(report["received_at"]).astimezone(zone).date()
        left = kept.rules["vulnerability_reports"]["acknowledged_within_business_days"]
        while left:
            day += dt.timedelta(days=1)
            left -= day.weekday() < 5 and day not in calendar
        answered = report["acknowledged_at"] and dt.datetime.fromisoformat(report["acknowledged_at"])
        if (answered or kept.now).astimezone(zone).date() > day:
            found.add(f"disclosure-2-days: {report['id']}")
    return found


def inventory_violations(kept: Registers) -> set[str]:
    inventory = kept.read("data-inventory")
    return {
        f"minimal-collection: {table}.{name}"
        for table, columns in inventory["tables"].items()
        for name, column in columns.items()
        if column.get("retention") not in inventory["retentions"]
    }


def signature_is_good(kept: Registers, file: Path, signer: str, namespace: str) -> bool:
    allowed = kept.folder / "attestations" / "allowed_signers"
    command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", signer, "-n", namespace, "-s", f"{file}.sig"]
    return subprocess.run(command, input=file.read_bytes(), capture_output=True, check=False).returncode == 0


def attestation_violations(kept: Registers) -> set[str]:
    found = set()
    rules = kept.rules["attestations"]
    files = sorted(kept.folder.glob("attestations/*.yaml"))
    assert {file.stem for file in files} == set(rules["signers"])
    for file in files:
        statement = yaml.safe_load(file.read_text(encoding="utf-8"))
        claim = statement["claim"]
        assert (claim, statement["statement"]) == (file.stem, CLAIMS[claim])
        signed, expires = (dt.datetime.fromisoformat(statement[key]) for key in ("signed_at", "expires_at"))
        if not signed < kept.now < expires or expires - signed > dt.timedelta(days=rules["valid_at_most_days"]):
            found.add(f"{claim}: not in force")
        if not all(kept.document_fits(document) for document in statement["documents"]):
            found.add(f"{claim}: document")
        signer = statement["signer"]["email"]
        namespace = f"{claim}@attestations.rivetsoftware.dev"
        if signer not in rules["signers"][claim]:
            found.add(f"{claim}: {signer} may not sign")
        if shutil.which("ssh-keygen") and not signature_is_good(kept, file, signer, namespace):
            found.add(f"{claim}: signature")
    return found


def violations(kept: Registers, contacted: frozenset[str] = frozenset({"graph.rivet.example"})) -> set[str]:
    return (
        access_violations(kept)
        | location_violations(kept)
        | sub_processor_violations(kept, contacted)
        | incident_violations(kept)
        | disclosure_violations(kept)
        | inventory_violations(kept)
        | attestation_violations(kept)
    )
