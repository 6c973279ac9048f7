"""What travels to a worker and what does not: packed, laid out elsewhere, and read there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence_runs import project
from fleet_parts import member
from upheld import documents
from upheld.catalogue import Catalogue
from upheld.errors import InputError
from upheld.fleet import packing
from upheld.fleet.jobs import Job, lay_out, machine
from upheld.fleet.merging import smaller
from upheld.fleet.packing import pack
from upheld.fleet.plain import as_yaml
from upheld.policies import load as load_policy
from upheld.resources import builtin, check_folders
from upheld.target.load import load_target
from upheld.target.manners import BACKUP_STORE, DATABASE, MACHINE, HostLimit, Limits
from upheld.target.model import Target

TEXT = st.text(st.sampled_from("aé“\U0001f600\x85\u2028\ufeff'\"\\# \n\t\r:-?{}[],&*!|>%@`~0xeE1.+ynf"))
TODAY = datetime.now(UTC).date()
Laid = Callable[..., tuple[Target, Path]]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return project(tmp_path / "fleet [eu]", {"good": "[own.holds]"})


@pytest.fixture
def laid(base: Path, tmp_path: Path) -> Laid:
    """Packs a target of these parts, lays it out in another folder and reads it there."""

    def lay(**target: Any) -> tuple[Target, Path]:
        whole = {"name": "t", "environment": "staging", **target}
        job = packed(replace(member(base), target=whole))
        lay_out(job, tmp_path / "elsewhere")
        file = tmp_path / "elsewhere" / job.target
        return load_target(file)[0], file.parent

    return lay


def packed(one: Any, **options: Any) -> Job:
    return pack(one, 1, options.pop("share", {}), fleet="run", ticket="ticket", **options)


# --- the policy --------------------------------------------------------------------------------------------------------


def test_a_policy_travels_with_what_it_is_made_of_and_is_the_same_one(base: Path, tmp_path: Path) -> None:
    shared = base.parent / "shared"
    shared.mkdir()
    (base / "policies.yaml").rename(shared / "base.yaml")
    (shared / "more.yaml").write_text(
        "upheld: policy/1\nclaims: []\nno_promise: [{sentence: Welcome., why: It greets.}]\n", "utf-8"
    )
    (base / "policies.yaml").write_text(
        f"upheld: policy/1\nname: own\nextends: ../shared/base.yaml\ninclude: ../{shared.name}/more.yaml\nwaivers: ../shared/w.yaml\n",
        "utf-8",
    )
    (shared / "w.yaml").write_text("waivers: [{claim: good, reason: R., approver: Jo, expires: 2999-01-31}]\n", "utf-8")
    (base / "checks" / "__pycache__").mkdir()
    (base / "checks" / "__pycache__" / "own.pyc").write_bytes(b"")
    job = packed(member(base))
    lay_out(job, tmp_path / "elsewhere")
    there = tmp_path / "elsewhere" / job.policy
    before, after = (
        load_policy(path, Catalogue.load(*check_folders(path)), today=TODAY) for path in (base / "policies.yaml", there)
    )
    assert (after.digest, after.waivers) == (before.digest, before.waivers)
    assert [(claim.id, claim.uses) for claim in after.claims] == [(claim.id, claim.uses) for claim in before.claims]
    assert after.waivers
    assert not [path for path, _ in job.files if "__pycache__" in path]


def test_the_built_in_policy_brings_no_checks(base: Path) -> None:
    job = packed(member(base, policy=builtin() / "policies.yaml"))
    assert {Path(path).name for path, _ in job.files} <= {"policies.yaml", "waivers.yaml", "target.yaml"}
    assert (job.policy, job.waivers) == ("policy/policies.yaml", "")


def test_a_fleet_has_one_policy_throughout(base: Path) -> None:
    before = dict(packed(member(base)).files)
    (base / "policies.yaml").write_text("changed meanwhile", "utf-8")
    assert dict(packed(member(base)).files) == before


def test_what_cannot_be_packed_is_told(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read: No such file"):
        packed(member(base, waivers=base / "none.yaml"))
    monkeypatch.setattr(packing, "LARGEST_JOB", 1000)
    with pytest.raises(InputError, match=r"one: the target's policy, checks and documents are .* bytes large"):
        packed(member(base))


# --- the target --------------------------------------------------------------------------------------------------------


def test_a_description_says_the_same_elsewhere(laid: Laid) -> None:
    odd = "é “x” \U0001f600 \x85\u2028\ufeff 'q' \"d\" \\n # no: yes"
    given = {"contact": "a@example.com", "samples": [odd, "1e3", "yes", "0o7", "2026-01-01", "~", "", " x "]}
    target, _ = laid(**given)
    assert list(target.samples) == given["samples"]


def test_documents_travel_and_paths_of_what_changes_do_not(base: Path, laid: Laid) -> None:
    for name in ("ca.pem", "tls/service.crt"):
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text(f"-----BEGIN CERTIFICATE----- {name}", "utf-8")
    (base / "logs").mkdir()
    (base / "logs" / "a.log").write_text("a line", "utf-8")
    target, there = laid(
        ca="ca.pem",
        internal={
            "ca": str(base / "ca.pem"),
            "services": [
                {
                    "name": "vault",
                    "host": "vault.example",
                    "port": 8443,
                    "client": {"name": "api", "certificate": "tls/service.crt", "key": "file:tls/service.key"},
                }
            ],
        },
        logs=[{"name": "application", "path": "logs/*.log"}, {"name": "system", "path": "/var/log/*.log"}],
        repository={"path": "../shop.git"},
        backups={"store": "backups"},
        deploys={"path": "deploys.jsonl"},
        database={"url": "file:secrets/url"},
    )
    assert target.ca is not None
    assert target.internal is not None
    assert (there / target.ca).read_text("utf-8").endswith("ca.pem")
    client = target.internal.services[0].client
    assert client is not None
    assert (there / client.certificate).read_text("utf-8").endswith("tls/service.crt")
    assert client.key == f"file:{base}/tls/service.key"
    assert target.internal.ca == str(base / "ca.pem")
    # The folder is called like a pattern, and is none.
    assert [path.name for path in Path("/").glob(str(target.logs[0].path)[1:])] == ["a.log"]
    assert target.logs[1].path == "/var/log/*.log"
    assert target.repository is not None
    assert Path(target.repository.path) == base / "../shop.git"
    assert target.backups is not None
    assert target.backups.store == str(base / "backups")
    assert target.deploys is not None
    assert target.deploys.path == str(base / "deploys.jsonl")
    assert target.database is not None
    assert target.database.url == f"file:{base}/secrets/url"


def test_nothing_travels_in_which_a_secret_is_kept(base: Path, laid: Laid, tmp_path: Path) -> None:
    (base / "both.pem").write_text("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nSECRET", "utf-8")
    (base / "named.pem").write_text("-----BEGIN CERTIFICATE-----\nSECRET", "utf-8")
    (base / "registers").mkdir()
    (base / "registers" / "staff.yaml").write_text("[]", "utf-8")
    (base / "registers" / "token").write_text("SECRET", "utf-8")
    services = [
        {
            "name": name,
            "host": f"{name}.example",
            "port": 1,
            "client": {"name": "api", "certificate": f"{name}.pem", "key": f"file:{name}.pem"},
        }
        for name in ("both", "named")
    ]
    target, _ = laid(
        internal={"ca": "both.pem", "services": services},
        registers={"folder": "registers"},
        tenants=[{"name": "a", "id": "1"}],
        identities=[
            {
                "name": "ada",
                "tenant": "a",
                "role": "owner",
                "login": "key",
                "secrets": {"token": "file:registers/token"},
            }
        ],
    )
    assert target.internal is not None
    assert target.registers is not None
    assert target.internal.ca == str(base / "both.pem")
    assert target.registers.folder == str(base / "registers")
    content = [path.read_bytes() for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert content
    assert not [one for one in content if b"SECRET" in one]


def test_records_travel_whole_and_as_old_as_they_are(base: Path, laid: Laid) -> None:
    registers = base / "registers"
    (registers / "documents").mkdir(parents=True)
    (registers / "staff.yaml").write_text("[]", "utf-8")
    (registers / "documents" / "review.txt").write_text("reviewed", "utf-8")
    os.utime(registers / "staff.yaml", ns=(10**18, 10**18 + 5))
    target, there = laid(registers={"folder": "registers", "staff": {"file": "staff.yaml"}})
    assert target.registers is not None
    folder = there / target.registers.folder
    assert (folder / "documents" / "review.txt").read_text("utf-8") == "reviewed"
    assert (folder / "staff.yaml").stat().st_mtime_ns == 10**18 + 5


@pytest.mark.parametrize("kind", ["link", "large", "many", "empty", "missing"])
def test_records_that_cannot_travel_whole_stay(
    base: Path, laid: Laid, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registers = base / "registers"
    if kind != "missing":
        registers.mkdir()
    if kind not in {"empty", "missing"}:
        (registers / "staff.yaml").write_text("[]" * 50, "utf-8")
        (registers / "more.yaml").write_text("[]" * 50, "utf-8")
    if kind == "link":
        (registers / "review.txt").symlink_to("/etc/hostname")
    monkeypatch.setattr(packing, "LARGEST_FOLDER", 150 if kind == "large" else 16 << 20)
    monkeypatch.setattr(packing, "MOST_FILES", 1 if kind == "many" else 1000)
    packing._policy.cache_clear()
    if kind == "large":  # The policy is read by the same measure.
        monkeypatch.setattr(packing, "_policy", lambda path: packing._Policy({}, "policy/policies.yaml"))
    target, _ = laid(registers={"folder": "registers"})
    assert target.registers is not None
    assert target.registers.folder == str(registers)


def test_a_document_of_several_parts_travels_with_them(base: Path, laid: Laid) -> None:
    api = base / "api"
    (api / "parts").mkdir(parents=True)
    (api / "openapi.yaml").write_text("paths:\n  /a: {$ref: 'parts/a.yaml#/get'}\n  /b: {$ref: '#/x'}\n", "utf-8")
    (api / "parts" / "a.yaml").write_text(
        '{"get": {"$ref": "b.yaml"}, "put": {"$ref": "../../../../etc/hostname"}}', "utf-8"
    )
    (api / "parts" / "b.yaml").write_text("$ref: https://example.com/c.yaml", "utf-8")
    described = {"endpoint": "www", "openapi": "api/openapi.yaml"}
    endpoints = [{"name": "www", "url": "https://www.example"}]
    target, there = laid(endpoints=endpoints, api=described)
    assert target.api is not None
    file = there / str(target.api.openapi)
    assert sorted(path.name for path in file.parent.rglob("*.yaml")) == ["a.yaml", "b.yaml", "openapi.yaml"]
    for left in ("/openapi.json", "https://www.example/openapi.json"):
        target, _ = laid(endpoints=endpoints, api={**described, "openapi": left})
        assert target.api is not None
        assert target.api.openapi == left
    target, _ = laid(endpoints=endpoints, api={**described, "openapi": "none.yaml"})
    assert target.api is not None
    assert target.api.openapi == f"file:{base}/none.yaml"


def test_arguments_that_are_paths_become_whole(base: Path, laid: Laid) -> None:
    (base / "bin").mkdir()
    (base / "bin" / "restore").write_text("#!/bin/sh\n", "utf-8")
    command = ["bin/restore", "--to", "{folder}", "a/b", "/usr/bin/x"]
    target, _ = laid(backups={"store": "s3://shop/db", "restore": {"command": command}})
    assert target.backups is not None
    assert target.backups.restore is not None
    assert target.backups.restore.command == (str(base / "bin/restore"), "--to", "{folder}", "a/b", "/usr/bin/x")
    assert target.backups.store == "s3://shop/db"


@pytest.mark.parametrize(
    ("parts", "stays"),
    [
        ({}, False),
        ({"host": {"connection": "local://"}}, True),
        ({"host": {"connection": "docker://web"}}, True),
        ({"host": {"connection": "ssh://a@db.example"}}, False),
        ({"logs": [{"name": "journal", "journald": {"unit": "shop.service"}}]}, True),
        (
            {"logs": [{"name": "journal", "journald": {"unit": "shop.service"}, "connection": "ssh://a@db.example"}]},
            False,
        ),
    ],
)
def test_what_is_looked_at_on_the_machine_itself_is_bound_to_it(base: Path, parts: dict[str, Any], stays: bool) -> None:
    job = packed(member(base, target={"name": "t", "environment": "staging", **parts}))
    assert job.machine == (machine() if stays else "")


# --- shares ------------------------------------------------------------------------------------------------------------


def limits(hosts: list[str]) -> st.SearchStrategy[Limits]:
    limit = st.builds(
        HostLimit,
        requests=st.none() | st.integers(1, 1000),
        per_second=st.none() | st.floats(0.1, 100),
        burst=st.integers(1, 9),
    )
    return st.builds(
        lambda one, hosts, *others: Limits(
            **one.model_dump(), hosts=hosts, **dict(zip(("database", "backups", "host"), others, strict=True))
        ),
        limit,
        st.dictionaries(st.sampled_from(hosts), limit),
        st.none() | limit,
        st.none() | limit,
        st.none() | limit,
    )


def within(one: HostLimit, other: HostLimit) -> bool:
    """Whether whoever keeps to one keeps to the other."""
    if other.requests is not None and (one.requests is None or one.requests > other.requests):
        return False
    return other.per_second is None or (
        one.per_second is not None and one.per_second <= other.per_second and one.burst <= other.burst
    )


@settings(max_examples=60)
@given(limits(["a.example", "b.example"]), limits(["a.example", "B.example.", "c.example"]))
def test_whoever_keeps_to_merged_limits_keeps_to_both(own: Limits, share: Limits) -> None:
    merged = smaller(own, share, frozenset({"a.example", "b.example"}))
    for host in ("a.example", "b.example", "c.example", "d.example", DATABASE, BACKUP_STORE, MACHINE):
        assert within(merged.of(host), own.of(host))
        assert within(merged.of(host), share.of(host))
    assert set(merged.hosts) <= {"a.example", "b.example"}


def test_a_share_becomes_part_of_the_description(base: Path, tmp_path: Path) -> None:
    target = {
        "name": "t",
        "environment": "staging",
        "endpoints": [{"name": "www", "url": "https://www.example"}],
        "limits": {"requests": 100, "per_second": 5, "burst": 3},
    }
    share = {"hosts": {"www.example": {"requests": 7}, DATABASE: {"requests": 9, "per_second": 2}}}
    job = packed(member(base, target=target), share=share)
    lay_out(job, tmp_path / "elsewhere")
    merged = load_target(tmp_path / "elsewhere" / job.target)[0].limits
    assert merged is not None
    assert merged.of("www.example") == HostLimit(requests=7, per_second=5, burst=3)
    assert merged.of(DATABASE) == HostLimit(requests=9, per_second=2, burst=1)
    assert merged.of(MACHINE) == HostLimit(requests=100, per_second=5, burst=3)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a\0b"])
def test_a_job_writes_nothing_outside_of_its_folder(path: str, tmp_path: Path) -> None:
    job = Job("f", "m", 1, "t", ((path, b"x"),), "p", "t", "", (), {})
    with pytest.raises(InputError, match="is no path within a job"):
        lay_out(job, tmp_path / "elsewhere")
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**62), 2**62) | TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=10,
    )
)
def test_plain_data_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    file = tmp_path_factory.mktemp("plain") / "x.yaml"
    file.write_bytes(as_yaml({"data": data}))
    assert documents.load(file).data == {"data": data}
    assert json.loads(as_yaml({"data": data})) == {"data": data}
