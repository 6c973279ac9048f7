"""What several commands ask for: which policy, which target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from upheld.errors import InputError, Mistake
from upheld.resources import builtin
from upheld.target.start import TargetSource, find

POLICY = "policies.yaml"
TARGET = "target.yaml"
EMBEDDED = "reference"


def find_policy(given: Path | None) -> Path:
    """The policy that was named, else `policies.yaml` in this folder, else the built-in one."""
    if given is not None:
        return given
    here = Path(POLICY)
    return here if here.is_file() else builtin() / POLICY


def find_target(given: str | None, policy: Path, sabotages: Sequence[str]) -> TargetSource:
    """The target that was named, else `target.yaml` beside the policy; the embedded reference only for the built-in policy.

    A policy of somebody's own is never run against the reference unless they say so: that would assure them of nothing.
    """
    if given is not None:
        return find(given, sabotages)
    beside = policy.resolve().parent / TARGET
    if beside.is_file():
        return find(str(beside), sabotages)
    if policy.resolve() == (builtin() / POLICY).resolve():
        return find(EMBEDDED, sabotages)
    expected = f"--target FILE, or {TARGET} beside {policy} ({EMBEDDED!r} audits the embedded reference deployment)"
    raise InputError([Mistake("--target", 0, 0, "no target was named", expected=expected)])
