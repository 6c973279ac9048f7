"""fleet.yaml: what it expands to, and every mistake of all its files said at once, each at the place where it stands."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from upheld import documents
from upheld.errors import InputError, Mistake
from upheld.fleet import members as loading
from upheld.fleet.filling import merge
from upheld.fleet.hosts import KINDS, hosts_of, limited_as
from upheld.fleet.members import Fleet, Member, load_fleet
from upheld.fleet.policies import Known
from upheld.policies import schema
from upheld.resources import builtin
from upheld.target.load import load_target
from upheld.target.model import Target

ROOT = builtin()
EXAMPLE = ROOT / "examples" / "fleet"
TARGET = """\
upheld: target/1
name: Acme
environment: staging
endpoints:
  - {name: www, url: "https://www.acme.example"}
"""
TEMPLATE = """\
upheld: target/1
name: Tenant ${name}
environment: staging
endpoints:
  - {name: www, url: "https://${host}:${port}/", address: "${address}"}
check_seconds: ${seconds}
"""


class Policies:
    """Policies of the claims a and b, whatever the file says."""

    def policy(self, path: Path) -> Known:
        if not path.is_file():
            raise InputError([Mistake(str(path), 0, 0, "the file does not exist", expected="a YAML file")])
        return Known(path.read_text(encoding="utf-8"), {"tls-floor": {"tls.x"}, "backups": set()}, ["tls.x"])

    def waivers(self, path: Path, known: Known) -> str:
        if "bad" in path.name:
            raise InputError([Mistake(str(path), 3, 5, "'reason' is missing", expected="a value for 'reason'")])
        return path.read_text(encoding="utf-8")


class Project:
    """A folder with a policy, in which fleets are written and loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("p.yaml", "")
        self.write("acme.yaml", TARGET)
        self.write("tenant.yaml", TEMPLATE)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def fleet(self, targets: str, head: str = "policy: p.yaml\n") -> Path:
        return self.write("fleet.yaml", f"format: upheld-fleet/1\nname: production\n{head}targets:\n{targets}")

    def load(self, targets: str, head: str = "policy: p.yaml\n") -> Fleet:
        return load_fleet(self.fleet(targets, head), Policies())

    def members(self, targets: str) -> dict[str, Member]:
        return {one.name: one for one in self.load(targets).members}

    def mistakes(self, targets: str, head: str = "policy: p.yaml\n") -> list[str]:
        with pytest.raises(InputError) as caught:
            self.load(targets, head)
        return [str(one).replace(f"{self.folder}/", "") for one in caught.value.mistakes]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


# --- what it expands to ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example() -> Fleet:
    """The example, with its real policies."""
    return load_fleet(EXAMPLE / "fleet.yaml")


def test_the_example_expands_to_its_targets(example: Fleet) -> None:
    found = {one.name: one for one in example.members}
    assert (example.name, example.at_once, example.limits and example.limits.per_second) == ("production", 8, 20)
    assert list(found) == ["acme", "eu-north", "eu-west", "bakery", "florist", "joiner", "try-out"]
    assert found["acme"].target["environment"] == "production"
    assert (found["acme"].policy, found["acme"].base) == (EXAMPLE / "strict.yaml", EXAMPLE / "targets")
    assert found["acme"].waivers == EXAMPLE / "waivers" / "acme.yaml"
    assert found["eu-west"].target["timeout_seconds"] == 20
    assert found["eu-west"].hosts == {"eu-west.shop.example", "api.eu-west.shop.example"}
    assert found["joiner"].target["endpoints"] == [
        {"name": "www", "url": "https://joiner.shop.example:8443", "address": "192.0.2.18"}
    ]
    assert found["joiner"].target["limits"] == {"hosts": {"joiner.shop.example": {"per_second": 5}}}
    assert found["bakery"].target["endpoints"][0]["address"] is None
    assert (found["try-out"].claims, found["bakery"].claims) == (("encrypted",), ())
    assert found["joiner"].place == f"{EXAMPLE / 'tenants.csv'}:4:1"


