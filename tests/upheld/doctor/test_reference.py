"""`upheld doctor` and `upheld init` over the reference deployment, which is started once for both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopback import ROOT
from processes import upheld
from upheld.doctor.diagnosis import Outlook, Standing, diagnose
from upheld.plugin.audit import Audit
from upheld.probes.trying import Asked
from upheld.target.start import find
from upheld_reference import embedded


@pytest.fixture(scope="module")
def described() -> Iterator[Path]:
    """The running reference deployment's own target file."""
    with embedded(()) as file:
        yield file


def test_everything_that_the_reference_is_audited_with_works(described: Path):
    with Audit(ROOT / "policies.yaml", find(str(described))) as audit:
        audit.start_target()
        workshop = audit.workshop()
        try:
            found = diagnose(audit, workshop.session, Asked(log_in=True))
        finally:
            workshop.close()
    broken = {
        one.name: [str(tried) for tried in one.tried if not tried.works]
        for one in found.probes
        if one.standing is not Standing.WORKS
    }
    # Programs may lack on a machine; nothing else may.
    assert all(
        "is not installed: " in said or "there is no browser" in said
        for all_said in broken.values()
        for said in all_said
    ), broken
    assert set(broken) <= {"browsing", "code", "repositories"}
    assert found.ready or broken
    assert all(one.outlook is not Outlook.UNCOVERED for one in found.claims)
    assert not found.lacks
    assert not found.secrets


def test_a_target_and_a_policy_are_written_from_outside_and_run_at_once(described: Path, tmp_path: Path):
    own: dict[str, Any] = yaml.safe_load(described.read_text(encoding="utf-8"))
    urls = {one["name"]: one["url"] for one in own["endpoints"]}
    repository = str(described.parent / own["repository"]["path"])
    given = [
        "--url",
        urls["www"],
        "--url",
        urls["www-http"],
        "--url",
        urls["api"],
        "--url",
        urls["app"],
        "--url",
        urls["status"],
        "--page",
        own["publication"]["page"],
    ]
    done = upheld(
        tmp_path, "init", *given, "--repository", repository, "--ca", own["ca"], "--address", "127.0.0.1", seconds=300
    )
    assert done.returncode == 0, done.stderr
    target = yaml.safe_load((tmp_path / "target.yaml").read_text(encoding="utf-8"))
    assert (target["api"]["endpoint"], target["api"]["openapi"]) == ("api.rivet.example", "/openapi.json")
    assert {"contact", "webhook"} <= set(target["api"]["objects"])
    policy = yaml.safe_load((tmp_path / "policies.yaml").read_text(encoding="utf-8"))
    by_words = {one["statement"]: one for one in policy["claims"]}
    own_claims = yaml.safe_load((ROOT / "policies.yaml").read_text(encoding="utf-8"))["claims"]
    assert sum(one["statement"] in by_words for one in own_claims) > 50
    drafted = {
        one["id"]: by_words[one["statement"]]
        for one in own_claims
        if one["id"] in {"transit-tls12", "tenant-isolation", "rate-limits"}
    }
    assert "note" in drafted["rate-limits"]
    assert "checks" not in drafted["rate-limits"]
    some = ",".join(["page-matches-policy", *(one["id"] for one in drafted.values())])
    arguments = ["--target", "target.yaml", "--policy", "policies.yaml", "-n", "0", "--out", "run", "--claims", some]
    done = upheld(tmp_path, "run", *arguments, seconds=300)
    assert done.returncode == 3, done.stdout + done.stderr
    statuses = {one["id"]: one["status"] for one in json.loads((tmp_path / "run" / "run.json").read_text())["claims"]}
    assert statuses[drafted["transit-tls12"]["id"]] == "upheld"
    assert statuses["page-matches-policy"] == "upheld"
    assert statuses[drafted["tenant-isolation"]["id"]] == "inconclusive"
    assert statuses[drafted["rate-limits"]["id"]] == "uncovered"
    assert "refuted" not in statuses.values()
