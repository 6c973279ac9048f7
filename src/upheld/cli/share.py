"""`upheld share` and `upheld verify-share`: what a customer gets of a run, and what it is worth to them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from cryptography.x509 import Certificate

from upheld.cli.options import conclude, issuer_option, last_day
from upheld.errors import InputError, Mistake
from upheld.evidence import keys
from upheld.evidence.verifying import verify as verify_bundle
from upheld.keeping import standing
from upheld.reporting.files import write_atomically
from upheld.reporting.text import safe
from upheld.sharing import pdf, verifying
from upheld.sharing.disclosing import GOOD_FOR, Terms, audited
from upheld.sharing.making import make, make_pdf
from upheld.sharing.view import UNPROVEN

PAGE, PDF = "share.html", "share.pdf"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--audience", required=True, metavar="NAME", help="Who gets it; stands on every page.")
@click.option(
    "--claims",
    default="",
    metavar="ID,…",
    help="Show only these claims, and those that decide them. The others are counted.",
)
@click.option("--key", metavar="KEY", help="The private key that signs it: a file (PEM or OpenSSH), or env:NAME.")
@click.option(
    "--expires",
    metavar="DATE",
    help=f"It is good until the end of this day (UTC). [{GOOD_FOR.days} days after the audit]",
)
@click.option(
    "--certificate",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The key's certificate and those above it (PEM), for the signature in the PDF. [one that the key gives itself]",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help=f"A file (.html or .pdf), or a folder for both ({PAGE}, {PDF}).",
)
def share(
    run: Path, audience: str, claims: str, key: str | None, expires: str | None, certificate: Path | None, out: Path
) -> None:
    """Make a page and a PDF for a customer of the run in the folder RUN.

    They tell what the policy publishes, what each claim came to and how that is known. Names of systems and people, addresses, reasons
    and raw observations are withheld and counted. The same run, key and dates give the same bytes.
    """
    today = datetime.now(UTC).date()
    wanted = tuple(one.strip() for one in claims.split(",") if one.strip())
    found = standing(run)
    terms = Terms(audience, today, last_day(expires) if expires else audited(found) + GOOD_FOR, wanted)
    signer = keys.signing_key(key) if key else None
    page, paper = (out, out) if out.suffix in {".html", ".pdf"} else (out / PAGE, out / PDF)
    made = make(found, terms, signer)
    contents: dict[Path, bytes] = {}
    if out.suffix != ".pdf":
        contents[page] = made.page
    if out.suffix != ".html":
        contents[paper] = make_pdf(made, signer, _chain(certificate, signer))
    for file, content in contents.items():
        write_atomically(file, content)
        click.echo(f"{file} ({len(content):,} bytes)")
    click.echo(
        f"signed with the key {signer.fingerprint}" if signer else "NOT signed: give --key, so that it can be checked"
    )
    click.echo(f"it says to {safe(audience)}: {made.view.headline.text}")


@click.command("verify-share")
@click.argument("file", type=click.Path(path_type=Path))
@issuer_option
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="The bundle of the same run (upheld bundle), for whoever has it: then the numbers are compared with it.",
)
@click.pass_context
def verify_share(context: click.Context, file: Path, issuer: Path, bundle: Path | None) -> int:
    """Verify a page or a PDF that `upheld share` made, offline, and say what holds and what it does not prove.

    Exit codes: 0 all holds, 1 something does not, 2 the usage is wrong.
    """
    pinned = keys.issuers(issuer)
    try:
        found = verifying.verify(verifying.read(file), pinned)
        if bundle is not None and found.holds:
            verifying.compare(found, verify_bundle(bundle, pinned))
    except OSError as error:
        raise InputError([Mistake(str(error.filename), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    for point in found.points:
        click.echo(f"  {'holds' if point.holds else 'FAILS'}  {safe(point.says)}")
    if found.holds:
        headline, *others = found.says
        click.echo(f"\nit says to {safe(found.predicate['audience'])}: {headline}")
        click.echo(f"  of the claims {sum(found.predicate['withheld'].values())} are withheld and counted")
        for notice in others:
            click.echo(f"  {safe(notice)}")
        click.echo("\nit does not prove:")
        for line in UNPROVEN:
            click.echo(f"  {line}")
        click.echo()
    return conclude(context, holds=found.holds)


def _chain(file: Path | None, key: keys.SigningKey | None) -> tuple[Certificate, ...]:
    """The certificates in a file, that of the key first; none where no file is named."""
    if file is None:
        return ()
    if key is None:
        raise InputError([Mistake("--certificate", 0, 0, "is of no use without --key")])
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError([Mistake(str(file), 0, 0, f"cannot be read: {error.strerror or error}")]) from error
    found: tuple[Certificate, ...] = pdf.signing().certificates(data, key, str(file))
    return found