def test_the_guide_shows_the_example_as_it_is() -> None:
    guide = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    for name in ("fleet.yaml", "tenant.yaml"):
        assert f"```yaml\n{(EXAMPLE / name).read_text(encoding='utf-8')}```" in guide
    model = schema.fleet_schema()
    fields = {*model["properties"], *model["$defs"]["TargetEntry"]["properties"]}
    assert {name for name in fields if f"| `{name}` |" not in guide} == set()


def test_the_guide_shows_what_is_really_said(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    shutil.copytree(EXAMPLE, folder)
    for file, before, after in (("fleet.yaml", "contact", "contcat"), ("tenants.csv", "192.0.2.17", "florist")):
        text = (folder / file).read_text(encoding="utf-8")
        (folder / file).write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_fleet(folder / "fleet.yaml")
    guide = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    for one in caught.value.mistakes:
        assert f"    {str(one).replace(f'{folder}/', '')}\n" in guide


def test_each_member_is_a_target_that_could_stand_in_a_file_of_its_own(example: Fleet, tmp_path: Path) -> None:
    for one in example.members:
        file = tmp_path / f"{one.name}.yaml"
        file.write_text(yaml.safe_dump(one.target), encoding="utf-8")
        assert hosts_of(load_target(file)[0]) == one.hosts


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("fleet", ["fleet.yaml"]),
        ("policies", ["policies.yaml", "strict.yaml"]),
        ("waivers", ["waivers/acme.yaml"]),
        ("target", ["targets/acme.yaml", "targets/eu-north.yaml", "targets/eu-west.yaml"]),
    ],
)
def test_the_examples_files_keep_to_the_published_schemas(name: str, files: list[str]) -> None:
    validator = jsonschema.Draft202012Validator(
        json.loads((ROOT / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))
    )
    for file in files:
        validator.validate(documents.load(EXAMPLE / file).data)


def test_the_digest_is_over_all_that_the_fleet_took_in_and_the_same_from_anywhere(
    example: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLE, copy)
    monkeypatch.chdir(tmp_path)
    assert load_fleet(Path("copy/fleet.yaml")).digest == example.digest
    known = {one.name: one.digest for one in example.members}
    for file, changed in (
        ("policies.yaml", {*known}),
        ("waivers/acme.yaml", {"acme"}),
        ("targets/eu-west.yaml", {"eu-west"}),
        ("tenant.yaml", {"bakery", "florist", "joiner", "try-out"}),
        ("tenants.csv", {"bakery"}),
    ):
        path = copy / file
        before = path.read_text(encoding="utf-8")
        path.write_text(
            before.replace("Acme", "ACME")
            .replace("bakery.", "baker.")
            .replace("EU west", "EU West")
            .replace("Tenant ", "The tenant ")
            .replace("Head of", "The head of")
            .replace("is valid", "holds"),
            encoding="utf-8",
        )
        assert path.read_text(encoding="utf-8") != before
        fleet = load_fleet(Path("copy/fleet.yaml"))
        assert fleet.digest != example.digest, file
        assert {one.name for one in fleet.members if one.digest != known[one.name]} == changed, file
        path.write_text(before, encoding="utf-8")
    assert load_fleet(copy / "fleet.yaml").digest == example.digest


