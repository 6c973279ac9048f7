"""`upheld doctor`: what works is tried, what does not is told with what follows, and what was not tried is told too."""

from __future__ import annotations

import importlib
import json
import pkgutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import upheld.probes
from loopback import ROOT, Page, Pki, endpoint, free_port, server_context, web
from upheld.catalogue import Catalogue
from upheld.doctor import tools
from upheld.doctor.advice import SAMPLE, example
from upheld.doctor.diagnosis import Diagnosis, ProbeState, Standing, diagnose
from upheld.doctor.report import as_json, as_text
from upheld.errors import Unobservable
from upheld.plugin.audit import Audit
from upheld.probes.api import Api
from upheld.probes.base import Probe
from upheld.probes.trying import Asked, trials_of
from upheld.target.load import load_target
from upheld.target.model import Target
from upheld.target.references import unresolved
from upheld.target.start import find

from ...two_tenants import TwoTenants, secret_values

CATALOGUE = Catalogue.load(ROOT / "checks")
BUILT_IN = [importlib.import_module(one.name) for one in pkgutil.iter_modules(upheld.probes.__path__, "upheld.probes.")]
KINDS = [kind for name, kind in sorted(Probe.kinds.items()) if name and kind.__module__.startswith("upheld.probes.")]


def policy_of(folder: Path, **claims: str) -> Path:
    """A policy with one claim for each name, and what its `checks` hold."""
    file = folder / "policies.yaml"
    entries = "".join(
        f"  - {{id: {name}, statement: {name} holds, section: S, severity: low, owner: o, checks: [{checks}]}}\n"
        for name, checks in claims.items()
    )
    file.write_text(f"upheld: policy/1\nname: test\nclaims:\n{entries}", encoding="utf-8")
    return file


def target_of(folder: Path, **parts: Any) -> Path:
    file = folder / "target.yaml"
    given = {"upheld": "target/1", "name": "test", "environment": "staging", "timeout_seconds": 2, **parts}
    file.write_text(json.dumps(given), encoding="utf-8")
    return file


def diagnosed(policy: Path, target: str, *, log_in: bool = False, catalogue: Catalogue | None = CATALOGUE) -> Diagnosis:
    with Audit(policy, find(target), catalogue=catalogue) as audit:
        audit.start_target()
        assert not audit.target_fault
        workshop = audit.workshop()
        try:
            return diagnose(audit, workshop.session, Asked(log_in=log_in))
        finally:
            workshop.close()


def outlooks(found: Diagnosis) -> dict[str, str]:
    return {one.id: one.outlook.value for one in found.claims}


def probe(found: Diagnosis, name: str) -> ProbeState:
    return next(one for one in found.probes if one.name == name)


# --- nothing is left out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_probe_can_be_tried_and_every_part_that_it_needs_has_an_example(kind: type[Probe]):
    assert trials_of(kind) is not None
    for part in kind.needs:
        assert example(part).startswith(f"{part}:"), part


def test_the_examples_are_one_valid_target_with_every_part():
    target, _ = load_target(SAMPLE)
    settings = {"allow_intrusive", "ca", "networks", "domains", "samples", "limits", "contact"}
    assert {name for name in Target.model_fields if not getattr(target, name)} <= settings


def test_every_extra_is_named_with_the_tools_that_it_brings():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    no_tools = {
        "all",
        "dev",
        "reference",
        "mysql",
        "postgresql",
        "answers",
        "charts",
        "drift",
        "evidence",
        "fleet",
        "keyless",
        "notify",
        "pages",
        "pdf",
    }
    extras = set(project["project"]["optional-dependencies"]) - no_tools
    assert {name for name in extras if any(f"'upheld[{name}]'" in one.install for one in tools.TOOLS)} == extras
    probes = {kind.name for kind in KINDS}
    assert {name for one in tools.TOOLS for name in one.probes} <= probes


def test_a_tool_that_is_missing_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("upheld.probes.tools.sys.executable", str(tmp_path / "python"))
    for one in tools.TOOLS:
        if one.programs:
            with pytest.raises(Unobservable, match="is not installed: ") as caught:
                one.find()
            assert one.install in caught.value.reason
    absent = tools.Tool("absent", "pip install absent", ("http",), module="upheld_absent")
    with pytest.raises(Unobservable, match="absent is not installed: pip install absent"):
        absent.find()


def test_secrets_are_found_by_what_a_field_is(tmp_path: Path):
    target, _ = load_target(SAMPLE)
    found = set(unresolved(target, tmp_path))
    assert {part for part, _ in found} >= {"database", "identities", "forge", "staff", "internal", "encryption"}
    assert (
        "forge",
        "the secret env:FORGE_AUDIT_TOKEN is not there: the environment has no variable FORGE_AUDIT_TOKEN",
    ) in found
    assert len([one for one in found if one[0] == "database"]) == 2


