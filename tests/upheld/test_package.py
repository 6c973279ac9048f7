"""The wheel that is built from this clone is whole. No index is asked."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..loopback import ROOT
from ..offline import MADE, OFFLINE


def files(folder: Path) -> Iterator[str]:
    """Every file below a folder that somebody wrote, as a path from it."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not MADE & set(parts) and path.suffix != ".pyc":
            yield "/".join(parts)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **OFFLINE}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_both_packages_and_what_is_built_in(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.endswith("/")}
    wanted = {
        f"{package}/{name}" for package in ("upheld", "upheld_reference") for name in files(ROOT / "src" / package)
    }
    for folder in ("checks", "schema"):
        wanted |= {f"upheld/builtin/{folder}/{name}" for name in files(ROOT / folder)}
    wanted |= {f"upheld/builtin/{name}" for name in ("policies.yaml", "waivers.yaml", "calibration.json")}
    assert wanted - held == set()
    assert {name for name in held if MADE & set(name.split("/"))} == set()
    rest = {name for name in held - wanted if ".dist-info/" not in name}
    assert rest == set()
    assert any(name.startswith("upheld/ledger/migrations/versions/v") for name in held)
    assert any(name.endswith(".html") or ".html." in name for name in held)


def test_from_the_wheel_alone_a_ledger_is_made_and_the_built_in_policy_is_valid(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    script = (
        "import sys, upheld\n"
        "from upheld.ledger import Ledger\n"
        "assert upheld.__file__.startswith(sys.argv[1]), upheld.__file__\n"
        "Ledger.open('ledger.sqlite')\n"
        "from upheld.cli.main import cli\n"
        "cli.main(['validate'], standalone_mode=False)\n"
    )
    folder = tmp_path / "empty"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(tmp_path)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "ledger.sqlite").stat().st_size
    assert done.stdout.endswith("valid\n")
