"""Every rule for source code finds what its specimen marks as bad, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from upheld import rules

SPECIMENS = Path(__file__).with_name("specimens")
STEMS = sorted(path.stem for path in rules.FOLDER.glob("*.yaml"))


def semgrep(*where: str, exclude: tuple[str, ...] = ()) -> dict[str, Any]:
    """What semgrep says of the files with this project's rules only; nothing is left out and nothing is suppressed."""
    program = shutil.which("semgrep", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("semgrep is not on PATH; it wants an environment of its own (see .ci/run)")
    options = ["--metrics", "off", "--disable-version-check", "--disable-nosem", "--no-git-ignore", "--quiet", "--json"]
    options += ["--max-target-bytes", "0", *(part for name in exclude for part in ("--exclude", name))]
    command = [program, "scan", *options, "--config", str(rules.FOLDER), *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["errors"] == [], said["errors"]
    assert said["paths"]["scanned"], "semgrep looked at nothing"
    return said


def found(said: dict[str, Any]) -> set[tuple[str, str, int]]:
    return {
        (result["check_id"].rpartition(".")[2], Path(result["path"]).name, result["start"]["line"])
        for result in said["results"]
    }


def test_rule_and_specimen_share_a_stem():
    assert len(STEMS) >= 12
    assert sorted(path.stem for path in SPECIMENS.iterdir()) == STEMS


def test_every_rule_finds_what_is_bad_and_nothing_else():
    said = semgrep(*map(str, SPECIMENS.iterdir()))  # of a folder called tests semgrep would look at nothing
    assert {Path(path).name for path in said["paths"]["scanned"]} == {path.name for path in SPECIMENS.iterdir()}
    for path in SPECIMENS.iterdir():
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        bad = {(path.stem, path.name, number) for number, line in lines if line.endswith(("# bad", "// bad"))}
        assert len(bad) >= 2, path.name
        assert {one for one in found(said) if one[:2] == (path.stem, path.name)} == bad, path.name


def test_the_code_of_the_reference_breaks_no_rule():
    import upheld_reference

    folder = Path(upheld_reference.__file__).parent
    said = semgrep(str(folder), exclude=("sabotages",))
    assert len(said["paths"]["scanned"]) > 80
    assert found(said) == set()
