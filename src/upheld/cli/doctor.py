"""`upheld doctor`: which probes work, which claims will be inconclusive, and what to add to the target."""

from __future__ import annotations

from pathlib import Path

import click

from upheld.cli.options import claims_option, find_policy, find_target, target_option
from upheld.doctor.diagnosis import diagnose
from upheld.doctor.report import as_json, as_text
from upheld.errors import TargetUnavailable
from upheld.plugin.audit import Audit
from upheld.probes.trying import Asked

NOT_READY = 5
"""The exit code where something stands in the way of a claim."""


@click.command()
@click.argument("policy", required=False, type=click.Path(path_type=Path))
@target_option
@claims_option
@click.option("--log-in", is_flag=True, help="Log in as each identity that is not to be burnt, which begins sessions.")
@click.option("--json", "machine", is_flag=True, help="One JSON object instead of text.")
@click.pass_context
def doctor(
    context: click.Context, policy: Path | None, target: str | None, claims: str, *, log_in: bool, machine: bool
) -> int:
    """Try out what POLICY needs of a target, by looks that change nothing, and say what to add to the target file.

    POLICY is policies.yaml in this folder, else the built-in one. Nothing is judged. Exit codes: 0 everything that the
    policy needs works as far as it can be tried, 2 wrong input, 4 a fault of upheld itself, 5 something that it needs does
    not work, is not described, or could not be tried.
    """
    path = find_policy(policy)
    source = find_target(target, path, ())
    wanted = [one.strip() for one in claims.split(",") if one.strip()]
    with Audit(path, source, claims=wanted) as audit:
        audit.start_target()
        if audit.target_fault:
            raise TargetUnavailable(audit.target_fault)
        workshop = audit.workshop()
        try:
            found = diagnose(audit, workshop.session, Asked(log_in=log_in))
        finally:
            workshop.close()
    click.echo(as_json(found) if machine else as_text(found))
    code = 0 if found.ready else NOT_READY
    context.exit(code)
    return code
