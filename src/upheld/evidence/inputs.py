"""What went into a run and is not in run.json, kept beside it: the policy, the target's description and the calibration table.

They lie in the folder `inputs` of a run's folder under the names that they have in a bundle.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import InputError, Mistake
from upheld.redaction import Redactor
from upheld.reporting.files import write_atomically
from upheld.resources import builtin

if TYPE_CHECKING:
    from upheld.target.model import Target

FOLDER = "inputs"
TARGET = "target.json"
CALIBRATION = "calibration.json"
POLICY = "policy/"

_LARGEST = 32 << 20
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def gather(policy_files: Sequence[str], target: Target | None) -> dict[str, bytes]:
    """The inputs of a run by name; a target that could not be read has no description."""
    found = {
        f"{POLICY}{number:03}-{_ODD.sub('-', Path(file).name)}": Path(file).read_bytes()
        for number, file in enumerate(policy_files)
    }
    found[TARGET] = described(target)
    table = builtin() / CALIBRATION
    found[CALIBRATION] = table.read_bytes() if table.is_file() else b"{}\n"
    return found


def described(target: Target | None) -> bytes:
    """A target's description without secrets: they are references in it, and what only looks like one is replaced."""
    plain = target.model_dump(mode="json", exclude_defaults=True) if target is not None else None
    # Names and environment are always told, whatever their defaults are.
    whole = {"name": target.name, "environment": target.environment.value, **(plain or {})} if target else {}
    return (json.dumps(Redactor().deep(whole), indent=1, ensure_ascii=False) + "\n").encode()


def keep(inputs: Mapping[str, bytes], run: Path) -> None:
    """Write the inputs into a run's folder, in the place of others; raises OSError as the file system does."""
    folder = run / FOLDER
    if folder.exists():
        shutil.rmtree(folder)
    for name, content in inputs.items():
        write_atomically(folder / name, content)


def kept(run: Path) -> dict[str, bytes]:
    """The inputs in a run's folder, by name; raises InputError where there are none, or they cannot be read."""
    folder = run / FOLDER
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    found: dict[str, bytes] = {}
    for path in files:
        try:
            with path.open("rb") as stream:
                found[path.relative_to(folder).as_posix()] = stream.read(_LARGEST)
        except OSError as error:
            raise InputError([Mistake(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    if TARGET not in found or not any(name.startswith(POLICY) for name in found):
        message = "the run's inputs are not in its folder"
        raise InputError([Mistake(str(folder), 0, 0, message, expected="a folder that upheld run wrote")])
    return found


def policy_digest(inputs: Mapping[str, bytes]) -> str:
    """The digest of a policy as a run names it: SHA-256 over the digests of its files, in order, a line feed between two."""
    digests = [hashlib.sha256(inputs[name]).hexdigest() for name in sorted(inputs) if name.startswith(POLICY)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
