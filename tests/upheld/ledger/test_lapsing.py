"""What a claim rests on, and when that stops to count: read off looks in the shape in which probes record them."""

from __future__ import annotations

import dataclasses

import pytest

from ledgers import START, claim, run
from upheld.ledger.lapsing import lapses
from upheld.model import Observation, Status, Waiver


def rests_on(probe, look, arguments, value, *, seen=True, waivers=()):
    """What lapses of a claim whose check looked once."""
    made = claim("one", Status.UPHELD, waivers=waivers)
    seen_by = Observation("1", probe, look, arguments, seen, value, "", "", 0.1, "office")
    checks = (dataclasses.replace(made.checks[0], observations=(seen_by,)),)
    found = lapses(run("r1", START, dataclasses.replace(made, checks=checks)))
    return [(one.kind, one.what, one.at) for one in found]


CERTIFICATES = [
    {"not_after": "2027-02-23T19:54:07+00:00", "subject": "CN=www"},
    {"not_after": "2027-01-01T00:00:00+02:00"},
]
STATEMENT = {
    "claim": "meta-terms",
    "entry": {"where": "statement", "values": {"expires_at": "2027-09-10T10:00:00+02:00"}},
}
AGREEMENTS = {
    "entries": [
        {"where": "hetzner", "values": {"agreement": {"valid_until": "2028-03-10"}}},
        {"where": "plain", "values": {"valid_until": "2027-06-09"}},
        {"where": "open", "values": {"agreement": {"signed_on": "2020-01-01"}}},
        {"where": "odd", "values": {"agreement": {"valid_until": "soon"}}},
    ]
}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (
            ("tls", "certificates", {"endpoint": "www (www.internal:8443)"}, CERTIFICATES),
            [
                ("certificate", "www", "2026-12-31T22:00:00.000Z"),
                ("certificate", "www", "2027-02-23T19:54:07.000Z"),
            ],
        ),
        (
            ("attestations", "statement", {"claim": "meta-terms"}, STATEMENT),
            [("attestation", "meta-terms", "2027-09-10T08:00:00.000Z")],
        ),
        (
            ("registers", "read", {"kind": "sub_processors"}, AGREEMENTS),
            [("agreement", "plain", "2027-06-10T00:00:00.000Z"), ("agreement", "hetzner", "2028-03-11T00:00:00.000Z")],
        ),
        (("clock", "now", {}, "2026-01-01T00:00:00+00:00"), []),
        (("tls", "certificates", None, "nonsense"), []),
        (("attestations", "statement", {}, None), []),
    ],
)
def test_each_kind_is_read_from_what_was_seen(look, expected):
    assert rests_on(*look) == expected
    assert rests_on(*look, seen=False) == []


def test_a_waiver_counts_until_its_day_is_over():
    waiver = Waiver("one", "because", "bob", "2026-05-01", check="own.one", subject="thing")
    found = rests_on("clock", "now", {}, "", waivers=(waiver,))
    assert found == [("waiver", "own.one thing", "2026-05-02T00:00:00.000Z")]
