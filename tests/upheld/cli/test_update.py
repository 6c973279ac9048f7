"""`upheld draft --update`: exit codes, the diff, and the change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from upheld.cli.main import cli
from upheld.errors import InputError

POLICY = """\
upheld: policy/1
name: Shop
claims:
  # kept for a reason
  - id: logs
    statement: Message logs are retained for 90 days
    section: Data
    severity: high
    owner: privacy
    checks:
      - retention.nothing_is_older_than_its_period: {days: 90}
no_promise:
  - {sentence: Security, why: A heading.}
"""
PAGE = "# Security\n\n- Message logs are retained for {} days.\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "policies.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "security.md").write_text(PAGE.format(90), encoding="utf-8")
    return tmp_path


def update(shop: Path, *more: str):
    page, policy = shop / "security.md", shop / "policies.yaml"
    return CliRunner().invoke(cli, ["draft", "--update", "--page", str(page), "--policy", str(policy), *more])


def test_a_page_that_says_the_same_ends_with_0(shop: Path) -> None:
    (shop / "security.md").write_text("SECURITY\n===\n\n* Message logs are retained for 90 days\n", encoding="utf-8")
    done = update(shop)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "says what" in done.stderr


def test_an_edit_of_the_page_turns_red_with_a_diff_that_patch_takes(shop: Path) -> None:
    (shop / "security.md").write_text(PAGE.format(60) + "- All backups are encrypted with AES-256.\n", encoding="utf-8")
    done = update(shop)
    assert done.exit_code == 1
    assert (shop / "policies.yaml").read_text(encoding="utf-8") == POLICY
    assert "+    statement: Message logs are retained for 60 days\n" in done.stdout
    assert '+    statement: "All backups are encrypted with AES-256"\n' in done.stdout
    assert "1 new, 1 changed" in done.stderr
    assert "left to you: " in done.stderr
    assert "“60 days” promises more than retention.nothing_is_older_than_its_period shows with days: 90" in done.stderr
    subprocess.run(["git", "apply", "--unsafe-paths", "-p0", "--directory", "/", "-"], input=done.stdout.encode(), check=True, cwd=shop, timeout=30)  # fmt: skip
    patched = (shop / "policies.yaml").read_text(encoding="utf-8")
    (shop / "policies.yaml").write_text(POLICY, encoding="utf-8")
    assert update(shop, "--write").exit_code == 3
    assert (shop / "policies.yaml").read_text(encoding="utf-8") == patched
    assert "  # kept for a reason\n" in patched


def test_a_change_that_leaves_nothing_to_do_ends_with_0_and_then_there_is_none(shop: Path) -> None:
    (shop / "security.md").write_text(PAGE.format(120) + "\nWe love security!\n", encoding="utf-8")
    assert update(shop).exit_code == 1
    assert update(shop, "--write").exit_code == 0
    assert "We love security!" in (shop / "policies.yaml").read_text(encoding="utf-8")
    assert update(shop).exit_code == 0


def test_what_makes_no_sense_together_is_refused(shop: Path) -> None:
    for arguments in (
        ["draft", str(shop / "security.md"), "--write"],
        ["draft", "--update"],
        ["draft", str(shop / "security.md"), "--update", "--out", str(shop / "x.yaml")],
        ["draft", str(shop / "security.md"), "--update", "--page", str(shop / "security.md")],
    ):
        done = CliRunner().invoke(
            cli, [*arguments, "--policy", str(shop / "policies.yaml")] if "--update" in arguments else arguments
        )
        assert done.exit_code == 2 or isinstance(done.exception, InputError), arguments