# --- targets ---------------------------------------------------------------------------------------------------------

WEB = {"secure": "tls.refuses_old_versions", "hsts": "web.hsts_is_set"}


def test_what_the_target_lacks_is_said_with_what_to_add(tmp_path: Path):
    policy = policy_of(tmp_path, **WEB, apart="tenancy.row_security_is_forced", bare="")
    found = diagnosed(policy, str(target_of(tmp_path)))
    assert outlooks(found) == {
        "secure": "inconclusive",
        "hsts": "inconclusive",
        "apart": "inconclusive",
        "bare": "uncovered",
    }
    assert {one.standing for one in found.probes} == {Standing.LACKING}
    assert dict(found.lacks) == {"endpoints": ("secure", "hsts"), "database": ("apart",)}
    assert not found.ready
    text = as_text(found)
    assert "the target describes no database  (tenancy.row_security_is_forced)" in text
    assert "# for secure, hsts\nendpoints:\n  - {name: www" in text
    assert "UNCOVERED: no check decides bare" in text
    added = yaml.safe_load(json.loads(as_json(found))["lacks"][1]["example"])
    assert added["database"]["url"] == "env:AUDIT_DATABASE_URL"


def test_a_dead_target_is_said_to_be_one(tmp_path: Path):
    dead = endpoint("www", free_port())
    found = diagnosed(policy_of(tmp_path, **WEB), str(target_of(tmp_path, endpoints=[dead])))
    assert set(outlooks(found).values()) == {"inconclusive"}
    assert {one.name: one.standing for one in found.probes} == {"http": Standing.BROKEN, "tls": Standing.BROKEN}
    assert "connection refused by www" in as_text(found)
    assert not found.lacks


def test_what_works_is_tried_by_looks_that_change_nothing(tmp_path: Path):
    asked: list[str] = []

    def answer(method: str, path: str, headers: Mapping[str, str]) -> Page:
        asked.append(method)
        return 200, {"Content-Type": "text/html"}, b"<main>Hello.</main>"

    pki = Pki(tmp_path)
    with web(answer, server_context(pki.issue("www.rivet.example"))) as port:
        parts = {"endpoints": [endpoint("www", port)], "ca": str(pki.ca)}
        found = diagnosed(policy_of(tmp_path, **WEB), str(target_of(tmp_path, **parts)))
    assert set(outlooks(found).values()) == {"ready"}
    assert found.ready
    assert set(asked) <= {"GET", "HEAD"}
    assert "everything that was tried works for 2 of 2 claims\n" in as_text(found)
    assert "This says nothing of whether a claim is true" in as_text(found)


def test_each_log_is_tried_and_so_are_the_programs_that_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "app.log").write_text("said\n", encoding="utf-8")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    logs = [
        {"name": "app", "path": "app.log"},
        {"name": "gone", "path": "gone.log"},
        {"name": "output", "docker": {"container": "shop"}},
    ]
    policy = policy_of(tmp_path, kept="credentials.session_tokens_stay_out_of_logs")
    found = diagnosed(policy, str(target_of(tmp_path, logs=logs)))
    tried = {one.what: one.works for one in probe(found, "logs").tried}
    assert {what: tried[what] for what in ("log app", "log gone", "log output")} == {
        "log app": True,
        "log gone": False,
        "log output": False,
    }
    assert "no file at gone.log" in as_text(found)
    described = Target.model_validate({"name": "x", "environment": "staging", "logs": logs})
    assert "docker" in {one.name for one in tools.needed_by("logs", described)}
    assert not {"podman", "kubectl", "journalctl", "ssh"} & {one.name for one in tools.needed_by("logs", described)}


def test_one_dead_endpoint_of_two_leaves_doubt(tmp_path: Path):
    with web({"/": (200, {}, b"hello")}) as port:
        places = [endpoint("here", port, scheme="http"), endpoint("gone", free_port(), scheme="http")]
        found = diagnosed(policy_of(tmp_path, hsts=WEB["hsts"]), str(target_of(tmp_path, endpoints=places)))
    tried = probe(found, "http").tried
    assert [(one.works, one.what.partition(" ")[0]) for one in tried] == [(True, "here"), (False, "gone")]
    assert outlooks(found) == {"hsts": "in doubt"}


