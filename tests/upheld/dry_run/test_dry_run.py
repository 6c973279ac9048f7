"""What a run would send, told before it: nothing is contacted, nothing is left out, and no place is misspelt."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import sys
import typing
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from tests.two_tenants import TwoTenants, openapi
from tests.watching import watched

import upheld.probes
from upheld.catalogue import Catalogue
from upheld.cli.dry_run import lines
from upheld.doctor.advice import SAMPLE
from upheld.dry_run import Foreseen, foresee
from upheld.dry_run.places import Places
from upheld.dry_run.plan import looks_of
from upheld.errors import InputError
from upheld.planning import plan
from upheld.plugin.audit import Audit
from upheld.policies import load
from upheld.probes.base import Probe
from upheld.probes.credential_flows import Credentials
from upheld.probes.logs import Logs
from upheld.probes.sending import CHANGES, COMMAND, HTTP, PLANTS, READS, WRITES
from upheld.target.model import Target
from upheld.target.start import find

ROOT = Path(__file__).parents[3]
CATALOGUE = Catalogue.load(ROOT / "checks")
for module in pkgutil.iter_modules(upheld.probes.__path__, "upheld.probes."):
    importlib.import_module(module.name)
KINDS = sorted((one for one in Probe.kinds.values() if one.__module__.startswith("upheld.")), key=lambda one: one.name)
KNOWN = frozenset(
    {"acting", "members", "throwaway", "staff", "document", "staff_document", "logins", "operations"}
    | {"staff_operations"}
)
_touched: list[str] = []
_listening = False


def _hook(event: str, _arguments: object) -> None:
    if _listening and event in {"socket.connect", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen"}:
        _touched.append(event)


sys.addaudithook(_hook)


def test_nothing_is_sent_and_no_name_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    global _listening  # noqa: PLW0603  (an audit hook cannot be taken away)
    description = yaml.safe_load(SAMPLE.read_text())
    with watched("127.0.0.2") as www, watched("127.0.0.3") as other:
        description["endpoints"] = [
            {"name": "www", "url": f"http://{www.place}"},
            {"name": "api", "url": f"http://{other.place}"},
        ]
        description["forge"]["url"] = f"http://{other.place}"
        for secret in re.findall(r"env:([A-Z_]+)", SAMPLE.read_text()):
            monkeypatch.setenv(secret, f"postgresql://u:p@{other.place}/d")
        file = tmp_path / "target.yaml"
        file.write_text(yaml.safe_dump(description))
        with Audit(ROOT / "policies.yaml", find(str(file)), catalogue=CATALOGUE) as audit:
            _listening = True
            try:
                said = list(lines(audit))
            finally:
                _listening = False
        assert www.contacts == other.contacts == []
    assert _touched == []
    said_of = {one.partition(" (")[0] for one in said}
    assert {f"{one.claim}  {one.check}" for one in audit.plan} <= said_of
    assert len(audit.plan) > 100
    assert "0 would not run" in said[-1]
    assert f"  reads   HTTP          GET http://{www.place}/, and what the check names beside; as nobody" in "\n".join(
        said
    )


def foreseen(target: Target, folder: Path, *checks: str) -> dict[str, Foreseen]:
    policy = folder / "policies.yaml"
    uses = ", ".join(checks)
    policy.write_text(
        "upheld: policy/1\nname: x\nclaims:\n  - {id: it, statement: It., section: S, severity: low, owner: o,"
        f" checks: [{uses}]}}\n"
    )
    loaded = load(policy, CATALOGUE, today=date(2026, 1, 1))
    return {one.planned.check: one for one in foresee(plan(loaded, CATALOGUE), CATALOGUE, target, folder)}


def test_operations_are_named_by_method_and_path_where_the_document_is_a_file(tmp_path: Path) -> None:
    server = TwoTenants(tmp_path / "log")
    server.port = 7
    (tmp_path / "openapi.json").write_text(json.dumps(openapi()))
    parts = server.target(openapi="openapi.json")
    target = Target.model_validate({"name": "x", "environment": "staging", **parts})
    found = foreseen(target, tmp_path, "tenancy.foreign_identifiers_are_refused", "limits.every_operation_is_limited")
    sent = {(one.by, one.what, one.whom, one.does) for one in found["tenancy.foreign_identifiers_are_refused"].sent}
    assert (HTTP, "POST /t/{tenant_id}/notes (addNote), a planted object", "ada, bob", PLANTS) in sent
    assert (
        HTTP,
        "POST /login (the login form)",
        "each identity when it is first needed, and when its session ends",
        READS,
    ) in sent
    assert not any("openapi" in what for _, what, _, _ in sent if what.startswith("GET"))
    bursts = [one for one in found["limits.every_operation_is_limited"].sent if "burst" in one.what]
    assert {one.does for one in bursts} == {WRITES}
    assert all(isinstance(one.most, int) for one in bursts)


def test_what_is_inferred_is_foreseen_too(tmp_path: Path) -> None:
    server = TwoTenants(tmp_path / "log")
    server.port = 7
    (tmp_path / "openapi.json").write_text(json.dumps(openapi(answers=True)))
    said = []
    for where in ("openapi.json", "/openapi.json"):
        parts = server.target(openapi=where, objects={}, infer_objects=True, parameters={})
        target = Target.model_validate({"name": "x", "environment": "staging", **parts})
        found = foreseen(target, tmp_path, "tenancy.foreign_identifiers_are_refused")
        sent = found["tenancy.foreign_identifiers_are_refused"].sent
        said.append({one.what for one in sent if one.does == PLANTS})
    assert said == [
        {
            "POST /t/{tenant_id}/notes (addNote), a planted object",
            "DELETE /t/{tenant_id}/notes/{note_id} (deleteNote), to remove it",
        },
        {
            "the operation which makes each kind that the document lets one infer, a planted object",
            "the operation which takes away what was made so, to remove it",
        },
    ]


def test_reading_logs_by_commands_is_told(tmp_path: Path) -> None:
    """Files on this machine send nothing. What looks for a credential's use in logs reads them too."""
    description = yaml.safe_load(SAMPLE.read_text())
    description["logs"] = [
        {"name": "here", "path": "logs/*.log"},
        {"name": "there", "path": "/var/log/shop.log", "connection": "ssh://auditor@web1.example.com"},
        {"name": "journal", "journald": {"unit": "shop.service"}},
        {"name": "output", "docker": {"container": "shop-web-1"}},
        {"name": "pods", "kubectl": {"namespace": "shop", "pod": "web-0"}, "cluster": "https://k8s.example.com:6443"},
    ]
    places = Places(Target.model_validate(description), tmp_path)
    wanted = {
        "commands that list and read logs, through ssh://auditor@web1.example.com",
        "journalctl of the unit shop.service",
        "inspect and logs of the container shop-web-1",
        "kubectl get and logs of pods in shop, from https://k8s.example.com:6443",
    }
    for kind, look in ((Logs, "search"), (Logs, "contains"), (Credentials, "use")):
        sent = [one for sends in kind.sends[look] for one in places.fill(sends, {})]
        assert {one.what for one in sent if one.by == COMMAND} == wanted
    assert COMMAND not in {one.by for one in Credentials.sends["enter"]}


