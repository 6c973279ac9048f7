"""`upheld bundle`, `verify` and `replay`: a run as one signed file, and what such a file is worth to whoever gets it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from upheld.catalogue import Catalogue
from upheld.cli.options import ISSUER, conclude, end_of, find_policy, last_day
from upheld.errors import InputError, Mistake
from upheld.evidence import bundle as bundles
from upheld.evidence import container, inputs, keys, timestamps
from upheld.evidence import keyless as no_key
from upheld.evidence.again import judged_again
from upheld.evidence.verifying import Verification, verify_data
from upheld.evidence.verifying import verify as verified
from upheld.keeping import recover as recovered
from upheld.keeping import standing
from upheld.model import Status
from upheld.reporting import run_json
from upheld.reporting.files import write_atomically
from upheld.reporting.text import safe
from upheld.resources import check_folders

_MARKS = {True: "holds", False: "FAILS", None: "not asked"}
_UNPROVEN = (
    "that the run was made against the deployment that its customers use: the issuer says what it was pointed at",
    "that the issuer left no other run out, or showed the target another face than it shows to others",
    "that what an attested or recorded claim rests on is true: somebody wrote or signed it",
    "that the checks would find every defect: what each is known to catch is in the calibration table",
)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--key",
    metavar="KEY",
    help="The private key: a file (PEM or OpenSSH), env:NAME, or the public half of one in an ssh-agent.",
)
@click.option(
    "--keyless",
    is_flag=True,
    help="Sign, through Sigstore, as the identity for which the environment (a CI service) vouches.",
)
@click.option(
    "--sigstore",
    "instance",
    type=click.Path(path_type=Path),
    help="The client trust configuration (JSON) of a Sigstore instance of your own; else it is the public one.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--expires", metavar="DATE", help="From the end of this day on (UTC) the evidence is out of date.")
@click.option(
    "--timestamp", metavar="URL", help="Let the RFC 3161 authority at this address witness when it was signed."
)
def bundle(
    run: Path,
    key: str | None,
    keyless: bool,
    instance: Path | None,
    out: Path,
    expires: str | None,
    timestamp: str | None,
) -> None:
    """Put the run in the folder RUN into one signed file, which anybody can verify and replay offline.

    Ed25519 and ECDSA P-256 keys sign; UPHELD_KEY_PASSPHRASE decrypts an encrypted one. The same run and key give the same
    bytes, but for a timestamp. With --keyless no key is kept: an identity vouches for one that is made for this bundle alone, and
    the public instance of Sigstore publishes that identity and a digest.
    """
    if (key is None) is not keyless or (instance is not None and not keyless):
        said = "--key KEY, or --keyless (with --sigstore FILE for an instance of your own)"
        raise InputError([Mistake("--key", 0, 0, "one way of signing has to be named, and only one", expected=said)])
    identity = no_key.signer(instance) if keyless else None
    signer = keys.signer(key) if key is not None else no_key.made_key()
    until = end_of(last_day(expires)).isoformat().replace("+00:00", "Z") if expires is not None else ""
    stamp = partial(timestamps.ask, timestamp) if timestamp else None
    data = bundles.make(standing(run), inputs.kept(run), signer, expires=until, timestamp=stamp, identity=identity)
    write_atomically(out, data)
    how = (
        f"as {identity.name} (by {identity.issuer})"
        if identity is not None
        else f"with the key {keys.fingerprint(signer.public)}"
    )
    click.echo(f"evidence: {out} ({len(data):,} bytes), signed {safe(how)}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--issuer", type=click.Path(path_type=Path), help=ISSUER)
@click.option("--identity", metavar="NAME", help="Instead of a key: who signed without one, as Sigstore certified it.")
@click.option("--oidc-issuer", metavar="URL", help="Who vouches for that identity.")
@click.option(
    "--trusted-root",
    type=click.Path(path_type=Path),
    help="The roots (JSON) of the Sigstore instance that certified it; else those of the public one that the package sigstore holds.",
)
@click.option(
    "--timestamp-authority",
    "authority",
    type=click.Path(path_type=Path),
    help="The certificates (PEM) of a timestamp authority that you trust; then a timestamp is compulsory.",
)
@click.pass_context
def verify(
    context: click.Context,
    bundle: Path,
    issuer: Path | None,
    identity: str | None,
    oidc_issuer: str | None,
    trusted_root: Path | None,
    authority: Path | None,
) -> int:
    """Verify an evidence bundle offline, and say what holds, what does not, and what it does not prove.

    Exit codes: 0 all holds, 1 something does not, 2 the usage is wrong.
    """
    named = (identity, oidc_issuer)
    if (issuer is None) is not all(named) or any(named) is not all(named) or (trusted_root and not identity):
        said = "--issuer KEY, or --identity NAME with --oidc-issuer URL (and --trusted-root FILE)"
        raise InputError([Mistake("--issuer", 0, 0, "who answers for it has to be named, in one way", expected=said)])
    pinned = keys.issuers(issuer) if issuer else no_key.Pinned(identity or "", oidc_issuer or "", trusted_root)
    trusted = timestamps.authorities(authority) if authority else ()
    try:
        found = verified(bundle, pinned, authorities=trusted)
    except OSError as error:
        raise InputError([Mistake(str(bundle), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    for point in found.points:
        click.echo(f"  {_MARKS[point.holds]:<9} {safe(point.says)}")
    if found.holds:
        _say(found)
    return conclude(context, holds=found.holds)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--issuer", type=click.Path(path_type=Path), help="Verify the bundle first, by this public key.")
@click.option(
    "--policy", type=click.Path(path_type=Path), help="A policy beside which checks of its own lie (in checks/)."
)
@click.pass_context
def replay(context: click.Context, bundle: Path, issuer: Path | None, policy: Path | None) -> int:
    """Judge the run in a bundle again: the checks that are installed here, over what it recorded, with no network.

    Exit codes: 0 the same bytes, 1 something comes to something else, or the bundle does not hold, 2 the usage is wrong, 3 the
    code of a check is another one here (or not here), and nothing else differs.
    """
    path = find_policy(policy)
    try:
        data = container.read(bundle)
    except OSError as error:
        raise InputError([Mistake(str(bundle), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    if issuer is not None and not (found := verify_data(data, keys.issuers(issuer))).holds:
        for point in found.points:
            click.echo(f"  {_MARKS[point.holds]:<9} {safe(point.says)}")
        click.echo("it does NOT hold: nothing was judged again")
        context.exit(1)
    try:
        parts = container.unpack(data)
        recorded = run_json.loads(parts[bundles.RUN].content(), Path(bundles.RUN))
    except (container.Damaged, KeyError) as error:
        click.echo(
            safe(error if isinstance(error, container.Damaged) else f"there is no {bundles.RUN} in it"), err=True
        )
        context.exit(1)
    if issuer is None:
        click.echo("whose it is was not looked at: name the issuer's key with --issuer")
    result = judged_again(recorded, Catalogue.load(*check_folders(path)))
    click.echo(
        f"{result.checks} checks judged again over {result.observations:,} recorded observations; nothing was looked at"
    )
    for other in result.changed:
        here = f"{other.here[:16]}…" if other.here else "not here, so that its result was taken as it is"
        click.echo(f"  the code of {safe(other.check)} changed: {safe(other.recorded)[:16]}… in the run, {here}")
    for one in result.differing:
        click.echo(
            f"  {safe(one.what)}: {one.recorded} in the run, {one.now} now: {safe(one.reason) or 'other findings'}"
        )
    code = 1 if result.differing else 0 if result.same_bytes else 3
    said = {0: "the same verdicts, and the same bytes", 1: "it does NOT come to the same", 3: "the same verdicts"}
    click.echo(said[code])
    context.exit(code)
    return code


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def recover(run: Path) -> None:
    """Write the reports of a run that was killed, from what it had finished. RUN is its folder."""
    whole, ended = recovered(run)
    click.echo(f"interrupted: {ended} of {whole.planned} checks had ended; the others are inconclusive")
    click.echo(f"report: {run / 'report.html'}   evidence: {run / 'run.json'}")


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
        of = f", {sum(claims.values())} of {predicate['policyClaims']}," if "policyClaims" in predicate else ""
        click.echo(f"  only a selection of the policy's claims{of} was audited")
    if target["sabotages"]:
        click.echo(
            f"  the target was started with defects on purpose: {safe(', '.join(map(str, target['sabotages'])))}"
        )
    if target["samples"]:
        click.echo(f"  recorded samples stood in for: {safe(', '.join(map(str, target['samples'])))}")
    click.echo("\nit does not prove:")
    when = () if found.existed else ("when it was made: no timestamp was verified, the dates are the issuer's word",)
    for line in (*_UNPROVEN, *when):
        click.echo(f"  {line}")
    click.echo()