@pytest.mark.parametrize(
    ("under", "over", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_overlays_are_merged_as_rfc_7396_says(under: Any, over: Any, merged: Any) -> None:
    assert merge(under, over) == merged


def test_the_name_of_a_file_is_the_name_of_its_target_unless_it_is_given(project: Project) -> None:
    project.write("t/one.yaml", TARGET)
    project.write("t/deep/two.yaml", TARGET.replace("www", "two"))
    found = project.members(
        "  - {file: acme.yaml, claims: [backups, tls-floor, backups]}\n  - {glob: 't/**/*.yaml', overlay: {name: X}}\n"
    )
    assert list(found) == ["acme", "two", "one"]
    assert found["acme"].claims == ("backups", "tls-floor")
    assert [found[name].base for name in found] == [project.folder, project.folder / "t/deep", project.folder / "t"]


def rows(kind: str) -> tuple[str, str]:
    """The same parameters as a list in the fleet's file, or in a file of each kind: what `with` says, and the file."""
    listed = [
        {"name": "a", "host": "a.example", "port": 443, "address": None, "seconds": 30},
        {"name": "b", "host": "b.example", "port": 8443, "address": "192.0.2.7", "seconds": 20.5},
    ]
    if kind == "csv":
        return (
            "rows.csv",
            'name,host,port,address,seconds\r\na,a.example,443,,30\r\n\r\nb , "b.example",8443,192.0.2.7,20.5\r\n',
        )
    if kind == "list":
        return json.dumps(listed), ""
    return f"rows.{kind}", json.dumps(listed) if kind == "json" else yaml.safe_dump(listed)


@pytest.mark.parametrize("kind", ["list", "csv", "yaml", "json"])
def test_a_template_is_filled_from_rows_of_any_kind_and_their_types_are_those_of_the_fields(
    project: Project, kind: str
) -> None:
    given, text = rows(kind)
    if text:
        project.write(given, text)
    found = project.members(f"  - {{template: tenant.yaml, with: {given}}}\n")
    assert {name: one.target["endpoints"][0] for name, one in found.items()} == {
        "a": {"name": "www", "url": "https://a.example:443/", "address": None},
        "b": {"name": "www", "url": "https://b.example:8443/", "address": "192.0.2.7"},
    }
    assert [one.target["check_seconds"] for one in found.values()] == [30, 20.5]
    assert [one.target["name"] for one in found.values()] == ["Tenant a", "Tenant b"]


def test_what_looks_like_a_number_in_a_table_stays_the_text_that_it_is(project: Project) -> None:
    project.write(
        "tenant.yaml", TARGET + 'tenants:\n  - {name: one, id: "${id}"}\nvantage: {name: "${id}/${version}"}\n'
    )
    project.write("rows.csv", "name,id,version\na,0042,1.10\n")
    (one,) = project.members("  - {template: tenant.yaml, with: rows.csv}\n").values()
    assert one.target["tenants"] == [{"name": "one", "id": "0042"}]
    assert one.target["vantage"] == {"name": "0042/1.10"}


def test_json_is_read_as_json_is_written(project: Project) -> None:
    project.write("tenant.yaml", TARGET.replace("Acme", "${note}"))
    notes = ["\U0001f600 é \\ud83d\\ude00 \\", "\\\U0001f600/\t"]
    listed = [{"name": f"t{number}", "note": note} for number, note in enumerate(notes)]
    project.write("rows.json", json.dumps(listed, indent="\t").replace("/", "\\/"))
    found = project.members("  - {template: tenant.yaml, with: rows.json}\n")
    assert [one.target["name"] for one in found.values()] == notes
    project.write("rows.json", '[{"name": "a", "note": "\\ud83d"}]')
    (said,) = project.mistakes("  - {template: tenant.yaml, with: rows.json}\n")
    assert said.startswith("rows.json:1:")


def test_parameters_fill_texts_keys_and_overlays_and_are_never_read_as_yaml_or_filled_again(project: Project) -> None:
    project.write("tenant.yaml", TARGET.replace("Acme", "$$5 ${name} $ ${odd} $$${name}") + "samples: ${samples}\n")
    odd = '"\\"]: {x: !!y ${name}"'
    overlay = '{vantage: {name: "${name} ${on} ${count}"}, limits: {hosts: {"${host}": {requests: "${count}"}}}}'
    found = project.members(
        f"  - template: tenant.yaml\n    overlay: {overlay}\n"
        f"    with: [{{name: a, odd: {odd}, on: true, count: 7, host: www.acme.example, samples: [x, y]}}]\n"
    )
    target = found["a"].target
    assert target["name"] == '$5 a $ "]: {x: !!y ${name} $a'
    assert target["vantage"]["name"] == "a true 7"
    assert target["limits"]["hosts"] == {"www.acme.example": {"requests": 7}}
    assert target["samples"] == ["x", "y"]


def test_descriptions_that_are_no_templates_may_hold_whatever_looks_like_a_parameter(project: Project) -> None:
    project.write("acme.yaml", TARGET.replace("Acme", "${name} $$"))
    (one,) = project.members("  - {file: acme.yaml, overlay: {vantage: {name: '${x}'}}}\n").values()
    assert (one.target["name"], one.target["vantage"]) == ("${name} $$", {"name": "${x}"})


def test_what_is_sent_something_besides_http_is_told_apart_by_where_it_is() -> None:
    target = Target.model_validate(
        {
            "name": "x",
            "environment": "staging",
            "endpoints": [{"name": "www", "url": "https://WWW.acme.example./"}],
            "forge": {"url": "https://forge.example", "owner": "o", "repository": "r", "token": "env:T"},
            "database": {"url": "env:URL"},
            "backups": {"store": "s3://bucket/path", "hosts": ["s3.example"]},
            "host": {"connection": "ssh://me@DB1.acme.example:2222?sudo=true"},
            "logs": [
                {"name": "a", "path": "/var/log/*"},
                {"name": "b", "path": "/var/log/b", "connection": "ssh://db1.acme.example"},
                {"name": "c", "journald": {"unit": "x"}},
                {"name": "d", "docker": {"container": "shop"}, "connection": "docker://web"},
                {"name": "e", "kubectl": {"selector": "app=x"}, "cluster": "https://K8S.example:6443"},
                {"name": "f", "path": "/x", "connection": "kubectl://pod", "cluster": "https://k8s.example:6443"},
            ],
        }
    )
    hosts = hosts_of(target)
    assert hosts == {
        "www.acme.example",
        "forge.example",
        "the database env:URL",
        "the backup store s3://bucket/path",
        "the host db1.acme.example",
        "the host local://",
        "the host docker://web",
        "the host k8s.example",
    }
    assert {limited_as(one) for one in hosts} == {"www.acme.example", "forge.example", *KINDS}


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ("  []\n", ["fleet.yaml:5:3: the fleet has no targets; expected at least one target"]),
        ("  - {}\n", ["fleet.yaml:5:5: the entry names no target; expected one of file, glob, template"]),
        (
            "  - {file: acme.yaml, glob: x}\n",
            ["fleet.yaml:5:5: the entry has both 'file' and 'glob'; expected one of file, glob, template"],
        ),
        (
            "  - {glob: acme.*, name: x, with: []}\n",
            [
                "fleet.yaml:5:20: 'name' has no meaning beside 'glob'; expected it beside 'file' only",
                "fleet.yaml:5:29: 'with' has no meaning beside 'glob'; expected it beside 'template' only",
            ],
        ),
        ("  - {fiel: acme.yaml}\n", [
            "fleet.yaml:5:5: the entry names no target; expected one of file, glob, template",
            "fleet.yaml:5:6: 'fiel' is not known here; did you mean 'file'?",
        ]),
        ("  - {file: acne.yaml}\n", ["fleet.yaml:5:12: acne.yaml: the file does not exist; did you mean 'acme.yaml'?"]),
        ("  - {glob: 'x-*'}\n", ["fleet.yaml:5:12: the pattern matches no file; got 'x-*'; expected at least one description of a target"]),
        ("  - {file: p.yaml}\n", ["p.yaml:1:1: the file is empty; expected a YAML document"]),
        ("  - {file: acme.yaml, policy: q.yaml}\n", ["fleet.yaml:5:31: q.yaml: the file does not exist; expected a YAML file"]),
        ("  - {file: acme.yaml, waivers: w-bad.yaml}\n", ["w-bad.yaml:3:5: 'reason' is missing; expected a value for 'reason'"]),
        ("  - {file: acme.yaml, claims: [tls-flor, backups]}\n", ["fleet.yaml:5:32: the policy has no claim 'tls-flor'; did you mean 'tls-floor'?"]),
        ("  - {file: acme.yaml, claims: []}\n", ["fleet.yaml:5:31: no claim is named; expected at least one, or no 'claims'"]),
        (
            "  - {file: acme.yaml}\n  - {file: acme.yaml, name: ACME, overlay: {name: X}}\n",
            ["fleet.yaml:6:29: two targets are called 'ACME': the first is at fleet.yaml:5:12; expected a name of its own"],
        ),
        (
            "  - {file: acme.yaml}\n  - {file: acme.yaml, name: other}\n",
            ["fleet.yaml:6:29: the target 'other' is the same as 'acme', which is at fleet.yaml:5:12; expected each target once"],
        ),
        (
            "  - {file: acme.yaml, name: ../x}\n",
            [
                "fleet.yaml:5:29: the name is not valid: a folder will be called so; got '../x'; expected letters, digits, '.', '_' and '-', at most 100",
            ],
        ),
    ],
)  # fmt: skip
def test_mistakes_of_entries(project: Project, targets: str, said: list[str]) -> None:
    assert project.mistakes(targets) == said


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("{enviroment: production}", "fleet.yaml:6:15: 'enviroment' is not known here (in the target acme); did you mean 'environment'?"),
        ("{environment: prod}", "fleet.yaml:6:28: environment is not valid (in the target acme); got 'prod'; expected 'production', 'staging' or 'reference'; did you mean 'production'?"),
        ("{name: null}", "fleet.yaml:6:15: 'name' is missing, for it is removed here (in the target acme); expected a value for 'name'"),
        ("{endpoints: [{name: www}]}", "fleet.yaml:6:27: 'url' is missing (in the target acme); expected a value for 'url'"),
        ("{limits: {hosts: {wwww.acme.example: {}}}}", "fleet.yaml:6:32: the target names no host 'wwww.acme.example' (in the target acme); did you mean 'www.acme.example'?"),
        ("{allow_intrusive: [tls.y]}", "fleet.yaml:6:33: no check is called 'tls.y' (in the target acme); did you mean 'tls.x'?"),
        ("{vantage: 3}", "fleet.yaml:6:24: vantage is not valid (in the target acme); got 3; expected a mapping"),
        # Only what the overlay itself says stands in it.
        ("{api: {endpoint: www}}", "fleet.yaml:6:20: api: the API needs its OpenAPI document (openapi) or declared operations (in the target acme); got a mapping"),
    ],
)  # fmt: skip
def test_mistakes_of_an_overlay_are_told_in_it(project: Project, overlay: str, said: str) -> None:
    assert said in project.mistakes(f"  - file: acme.yaml\n    overlay: {overlay}\n")