def test_only_what_a_check_looks_at_concerns_it(tmp_path: Path):
    """A register that is not there is nothing to a check that never reads it."""
    (tmp_path / "incidents.yaml").write_text("- {id: one}\n", encoding="utf-8")
    registers = {"folder": ".", "incidents": {"file": "incidents.yaml"}}
    policy = policy_of(
        tmp_path,
        told="registers.customers_are_told_in_time: {within_hours: 72}",
        reviewed="registers.access_reviews_are_held: {interval_days: 92}",
    )
    found = diagnosed(policy, str(target_of(tmp_path, registers=registers)))
    assert outlooks(found)["reviewed"] == "inconclusive"
    assert "the target declares no register of access reviews" in as_text(found)
    assert not [
        one for claim in found.claims if claim.id == "told" for one in claim.obstacles if "access" in one.reason
    ]


def test_an_intrusive_check_in_production_must_be_allowed_by_name(tmp_path: Path):
    intrusive = next(one.id for one in CATALOGUE if one.marks.intrusive and not one.parameters.model_fields)
    found = diagnosed(policy_of(tmp_path, writes=intrusive), str(target_of(tmp_path, environment="production")))
    assert found.forbidden == (intrusive,)
    assert f"allow_intrusive: [{intrusive}]" in as_text(found)


def test_no_reset_is_missed_only_where_checks_may_write(tmp_path: Path):
    intrusive = next(one.id for one in CATALOGUE if one.marks.intrusive and not one.parameters.model_fields)
    reading = next(one.id for one in CATALOGUE if not one.marks.intrusive and not one.parameters.model_fields)
    reset = {"state": "the seed", "command": {"run": ["./reset.sh"]}}
    for check, parts, wanted, words in (
        (intrusive, {}, "", "(upheld clean --reset):"),
        (
            intrusive,
            {"reset": reset},
            "the command ./reset.sh",
            "RESET: upheld clean --reset puts the whole deployment back, by the command ./reset.sh",
        ),
        (intrusive, {"environment": "production"}, None, ""),
        (intrusive, {"environment": "production", "allow_intrusive": [intrusive]}, None, ""),
        (reading, {}, None, ""),
    ):
        found = diagnosed(policy_of(tmp_path, claim=check), str(target_of(tmp_path, **parts)))
        assert found.reset == wanted
        assert json.loads(as_json(found))["reset"] == wanted
        assert words in as_text(found)
        assert (example("reset") in as_text(found)) is (wanted == "")
        assert words or "--reset" not in as_text(found)


def test_a_secret_that_is_not_there_leaves_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NOT_THERE", raising=False)
    pki = Pki(tmp_path)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "paths": {"/me": {"get": {"operationId": "getMe", "responses": {}}}},
    }
    pages: dict[str, Page] = {
        "/openapi.json": (200, {"Content-Type": "application/json"}, json.dumps(document).encode())
    }
    identity = {
        "name": "ada",
        "role": "owner",
        "tenant": "a",
        "login": "password",
        "secrets": {"password": "env:NOT_THERE"},
    }
    with web(pages, server_context(pki.issue("www.rivet.example"))) as port:
        file = target_of(
            tmp_path,
            endpoints=[endpoint("api", port)],
            ca=str(pki.ca),
            api={"endpoint": "api", "openapi": "/openapi.json", "logins": {"password": {"path": "/in", "json": {}}}},
            tenants=[{"name": "a", "id": "1"}],
            identities=[identity],
        )  # fmt: skip
        policy = policy_of(tmp_path, apart="tenancy.foreign_identifiers_are_refused")
        quiet, bold = diagnosed(policy, str(file)), diagnosed(policy, str(file), log_in=True)
    assert outlooks(quiet) == {"apart": "in doubt"}
    assert quiet.secrets == (
        ("identities", "the secret env:NOT_THERE is not there: the environment has no variable NOT_THERE"),
    )
    assert "1 operation, as a stranger is shown it" in as_text(quiet)
    assert "not tried: logging in (--log-in tries it)" in as_text(quiet)
    assert outlooks(bold) == {"apart": "inconclusive"}


def test_a_driver_that_is_missing_is_named_with_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE", "oracle+cx_oracle://auditor:not-a-password@127.0.0.1:1/shop")
    policy = policy_of(tmp_path, apart="tenancy.row_security_is_forced")
    found = diagnosed(policy, str(target_of(tmp_path, database={"url": "env:DATABASE"})))
    assert outlooks(found) == {"apart": "inconclusive"}
    text = as_text(found)
    assert (
        "pip install 'upheld[postgresql]' for PostgreSQL, 'upheld[mysql]' for MySQL and MariaDB, or the driver" in text
    )
    assert "not-a-password" not in text + as_json(found)


