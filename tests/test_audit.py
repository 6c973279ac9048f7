"""The main job on real input: the untouched reference is upheld, and every sabotage turns exactly its claims.

Every audit here is a real `upheld run` over a deployment that was started for it.
"""

from __future__ import annotations

import json

import pytest

from calibration import ROOT, audit, cover, statuses
from upheld.calibrating import batches, judge
from upheld_reference.sabotages import catalogue

DECIDED = {
    "transit-tls12",
    "rate-limits",
    "tokens-never-logged",
    "tenant-isolation",
    "retention-90-days",
    "at-rest-aes256",
    "disclosure-channel",
    "publication.page-matches-policy",
    "hosting-germany",
    "volume-encryption",
    "internal-mtls",
    "no-bounty",
    "transit-all-traffic",
    "uptime-monitored",
    "backups-pitr",
    "backups-encrypted",
    "data-location",
    "minimal-collection",
    "meta-terms",
    "meta-bsp",
    "no-data-sale",
    "incident-notice",
    "incident-notice-content",
    "incident-regulator",
    "incident-reviews",
    "disclosure-2-days",
    "subprocessors-dpa",
    "credentials-not-shared",
    "network-boundaries",
    "webhooks-https-signed",
    "mfa-internal",
    "staff-justification",
    "privileged-logged",
    "graph-https",
    "rbac",
    "deletion-30-days",
    "retention-configurable",
    "retention-header",
    "sensitive-encrypted",
    "peer-reviewed",
    "security-reviews",
    "deps-scanned",
    "security-in-process",
    "auto-patching",
    "short-lived-tokens",
    "pipelines-reviewed",
    "access-reviewed",
    "least-privilege",
    "ids-apart-from-tokens",
    "no-plaintext-credentials",
    "whatsapp-tokens-aes256",
    "webhook-secrets-aes256",
    "token-encrypted-on-receipt",
    "token-rotation",
    "input-output",
}


@pytest.fixture(scope="module")
def untouched():
    with pytest.MonkeyPatch.context() as patch:
        # A look that sends what it does not say that it sends is a fault, and decides nothing.
        patch.setenv("UPHELD_STRICT", "1")
        return audit("-n", "2")


def test_the_untouched_reference_is_upheld_as_far_as_it_is_decided(untouched):
    found = statuses(untouched.run)
    assert untouched.claims("upheld", "attested") == DECIDED, untouched.words
    assert set(found.values()) <= {"upheld", "attested", "uncovered"}, untouched.words
    assert len(found) == 55
    assert untouched.code == (3 if "uncovered" in found.values() else 0), untouched.words
    assert untouched.run["complete"] is True


def test_every_pass_rests_on_findings_and_observations(untouched):
    run = untouched.run
    checks = [check for claim in run["claims"] for check in claim["checks"]]
    assert checks
    for check in checks:
        assert check["verdict"] == "pass"
        assert check["findings"]
        known = {observation["id"] for observation in check["observations"]}
        for finding in check["findings"]:
            assert finding["observations"], (check["id"], finding["subject"])
            assert set(finding["observations"]) <= known
        assert check["population"]["probed"] == check["population"]["found"] - len(check["population"]["left_out"])


def test_every_check_is_calibrated_for_the_code_that_stands(untouched):
    run = untouched.run
    uncalibrated = [check["id"] for claim in run["claims"] for check in claim["checks"] if not check["calibrated"]]
    assert not uncalibrated, "run `nox -s calibrate` after a change to checks"


def test_no_secret_of_the_deployment_is_in_the_evidence(untouched):
    text = json.dumps(untouched.run) + untouched.words
    # security.txt is signed in the clear: what surrounds its text and its signature is public. Nothing else armoured is.
    for public in ("-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"):
        text = text.replace(public, "")
    assert "BEGIN" not in text
    for word in ("EAAG", "eyJhbGciOi"):
        assert word not in text


SHIPPED = json.loads((ROOT / "calibration.json").read_text(encoding="utf-8"))["checks"]
FEW = cover(catalogue(), SHIPPED)
"""Sabotages of which each family of checks catches one; `pytest -m exhaustive` audits with all the others."""
BATCHES = [
    *(pytest.param(batch, id=f"few {number}") for number, batch in enumerate(batches(FEW))),
    *(
        pytest.param(batch, id=f"others {number}", marks=pytest.mark.exhaustive)
        for number, batch in enumerate(batches({name: one for name, one in catalogue().items() if name not in FEW}))
    ),
]


@pytest.mark.parametrize("batch", BATCHES)
def test_sabotages_turn_their_claims_and_are_named(batch, untouched):
    wanted = {claim for one in batch.values() for claim in (*one.breaks, *one.also)}
    named = [part for name in batch for part in ("--sabotage", name)]
    audited = audit("-n", "2", *named, "--claims", ",".join(sorted(wanted)))
    assert audited.code == 1, audited.words
    for name, sabotage in batch.items():
        outcome = judge(name, sabotage, audited, untouched, [other for other in batch.values() if other != sabotage])
        assert outcome.caught, (name, audited.words)
        assert (outcome.missed, outcome.wrong, outcome.unnamed) == ((), (), ()), (name, audited.words)
        assert set(outcome.caught) <= {check for check, entry in SHIPPED.items() if name in entry["caught"]}, name
