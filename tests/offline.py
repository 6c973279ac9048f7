"""Building and installing from this clone with nothing but what is there: pip is told that there is no index."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from loopback import ROOT

MADE = {"__pycache__", "node_modules", ".pytest_cache"}
"""Folders that programs make while they run."""
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull}
_FILES = (
    "pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore", ".pre-commit-hooks.yaml",
    "policies.yaml", "waivers.yaml", "calibration.json",
)  # fmt: skip


def copied(folder: Path) -> None:
    """Copy to a new folder what a wheel is built of, and the hook that is offered."""
    for name in ("src", "checks", "schema"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*MADE))
    for name in _FILES:
        shutil.copy2(ROOT / name, folder / name)


def without_index(folder: Path) -> dict[str, str]:
    """Variables by which pip takes all that is installed here, but upheld, for what an index would have given it.

    `folder` is a new one, in which that is laid out.
    """
    folder.mkdir()
    for path in Path(sys.prefix).glob("lib/python3*/site-packages/*"):
        if not re.fullmatch(r"(?i).*\.pth|_?upheld.*|pip(-[0-9.]+\.dist-info)?|~.*", path.name):
            (folder / path.name).symlink_to(path)
    # 0 is how `--no-build-isolation` is spelled for pip.
    return {**OFFLINE, "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": str(folder)}