def test_a_catalogue_that_hides_tables_is_told_with_the_right_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mariadb: Any
):
    name = mariadb.database("CREATE TABLE notes (tenant int)", "CREATE TABLE other (tenant int)")
    monkeypatch.setenv("DATABASE", mariadb.account(name, f"GRANT SELECT ON {name}.notes TO {{account}}"))
    policy = policy_of(tmp_path, apart="tenancy.row_security_is_forced")
    target = target_of(tmp_path, database={"url": "env:DATABASE", "tenant_column": "tenant"})
    found = diagnosed(policy, str(target))
    assert outlooks(found) == {"apart": "inconclusive"}
    assert f"GRANT SELECT ON {name}.* to it" in as_text(found)


OWN = '''
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check
from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.trying import Asked, Trial, tries


class Silent(Probe):
    """Nobody has written how to try it out."""

    name = "silent"

    @look
    def see(self) -> str:
        """Something."""
        return "seen"


class Breaking(Probe):
    """Its trial breaks."""

    name = "breaking"


@tries(Breaking)
def _breaking(probe: Breaking, asked: Asked) -> Iterator[Trial]:
    yield Trial("the thing", lambda: str(1 / 0))


@check(basis=OBSERVED)
def is_silent(silent: Silent) -> Iterator[Finding]:
    """It is there."""
    yield Finding("it", passed=bool(silent.see()), expected="", observed="")


@check(basis=OBSERVED)
def is_broken(breaking: Breaking) -> Iterator[Finding]:
    """It is there."""
    yield Finding("it", passed=True, expected="", observed="")
'''


def test_a_stranger_s_probe_is_tried_like_ours_and_what_nobody_tries_is_said(tmp_path: Path):
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "strange.py").write_text(OWN, encoding="utf-8")
    policy = policy_of(tmp_path, silent="strange.is_silent", broken="strange.is_broken")
    found = diagnosed(policy, str(target_of(tmp_path)), catalogue=None)
    assert outlooks(found) == {"silent": "in doubt", "broken": "inconclusive"}
    assert not found.ready
    assert "not tried: nobody has written how to try this probe out" in as_text(found)
    assert "the thing: it broke: ZeroDivisionError" in as_text(found)


def test_what_a_target_says_is_harmless_to_show(tmp_path: Path):
    page = (200, {"Content-Type": "application/json"}, b'{"updated_at": "\\u001b[31m<script>"}')
    with web({"/status.json": page}) as port:
        status = {"url": f"http://www.rivet.example:{port}/status.json", "interval_seconds": 1}
        parts = {"endpoints": [endpoint("www", port, scheme="http")], "status_page": status}
        found = diagnosed(policy_of(tmp_path, up="status.keeps_looking"), str(target_of(tmp_path, **parts)))
    assert outlooks(found) == {"up": "inconclusive"}
    assert "\x1b" not in as_text(found)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_has_an_exit_code_of_its_own(project):
    project.claims(("good", "own.holds"), ("reads", "tls.refuses_old_versions"))
    done = project.upheld("doctor", "--target", "target.yaml", "--json")
    assert done.returncode == 5, done.stderr
    said = json.loads(done.stdout)
    assert (said["format"], said["ready"]) == ("upheld-doctor/1", False)
    assert {one["id"]: one["outlook"] for one in said["claims"]} == {"good": "ready", "reads": "inconclusive"}
    done = project.upheld("doctor", "policies.yaml", "--target", "target.yaml", "--claims", "good")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ clock" in done.stdout
    assert project.upheld("doctor", "--target", "absent.yaml").returncode == 2


def test_operations_that_the_target_declares_need_no_document(session_of: Any) -> None:
    declared = {"endpoint": "api", "declared": {"me": {"call": "GET /me"}, "all": {"call": "GET /all"}}}
    session = session_of(endpoints=[endpoint("api", 1, scheme="http")], api=declared)
    trials = trials_of(Api)
    assert trials is not None
    (trial,) = [one for one in trials.make(session.probe(Api), Asked()) if one.what == "operations"]
    assert trial.call() == "2 operations, as the target declares them"


def test_recipes_that_are_inferred_are_listed(session_of: Any, tmp_path: Path) -> None:
    with TwoTenants(tmp_path / "log", "answers described").serving() as server:
        session = session_of(
            secret_values=secret_values(), **server.target(objects={}, infer_objects=True, parameters={})
        )
        trials = trials_of(Api)
        assert trials is not None
        (trial,) = [one for one in trials.make(session.probe(Api), Asked()) if one.what.startswith("recipes")]
        said = trial.call()
    assert "note: addNote (POST /t/{tenant_id}/notes) makes what getNote" in said
    assert "Not inferred: addLink (POST /t/{tenant_id}/links): no GET shows one" in said
