"""What several commands ask for: which policy, which target, whose key, until which day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

import click

from upheld.errors import InputError, Mistake
from upheld.resources import builtin
from upheld.target.start import TargetSource, find

POLICY = "policies.yaml"
TARGET = "target.yaml"
EMBEDDED = "reference"

ISSUER = "The issuer's public key, which you have from the issuer: PEM, certificate, OpenSSH key or allowed signers."
issuer_option = click.option("--issuer", required=True, type=click.Path(path_type=Path), help=ISSUER)
"""The key that a reader pins, which is never taken from what is verified."""
policy_option = click.option(
    "--policy", type=click.Path(path_type=Path), help="The policy; policies.yaml in this folder, else the built-in one."
)
"""The policy that `find_policy` finds."""
target_option = click.option("--target", help="A target file, or the name of an installed target (reference).")
"""The target that `find_target` finds."""
claims_option = click.option(
    "--claims", default="", metavar="ID,…", help="Only these claims (and those that decide them)."
)
"""Which claims; to be split at its commas."""
exports_option = click.option(
    "--export",
    "exports",
    multiple=True,
    metavar="FORMAT=FILE",
    help="Also write the run in this format (upheld export --help names them).",
)
"""In which other formats, for `wanted_exports`."""


def last_day(given: str) -> date:
    """The day that `--expires` names; raises InputError for what is no date."""
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InputError([Mistake("--expires", 0, 0, "is no date", repr(given), "YYYY-MM-DD")]) from None


def end_of(day: date) -> datetime:
    """The last second of a day, in UTC."""
    return datetime.combine(day, time(23, 59, 59), UTC)


def conclude(context: click.Context, *, holds: bool) -> int:
    """Say whether what was verified holds, and leave with 0 or 1."""
    click.echo("it holds" if holds else "it does NOT hold: do not rely on it")
    code = 0 if holds else 1
    context.exit(code)
    return code


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