def test_mistakes_of_a_description_under_an_overlay_are_told_where_they_stand(project: Project) -> None:
    project.write(
        "acme.yaml", TARGET.replace("upheld: target/1", "uphed: target/1") + "vantage: {nam: x}\ndomains: 7\n"
    )
    said = project.mistakes(
        "  - file: acme.yaml\n    overlay: {vantage: {source_addresses: [here]}, domains: [a.example]}\n"
    )
    assert said == [
        "fleet.yaml:6:44: vantage.source_addresses.0: an IP address, not a name (in the target acme); got 'here'",
        "acme.yaml:1:1: 'uphed' is not known here (in the target acme); did you mean 'upheld'?",
        "acme.yaml:6:11: 'nam' is not known here (in the target acme); did you mean 'name'?",
    ]


def test_names_that_clash_across_files_are_told_with_both_places(project: Project) -> None:
    said = project.mistakes("  - file: acme.yaml\n    overlay: {tenants: [{name: a, id: '1'}, {name: a, id: '2'}]}\n")
    (one,) = [line for line in said if "two tenant entries" in line]
    assert one.startswith("fleet.yaml:6:52: two tenant entries are called 'a': the first is at ")
    assert "fleet.yaml:6:32 (in the target acme)" in one


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{name: a, hots: h, port: 1, address: null, seconds: 1}",
         ["fleet.yaml:7:9: the parameter 'host' is missing, which tenant.yaml:5:22 asks for (in the target a); did you mean 'hots'?"]),
        ("{name: a, host: 1.10, port: null, address: null, seconds: 1}",
         ["fleet.yaml:7:25: the parameter 'host' stands among other text at tenant.yaml:5:22, and is no text (in the target a); got 1.1; expected a text (in quotes)",
          "fleet.yaml:7:37: the parameter 'port' stands among other text at tenant.yaml:5:22, and is no text (in the target a); got nothing; expected a text (in quotes)"]),
        ("{name: a, host: h, port: 1, address: there, seconds: soon}",
         ["fleet.yaml:7:46: endpoints.0.address: an IP address, not a name (in the target a); got 'there'",
          "fleet.yaml:7:62: check_seconds is not valid (in the target a); got 'soon'; expected a number"]),
        ("{name: a, host: '[', port: 1, address: null, seconds: 1}",
         ["tenant.yaml:5:22: endpoints.0.url: Value error, Invalid IPv6 URL (in the target a); got 'https://[:1/'"]),
        ("{name: a b, host: h, port: 1, address: null, seconds: 1}",
         ["fleet.yaml:7:16: the name is not valid: a folder will be called so; got 'a b'; expected letters, digits, '.', '_' and '-', at most 100"]),
        ("{name: 7, host: h, port: 1, address: null, seconds: 1}",
         ["fleet.yaml:7:16: the name is not valid: a folder will be called so; got 7; expected letters, digits, '.', '_' and '-', at most 100"]),
        ("{nam: a, host: h, port: 1, address: null, seconds: 1}", ["fleet.yaml:7:9: 'name' is missing; did you mean 'nam'?"]),
        ("{name: a, the host: h}", ["fleet.yaml:7:19: 'the host' cannot be the name of a parameter; expected a letter, then letters, digits, _ and -"]),
        ("a", ["fleet.yaml:7:9: the parameters of a target are no mapping; got 'a'; expected a mapping such as {name: eu-1}"]),
    ],
)  # fmt: skip
def test_mistakes_of_parameters_are_told_where_they_stand(project: Project, row: str, said: list[str]) -> None:
    assert project.mistakes(f"  - template: tenant.yaml\n    with:\n      - {row}\n") == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("${a b}", "tenant.yaml:2:7: 'a b' cannot be the name of a parameter (in the target a); expected letters, digits, _ and -, as in ${host}"),
        ("${name", "tenant.yaml:2:7: ${ begins a parameter that is not closed (in the target a); expected ${parameter}, or $${ for the text ${"),
    ],
)  # fmt: skip
def test_mistakes_of_a_template_are_told_in_it(project: Project, name: str, said: str) -> None:
    project.write("tenant.yaml", TARGET.replace("Acme", f'"{name}"'))
    assert project.mistakes("  - {template: tenant.yaml, with: [{name: a}]}\n") == [said]


