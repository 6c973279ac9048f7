"""The fleet's limits as a target's, what counts as sent, and what makes two audits the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from upheld.fleet.admitting import Share
from upheld.fleet.jobs import Job
from upheld.fleet.members import Member
from upheld.fleet.merging import shared
from upheld.fleet.shares import counted, leases_of, limit_of, share_of, wanted
from upheld.fleet.taking import digest_of
from upheld.target.load import load_target
from upheld.target.manners import DATABASE, MACHINE, HostLimit, Limits

LIMITS = Limits(
    per_second=20,
    hosts={"www.example": HostLimit(requests=100)},
    database=HostLimit(requests=50, per_second=5),
    host=HostLimit(requests=30),
)
DATA, ONE, TWO = f"{DATABASE} env:DATABASE", f"{MACHINE} one.example", f"{MACHINE} two.example"


def test_what_is_no_host_of_a_url_has_limits_of_its_own():
    assert limit_of(None) is None
    of = limit_of(LIMITS)
    assert [of(name).requests for name in ("www.example", "api.example", DATA, ONE)] == [100, None, 50, 30]


def test_a_share_has_the_shape_of_a_targets_limits(tmp_path):
    shares = {
        "www.example": Share(40, None, 1),
        DATA: Share(10, 5.0, 1),
        ONE: Share(9, None, 1),
        TWO: Share(4, None, 1),
    }
    plain = share_of(shares, LIMITS)
    assert plain == {
        "per_second": 20,
        "burst": 1,
        "database": {"requests": 10, "per_second": 5, "burst": 1},
        "host": {"requests": 4, "burst": 1},
        "hosts": {"www.example": {"requests": 40, "burst": 1}},
    }
    assert share_of({}, None) == {}
    path = tmp_path / "target.yaml"
    path.write_text(
        "upheld: target/1\nname: x\nenvironment: staging\nlimits: {requests: 60, per_second: 1}\n"
        "endpoints: [{name: www, url: 'https://www.example/'}]\n",
        encoding="utf-8",
    )
    path.write_bytes(shared(path, plain))
    limits = load_target(path)[0].limits
    assert (limits.of("www.example").requests, limits.of("www.example").per_second) == (40, 1)
    assert (limits.of(DATABASE).requests, limits.of(MACHINE).requests) == (10, 4)
    assert (limits.of("other.example").requests, limits.of("other.example").per_second) == (60, 1)


def test_what_nobody_knows_counts_as_sent():
    shares = {"www.example": Share(40, None, 1), DATA: Share(10, 5.0, 1), "api.example": Share(None, 20.0, 1)}
    assert leases_of(shares) == {"www.example": 40, DATA: 10, "api.example": None}
    assert counted(shares, {"www.example": 3, DATABASE: 7, "elsewhere.example": 9}) == {
        "www.example": 3,
        DATA: 7,
        "api.example": 0,
    }
    assert counted(shares, None) == {"www.example": 40, DATA: 10, "api.example": 0}


def test_a_target_asks_for_no_more_than_its_own_budget():
    target = {"limits": {"requests": 70, "database": {"requests": 5}}}
    member = Member("x", "", target, Path(), Path(), (), None, frozenset({"www.example", DATA}))
    assert wanted(member, 3.0).own == {"www.example": 70, DATA: 5}
    assert wanted(member, 3.0).not_before == 3.0
    assert wanted(dataclasses.replace(member, target={})).own == {}


def test_the_same_audit_is_known_by_what_it_is_made_with():
    files = (("policy/policies.yaml", b"p"), ("target/target.yaml", b"t"))
    job = Job("run", "x", 1, "ticket", files, "policy/policies.yaml", "target/target.yaml", "", (), {"requests": 3})
    again = dataclasses.replace(job, fleet="other", attempt=2, ticket="another", share={}, files=files[::-1])
    assert digest_of(again) == digest_of(job)
    others = [
        dataclasses.replace(job, **changed)
        for changed in (
            {"files": (("policy/policies.yaml", b"q"), files[1])},
            {"files": (*files, ("policy/checks/own.py", b""))},
            {"claims": ("a",)},
            {"waivers": "policy/waivers.yaml"},
            {"modified": (("target/registers/a.yaml", 7),)},
            {"version": "0.0.1"},
        )
    ]
    assert len({digest_of(one) for one in [job, *others]}) == 1 + len(others)