def test_production_and_what_is_not_described_refuse(tmp_path: Path) -> None:
    description = yaml.safe_load(SAMPLE.read_text())
    description |= {"environment": "production", "allow_intrusive": ["retention.aged_records_are_removed"]}
    live = Target.model_validate(description)
    names = (
        "retention.aged_records_are_removed",
        "access.roles_are_enforced",
        "deletion.nothing_of_the_terminated_is_left",
    )
    known = [one for one in names if one in CATALOGUE]
    found = foreseen(live, tmp_path, *known)
    assert found["access.roles_are_enforced"].refused.startswith("intrusive")
    assert found["access.roles_are_enforced"].sent == ()
    assert found["retention.aged_records_are_removed"].refused == ""


def test_an_installed_target_is_not_started_for_it() -> None:
    with Audit(ROOT / "policies.yaml", find("reference"), catalogue=CATALOGUE) as audit, pytest.raises(InputError):
        list(lines(audit))


# --- house rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
def test_what_is_said_to_send_is_a_look_and_its_places_exist(kind: type[Probe]) -> None:
    for name, classes in kind.sends.items():
        assert getattr(getattr(kind, name, None), "__look__", False), f"{kind.name}.{name} is no look"
        for one in classes:
            items = set(models(Target, one.each)) if one.each else set()
            assert items or not one.each, f"{kind.name}.{name}: the target has no {one.each}"
            for place in re.findall(r"\{([^}]+)\}", one.what + one.whom):
                path = place.partition(":")[2] or place
                first = path.partition(".")[0]
                holders = [each for each in items if has(each, first)] or [Target]
                assert place in KNOWN or any(list(models(each, path)) for each in holders), (
                    f"{kind.name}.{name}: {place}"
                )


def test_a_check_whose_looks_change_something_is_intrusive() -> None:
    for one in CATALOGUE:
        names = looks_of(one)
        changing = [
            f"{kind.name}.{name}"
            for kind in one.probes.values()
            for name, classes in kind.sends.items()
            if name in names and any(each.does in {WRITES, PLANTS, CHANGES} for each in classes)
        ]
        assert bool(changing) == one.marks.intrusive, f"{one.id}: {changing}"


def test_every_look_of_a_check_can_be_told() -> None:
    for one in CATALOGUE:
        names = looks_of(one)
        assert any(
            getattr(getattr(kind, name, None), "__look__", False) for kind in one.probes.values() for name in names
        )
        # A look that is asked for by a computed name could not be told.
        assert not {"getattr", "methodcaller"} & names


def has(model: Any, name: str) -> bool:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return False
    return name in model.model_fields or isinstance(getattr(model, name, None), property)


def models(model: type[BaseModel], path: str) -> Iterator[Any]:
    """What kinds of part are at a path of names; the last may be a plain value, which then stands for itself."""
    kinds: list[Any] = [model]
    for name in path.split("."):
        if name.startswith("?"):
            assert all(has(one, name[1:]) for one in kinds)
            continue
        found: list[Any] = []
        for one in kinds:
            if has(one, name):
                field = one.model_fields.get(name)
                found += parts(field.annotation) if field else [str]
        kinds = found
    yield from kinds


def parts(annotation: Any) -> list[Any]:
    inner = [each for one in typing.get_args(annotation) for each in parts(one)]
    return inner or ([annotation] if annotation not in {type(None), ...} else [])