def test_keys_that_parameters_make_alike_are_a_mistake(project: Project) -> None:
    project.write("tenant.yaml", TARGET + 'limits: {hosts: {"${one}": {}, www.acme.example: {requests: 0}}}\n')
    said = project.mistakes("  - {template: tenant.yaml, with: [{name: a, one: www.acme.example}]}\n")
    assert said[1] == (
        "tenant.yaml:6:32: a second key is 'www.acme.example' once parameters are filled in (in the target a)"
        "; expected a key of its own"
    )


def test_a_mistake_that_many_targets_share_is_said_once(project: Project) -> None:
    project.write("tenant.yaml", TARGET.replace("staging", "stagging"))
    listed = ", ".join(f"{{name: t{number}}}" for number in range(500))
    said = project.mistakes(f"  - {{template: tenant.yaml, with: [{listed}]}}\n")
    assert said == [
        "tenant.yaml:3:14: environment is not valid (in the targets t0, t1, t2 and 497 more); got 'stagging'; expected 'production', 'staging' or 'reference'; did you mean 'staging'?"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["rows.csv:1:1: the file is empty; expected a row with the parameters' names"]),
        ("name\n", ["rows.csv:1:1: there are no parameters, and so no targets; expected at least one target"]),
        ("name;host\na;b\n", ["rows.csv:1:1: 'name;host' cannot be the name of a parameter; expected a letter, then letters, digits, _ and -; cells are separated by commas"]),
        ("name,host,name\n", ["rows.csv:1:11: two columns are called 'name'; expected a name of its own for each column"]),
        ("name,host\na,b\n\"x\n,y\",c\nd\n", ["rows.csv:5:1: the row has 1 cells; expected 2, as the first row has"]),
        ("name,host\na,\"b\n", ["rows.csv:2:1: no valid CSV: unexpected end of data; expected cells as RFC 4180 has them"]),
        ("name,host\na,\"b\" c\n", ["rows.csv:2:1: no valid CSV: ',' expected after '\"'; expected cells as RFC 4180 has them"]),
        ("host,nam\na,b\n", ["rows.csv:2:1: 'name' is missing; did you mean 'nam'?"]),
        ("host,name\na,\n", ["rows.csv:2:1: 'name' is missing; did you mean 'name'?"]),
        ("name,host,port,address,seconds\na,h,1,,\"1,5\"\n", ["rows.csv:2:9: check_seconds is not valid (in the target a); got '1,5'; expected a number"]),
        ("name,host,port,address,seconds\n\"q\"\"\",\"h\nh\",1,,1\na,h,1,there,1e\n", [
            "rows.csv:2:2: the name is not valid: a folder will be called so; got 'q\"'; expected letters, digits, '.', '_' and '-', at most 100",
            "rows.csv:4:7: endpoints.0.address: an IP address, not a name (in the target a); got 'there'",
            "rows.csv:4:13: check_seconds is not valid (in the target a); got '1e'; expected a number"]),
    ],
)  # fmt: skip
def test_mistakes_of_a_table(project: Project, text: str, said: list[str]) -> None:
    project.write("rows.csv", text)
    found = project.mistakes("  - {template: tenant.yaml, with: rows.csv}\n")
    assert [line for line in found if not line.startswith("tenant.yaml")] == said


