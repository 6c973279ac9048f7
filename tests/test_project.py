"""What the project says of itself is true: paths exist, commands exist, sentences of the page are all accounted for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from upheld.cli.main import cli

ROOT = Path(__file__).resolve().parents[1]
PATHS = re.compile(r"`((?:src|tests|checks|docs|schema|bench)/[A-Za-z0-9_./-]*|[a-z_]+\.(?:yaml|py|json|toml))`")

BASES = (ROOT, ROOT / "src" / "upheld", ROOT / "src" / "upheld_reference")
WRITTEN = {"target.yaml", "run.json", "more.yaml", "deployment.json", "checks.json", "calibration.json", "target.json"}
"""Files that a user, a run or a deployment writes."""


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        *(
            f"docs/{name}.md"
            for name in (
                "answers",
                "drift",
                "evidence",
                "exports",
                "ledger",
                "policy",
                "reference",
                "schedule",
                "sharing",
                "strength",
                "target",
            )
        ),
    ],
)
def test_every_path_that_a_page_names_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [
        path
        for path in PATHS.findall(text)
        if not any((base / path).exists() for base in BASES) and path not in WRITTEN
    ]
    assert not missing
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link


def test_contributing_names_paths_at_all():
    assert len(PATHS.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))) >= 6


def test_readme_names_every_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    context = click.Context(cli)
    for name in cli.list_commands(context):
        assert f"upheld {name}" in text, name
        assert cli.get_command(context, name) is not None


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_nox_session_that_a_page_names_exists(page):
    named = set(re.findall(r"nox -s ([a-z]+)", (ROOT / page).read_text(encoding="utf-8")))
    sessions = set(re.findall(r"@nox\.session\ndef ([a-z]+)\(", (ROOT / "noxfile.py").read_text(encoding="utf-8")))
    assert named <= sessions
    assert {"audit", "tests", "lint", "bench", "package", "calibrate"} <= sessions


def test_the_commands_of_readme_are_the_ones_that_ci_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("audit", "tests"):
        assert text.count(f"<!-- command: {name} -->") == 1
        assert f"command_after {name}" in script


def test_the_plugin_costs_other_test_runs_nothing_heavy():
    code = (
        "import sys, upheld.plugin; print([m for m in ('sslyze', 'sqlalchemy', 'yaml', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    import upheld

    assert f"## {upheld.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def by_command(reset: str) -> str:
    """The example with the program that stands in its comment in the place of the request."""
    before, _, rest = reset.partition("  request:")
    return before + rest[rest.index("  # command:") :].replace("  # command:", "  command:", 1)


def test_the_examples_of_the_documentation_are_valid(tmp_path):
    from datetime import date

    from upheld.catalogue import Catalogue
    from upheld.policies import load
    from upheld.target.api import Login
    from upheld.target.load import load_target

    policy, overlay = blocks("docs/policy.md")
    (tmp_path / "policies.yaml").write_text(policy, encoding="utf-8")
    (tmp_path / "strict.yaml").write_text(overlay, encoding="utf-8")
    catalogue = Catalogue.load(ROOT / "checks")
    loaded = load(tmp_path / "strict.yaml", catalogue, today=date(2026, 1, 1))
    assert [claim.id for claim in loaded.claims] == ["transit-tls12", "everything-encrypted"]
    (override,) = loaded.overrides
    assert (override.base, override.value) == ("TLS 1.2", "TLS 1.3")
    target, manners, reset, logins, rows, inferring, logs, mariadb, gitlab = blocks("docs/target.md")
    (tmp_path / "reset.yaml").write_text(reset, encoding="utf-8")
    (tmp_path / "by-command.yaml").write_text(by_command(reset), encoding="utf-8")
    for name, way in (("reset", "POST /testing/reset at api"), ("by-command", "the command ./manage.py")):
        described_reset = load_target(tmp_path / f"{name}.yaml")[0].reset
        assert described_reset is not None
        assert described_reset.way == way
    (tmp_path / "rows.yaml").write_text(rows, encoding="utf-8")
    read_back = load_target(tmp_path / "rows.yaml")[0].api
    assert read_back is not None
    assert {one.read_back for one in read_back.operations.values()} == set(read_back.rows)
    (tmp_path / "inferring.yaml").write_text(inferring, encoding="utf-8")
    inferred = load_target(tmp_path / "inferring.yaml")[0].api
    assert inferred is not None
    assert inferred.infer_objects
    (tmp_path / "manners.yaml").write_text(manners, encoding="utf-8")
    polite = load_target(tmp_path / "manners.yaml", [one.id for one in catalogue])[0]
    assert polite.limits is not None
    assert polite.limits.of("api.example.com").requests == 5000
    described_logins = yaml.safe_load(logins)["logins"]
    assert len({one: Login.model_validate(login) for one, login in described_logins.items()}) >= 6
    (tmp_path / "target.yaml").write_text(target, encoding="utf-8")
    assert load_target(tmp_path / "target.yaml")[0].name == "Example shop"
    (tmp_path / "mariadb.yaml").write_text(mariadb, encoding="utf-8")
    access = load_target(tmp_path / "mariadb.yaml")[0].database_access
    assert access is not None
    assert set(access.grants["auditor@10.0.0.7"]) == {"shop", "mysql", "*"}
    (tmp_path / "gitlab.yaml").write_text(
        f"upheld: target/1\nname: x\nenvironment: staging\n{gitlab}", encoding="utf-8"
    )
    described = load_target(tmp_path / "gitlab.yaml")[0]
    assert described.forge is not None
    assert described.forge.kind == "gitlab"
    (tmp_path / "logs.yaml").write_text(f"upheld: target/1\nname: x\nenvironment: staging\n{logs}", encoding="utf-8")
    sources = load_target(tmp_path / "logs.yaml")[0].logs
    kinds = {kind for kind in ("path", "journald", "docker", "kubectl") for one in sources if getattr(one, kind)}
    assert len(kinds) == 4
    (claim,) = blocks("README.md")
    (tmp_path / "readme.yaml").write_text(f"upheld: policy/1\nname: x\nclaims:\n{claim}", encoding="utf-8")
    assert load(tmp_path / "readme.yaml", catalogue, today=date(2026, 1, 1)).claims[0].id == "transit-tls12"
