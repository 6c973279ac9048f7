"""`upheld bundle` and `upheld verify`: a run as one signed file, and what such a file is worth to whoever gets it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path

import click

from upheld.errors import InputError, Mistake
from upheld.evidence import bundle as bundles
from upheld.evidence import inputs, keys, timestamps
from upheld.evidence.verifying import Verification
from upheld.evidence.verifying import verify as verified
from upheld.model import Status
from upheld.reporting.files import write_atomically
from upheld.reporting.text import safe

_MARKS = {True: "holds", False: "FAILS", None: "not asked"}
_UNPROVEN = (
    "that the run was made against the deployment that its customers use: the issuer says what it was pointed at",
    "that the issuer left no other run out, or showed the target another face than it shows to others",
    "that what an attested or recorded claim rests on is true: somebody wrote or signed it",
    "that the checks would find every defect: what each is known to catch is in the calibration table",
)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--key", required=True, metavar="KEY", help="The private key: a file (PEM or OpenSSH), or env:NAME.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--expires", metavar="DATE", help="From the end of this day on (UTC) the evidence is out of date.")
@click.option(
    "--timestamp", metavar="URL", help="Let the RFC 3161 authority at this address witness when it was signed."
)
def bundle(run: Path, key: str, out: Path, expires: str | None, timestamp: str | None) -> None:
    """Put the run in the folder RUN into one signed file, which anybody can verify and replay offline.

    Ed25519 and ECDSA P-256 keys sign; UPHELD_KEY_PASSPHRASE decrypts an encrypted one. The same run and key give the same
    bytes, but for a timestamp.
    """
    signer = keys.signing_key(key)
    until = _end_of(expires)
    stamp = partial(timestamps.ask, timestamp) if timestamp else None
    data = bundles.make(bundles.run_at(run), inputs.kept(run), signer, expires=until, timestamp=stamp)
    write_atomically(out, data)
    click.echo(f"evidence: {out} ({len(data):,} bytes), signed with the key {signer.fingerprint}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--issuer",
    required=True,
    type=click.Path(path_type=Path),
    help="The issuer's public key, which you have from the issuer: PEM, certificate, OpenSSH key or allowed signers.",
)
@click.option(
    "--timestamp-authority",
    "authority",
    type=click.Path(path_type=Path),
    help="The certificates (PEM) of a timestamp authority that you trust; then a timestamp is compulsory.",
)
@click.pass_context
def verify(context: click.Context, bundle: Path, issuer: Path, authority: Path | None) -> int:
    """Verify an evidence bundle offline, and say what holds, what does not, and what it does not prove.

    Exit codes: 0 all holds, 1 something does not, 2 the usage is wrong.
    """
    pinned = keys.issuers(issuer)
    trusted = timestamps.authorities(authority) if authority else ()
    try:
        found = verified(bundle, pinned, authorities=trusted)
    except OSError as error:
        raise InputError([Mistake(str(bundle), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    for point in found.points:
        click.echo(f"  {_MARKS[point.holds]:<9} {safe(point.says)}")
    if found.holds:
        _say(found)
    click.echo("it holds" if found.holds else "it does NOT hold: do not rely on it")
    code = 0 if found.holds else 1
    context.exit(code)
    return code


def _say(found: Verification) -> None:
    """What a bundle that holds says, and what it does not prove."""
    predicate = found.statement["predicate"]
    run, target, claims = predicate["run"], predicate["target"], predicate["claims"]
    came_to = ", ".join(f"{claims[status.value]} {status.value}" for status in Status if claims[status.value])
    click.echo(
        f"\nit says: {safe(target['name'])} ({safe(target['environment'])}) was audited against {safe(run['policy'])}"
    )
    click.echo(f"  from {safe(run['started'])} to {safe(run['finished'])}, run {safe(run['id'])}")
    click.echo(f"  {sum(claims.values())} claims: {came_to or 'none'}")
    if not run["complete"]:
        click.echo("  the run did not complete: what it did not reach is inconclusive")
    if predicate["selected"]:
        click.echo("  only a selection of the policy's claims was audited")
    if target["sabotages"]:
        click.echo(f"  the target was started with defects on purpose: {safe(', '.join(target['sabotages']))}")
    if target["samples"]:
        click.echo(f"  recorded samples stood in for: {safe(', '.join(target['samples']))}")
    click.echo("\nit does not prove:")
    when = () if found.existed else ("when it was made: no timestamp was verified, the dates are the issuer's word",)
    for line in (*_UNPROVEN, *when):
        click.echo(f"  {line}")
    click.echo()


def _end_of(day: str | None) -> str:
    if day is None:
        return ""
    try:
        moment = datetime.combine(date.fromisoformat(day), time(23, 59, 59), UTC)
    except ValueError:
        raise InputError([Mistake("--expires", 0, 0, "is no date", got=repr(day), expected="YYYY-MM-DD")]) from None
    return moment.isoformat().replace("+00:00", "Z")