def test_what_with_names_must_be_a_list(project: Project) -> None:
    project.write("rows.yaml", "a: b\n")
    assert project.mistakes(
        "  - {template: tenant.yaml, with: rows.yaml}\n  - {template: tenant.yaml, with: {a: b}}\n"
        "  - {template: tenant.yaml}\n  - {template: tenant.yaml, with: rows.jsn}\n  - {template: tenant.yaml, with: []}\n"
    ) == [
        "fleet.yaml:6:35: 'with' is not valid; got a mapping; expected a list of mappings, or a CSV, YAML or JSON file",
        "fleet.yaml:7:5: 'with' is missing; expected the parameters of each target of the template",
        "fleet.yaml:8:35: rows.jsn: the file does not exist; did you mean 'rows.yaml'?",
        "fleet.yaml:9:35: there are no parameters, and so no targets; expected at least one target",
        "rows.yaml:1:1: the parameters are no list; got a mapping; expected a list of mappings",
    ]


def test_mistakes_of_the_fleet_itself_are_said_with_all_others(project: Project) -> None:
    said = project.mistakes(
        "  - {file: acme.yaml, overlay: {name: 3}}\n", "polcy: p.yaml\nat_once: 0\nlimits: {per_second: -1}\n"
    )
    assert said == [
        "fleet.yaml:3:1: 'polcy' is not known here; did you mean 'policy'?",
        "fleet.yaml:4:10: at_once: Input should be greater than or equal to 1; got 0",
        "fleet.yaml:5:22: limits.per_second: Input should be greater than 0; got -1",
        "fleet.yaml:7:5: no policy is named; expected 'policy' here, or one for the whole fleet",
        "fleet.yaml:7:39: name is not valid (in the target acme); got 3; expected a text",
    ]


