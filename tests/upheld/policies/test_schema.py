"""The published JSON Schemas: up to date, valid, and of one mind with the loader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from upheld import documents
from upheld.catalogue import Catalogue
from upheld.errors import InputError
from upheld.policies import schema
from upheld.resources import builtin

ROOT = builtin()


@pytest.fixture(scope="module")
def published() -> dict[str, str]:
    """The text of each schema, made now from the built-in checks."""
    return schema.texts(Catalogue.load(ROOT / "checks"))


@pytest.mark.parametrize(
    "name", ["policies.schema.json", "waivers.schema.json", "target.schema.json", "fleet.schema.json"]
)
def test_the_published_schema_is_up_to_date(name: str, published: dict[str, str]) -> None:
    text = (ROOT / "schema" / name).read_text(encoding="utf-8")
    assert text == published[name], f"schema/{name} is out of date; run `python -m upheld.policies.schema`"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize(
    ("file", "name"), [("policies.yaml", "policies.schema.json"), ("waivers.yaml", "waivers.schema.json")]
)
def test_our_own_files_follow_the_published_schema(file: str, name: str) -> None:
    data = documents.load(ROOT / file).data
    text = (ROOT / file).read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema=schema/{name}\n")
    jsonschema.validate(
        data, json.loads((ROOT / "schema" / name).read_text(encoding="utf-8")), jsonschema.Draft202012Validator
    )


CLAIM = {"id": "a", "statement": "A.", "section": "S", "severity": "high", "owner": "o"}


def policy(**more: Any) -> dict[str, Any]:
    return {"upheld": "policy/1", "name": "T", "claims": [{**CLAIM, **more}]}


@pytest.mark.parametrize(
    ("data", "valid"),
    [
        (policy(), True),
        (policy(checks=["tls.is_plain"]), True),
        (policy(checks=[{"tls.is_plain": None}]), True),
        (policy(checks=[{"tls.is_plain": {}, "not_applicable": "So."}]), True),
        (policy(checks=[{"tls.refuses_old": {"minimum": "TLS 1.3", "hosts": ["a"]}}, {"tls.is_kept": {"days": 3}}]), True),
        (policy(checks=["tls.nothing"]), False),
        (policy(checks=["tls.is_kept"]), False),
        (policy(checks=[{"tls.is_kept": {}}]), False),
        (policy(checks=[{"tls.is_kept": {"days": "3"}}]), False),
        (policy(checks=[{"tls.is_kept": {"days": 3, "dayz": 3}}]), False),
        (policy(checks=[{"tls.refuses_old": {"minimum": "TLS 1.4"}}]), False),
        (policy(checks=[{"tls.is_plain": {}, "tls.refuses_old": {}}]), False),
        (policy(checks=[{"not_applicable": "So."}]), False),
        (policy(checks=[{"tls.is_plain": {}, "not_applicable": " "}]), False),
        (policy(checks=[{}]), False),
        (policy(severity="hgih"), False),
        (policy(statement=" "), False),
        (policy(colour="red"), False),
        (policy(id="A"), False),
        (policy(references={"soc2": ["CC6.1"], "iso27001": ["A.8.24", "8.2"], "popia": ["s19(1)"], "gdpr": ["Art. 32(1)(a)"]}), True),
        (policy(references={"soc2": ["6.1"]}), False),
        (policy(references={"iso27001": ["A.9.2.1"]}), False),
        ({"upheld": "policy/1", "extends": "base.yaml", "override": {"a": {"tls.is_kept": {"factor": 2.0}}}}, True),
        ({"upheld": "policy/1", "extends": ["base.yaml"], "include": "more.yaml"}, True),
        ({"upheld": "policy/1", "extends": "base.yaml", "override": {"a": {"tls.is_kept": {"x": 1}}}}, False),
        ({"upheld": "policy/1", "extends": "base.yaml", "override": {"a": {"tls.nothing": {}}}}, False),
        ({"upheld": "policy/2"}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_the_schema_and_the_loader_agree(project, data: dict[str, Any], valid: bool) -> None:
    made = schema.policies_schema(project.catalogue)
    jsonschema.Draft202012Validator.check_schema(made)
    assert jsonschema.Draft202012Validator(made).is_valid(data) is valid
    project.write("base.yaml", json.dumps(policy(checks=[{"tls.is_kept": {"days": 3}}])))
    project.write("more.yaml", json.dumps({"upheld": "policy/1", "claims": []}))
    project.write("policies.yaml", json.dumps(data))
    if valid:
        project.load()
    else:
        assert project.mistakes()


@pytest.mark.parametrize(
    ("entry", "valid"),
    [
        ({"claim": "a", "reason": "r", "approver": "b", "expires": "2027-01-31"}, True),
        ({"claim": "a", "reason": "r", "approver": "b"}, False),
        ({"claim": "a", "reason": "", "approver": "b", "expires": "2027-01-31"}, False),
        ({"claim": "a", "reason": "r", "approver": "b", "expires": 20270131}, False),
        ({"claim": "a", "reason": "r", "approver": "b", "expires": "2027-01-31", "for": "x"}, False),
    ],
)
def test_the_waivers_schema_knows_what_is_compulsory(entry: dict[str, Any], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(schema.waivers_schema()).is_valid({"waivers": [entry]}) is valid


def test_the_target_schema_knows_the_target(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(schema.target_schema())
    assert validator.is_valid(
        {"name": "x", "environment": "staging", "endpoints": [{"name": "a", "url": "https://a.example.com"}]}
    )
    assert not validator.is_valid({"name": "x", "environment": "stage"})
    assert not validator.is_valid({"name": "x", "environment": "staging", "endpoint": []})


def test_a_schema_names_every_check_with_its_sentence(project) -> None:
    made = schema.policies_schema(project.catalogue)
    assert made["$defs"]["tls.refuses_old"]["description"] == "Every endpoint refuses versions older than `minimum`."
    assert set(made["$defs"]["tls.is_kept"]["properties"]) == {"days", "factor", "strict"}


def test_a_check_that_no_json_can_carry_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from upheld import OBSERVED, check\nclass Odd: pass\n\n@check(basis=OBSERVED)\n"
        "def is_odd(*, odd: Odd):\n    '''It is odd.'''\n    yield\n"
    )
    with pytest.raises(InputError) as caught:
        schema.policies_schema(Catalogue.load(tmp_path))
    assert "odd.is_odd: its parameters have no JSON Schema" in str(caught.value)


def test_the_command_writes_the_schemas_of_a_project_s_own_checks(tmp_path: Path, published: dict[str, str]) -> None:
    own = tmp_path / "checks"
    own.mkdir()
    (own / "own.py").write_text(
        "from upheld import OBSERVED, check\n\n@check(basis=OBSERVED)\ndef is_ours(*, days: int = 3):\n    '''It is ours.'''\n    yield\n"
    )
    command = [sys.executable, "-W", "error", "-m", "upheld.policies.schema", "checks"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    made = json.loads((tmp_path / "schema" / "policies.schema.json").read_text(encoding="utf-8"))
    assert made["$defs"]["own.is_ours"]["properties"] == {"days": {"default": 3, "type": "integer"}}
    assert set(made["$defs"]) - set(json.loads(published["policies.schema.json"])["$defs"]) == {"own.is_ours"}
    (own / "own.py").write_text("x = ")
    failed = subprocess.run(command, cwd=tmp_path, check=False, timeout=120, capture_output=True, text=True)
    assert failed.returncode == 2
    assert "own.py" in failed.stderr