def test_limits_of_hosts_that_no_target_has_are_a_mistake(project: Project) -> None:
    head = "policy: p.yaml\nlimits: {hosts: {www.acme.exmple: {requests: 5}, WWW.acme.example: {requests: 5}}}\n"
    assert project.mistakes("  - {file: acme.yaml}\n", head) == [
        "fleet.yaml:4:18: no target names the host 'www.acme.exmple'; did you mean 'www.acme.example'?"
    ]


@pytest.mark.parametrize(("name", "most"), [("MOST_TARGETS", 3), ("MOST_VALUES", 20)])
def test_a_fleet_that_is_too_large_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    project.write("tenant.yaml", TARGET.replace("Acme", "${name}"))
    targets = f"  - {{template: tenant.yaml, with: [{', '.join(f'{{name: t{number}}}' for number in range(4))}]}}\n"
    assert len(project.members(targets)) == 4
    monkeypatch.setattr(loading, name, most)
    (said,) = project.mistakes(targets)
    assert f"expected at most {most}" in said


def test_a_real_policy_and_waivers_are_read_with_all_their_mistakes(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    shutil.copytree(EXAMPLE, folder)
    for file, before, after in (
        ("policies.yaml", "tls.certificates_are_valid", "tls.certificate_are_valid"),
        ("tenant.yaml", "endpoints:", "allow_intrusive: [tls.accepts_current_version]\nendpoints:"),
    ):
        text = (folder / file).read_text(encoding="utf-8")
        (folder / file).write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_fleet(folder / "fleet.yaml")
    (said,) = [str(one).replace(f"{folder}/", "") for one in caught.value.mistakes]
    assert (
        said
        == "policies.yaml:16:14: no check is called 'tls.certificate_are_valid'; did you mean 'tls.certificates_are_valid'?"
    )

    shutil.copy(EXAMPLE / "policies.yaml", folder)
    text = (folder / "waivers/acme.yaml").read_text(encoding="utf-8")
    (folder / "waivers/acme.yaml").write_text(
        text.replace("claim: certificates", "claim: certificate"), encoding="utf-8"
    )
    with pytest.raises(InputError) as caught:
        load_fleet(folder / "fleet.yaml")
    said = "\n".join(str(one).replace(f"{folder}/", "") for one in caught.value.mistakes)
    assert said.splitlines() == [
        "waivers/acme.yaml:4:12: the waiver is for a claim that is not there: 'certificate'; did you mean 'certificates'?",
        "tenant.yaml:4:19: no check is called 'tls.accepts_current_version' (in the targets bakery, florist, joiner and 1 more); did you mean 'tls.accepts_current_versions'?",
    ]


# --- its schema ------------------------------------------------------------------------------------------------------


def entry(**more: Any) -> dict[str, Any]:
    return {"format": "upheld-fleet/1", "name": "x", "policy": "p.yaml", "targets": [{"file": "acme.yaml", **more}]}


@pytest.mark.parametrize(
    ("data", "valid"),
    [
        (entry(), True),
        (entry(name="a", overlay={"name": "x"}, claims=["backups"]), True),
        (entry(file=None), False),
        (entry(glob="a*"), False),
        (entry(name="a/b"), False),
        (entry(**{"with": []}), False),
        (entry(claims=[]), False),
        (entry(overlay=[]), False),
        (entry(colour="red"), False),
        ({**entry(), "format": "upheld-fleet/2"}, False),
        ({**entry(), "limits": {"hosts": {"www.acme.example": {"requests": 5}}}}, True),
        ({**entry(), "limits": {"hosts": {"www.acme.example": {"request": 5}}}}, False),
        ({**entry(), "targets": [{"template": "tenant.yaml", "with": json.loads(rows("list")[0])}]}, True),
        ({**entry(), "targets": [{"template": "tenant.yaml"}]}, False),
        ({**entry(), "targets": [{"template": "tenant.yaml", "with": [{"host": "a"}]}]}, False),
        ({**entry(), "targets": [{"glob": "acme.*", "name": "a"}]}, False),
        ({**entry(), "targets": []}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_the_schema_and_the_loader_agree(project: Project, data: dict[str, Any], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(schema.fleet_schema()).is_valid(data) is valid
    path = project.write("fleet.yaml", json.dumps(data))
    if valid:
        assert load_fleet(path, Policies()).members
    else:
        with pytest.raises(InputError):
            load_fleet(path, Policies())


def test_a_member_can_be_made_with_what_everybody_agreed_on() -> None:
    fields = [field.name for field in dataclasses.fields(Member) if field.default is dataclasses.MISSING]
    assert fields == ["name", "place", "target", "base", "policy", "claims", "waivers", "hosts"]


@pytest.mark.skipif(os.name != "posix", reason="names of devices")
def test_what_a_file_cannot_be_is_no_target(project: Project) -> None:
    said = project.mistakes("  - {file: /dev/zero, policy: /dev/zero}\n  - {glob: '/dev/zer*'}\n  - {file: .}\n")
    assert "fleet.yaml:5:12: /dev/zero: is no regular file; expected a YAML file" in said
    assert "fleet.yaml:7:12: .: is a folder; expected a YAML file" in [
        line.replace(str(project.folder), ".") for line in said
    ]
