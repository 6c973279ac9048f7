"""`upheld init`: a first target and a first policy, from what can be seen of a deployment without changing anything."""

from __future__ import annotations

import ipaddress
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from upheld.beginning.looking import Wanted, address_of, look
from upheld.beginning.writing import policy_text, target_text
from upheld.catalogue import Catalogue
from upheld.cli.options import POLICY, TARGET
from upheld.drafting.drafting import claims_of
from upheld.errors import InputError, InternalFault, Mistake
from upheld.policies import load
from upheld.reporting.text import safe
from upheld.resources import builtin
from upheld.target.load import load_target


@click.command()
@click.option(
    "--url", "urls", multiple=True, metavar="URL", help="An address of the deployment; may be given several times."
)
@click.option("--openapi", metavar="URL|FILE", help="Its OpenAPI document; without it the usual places are tried.")
@click.option("--repository", type=click.Path(path_type=Path), help="A clone of its repository.")
@click.option("--page", metavar="URL|FILE", help="Its security page; without one the policy is a starter.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="The folder for the two files. [this one]")
@click.option("--ca", type=click.Path(path_type=Path), help="The certificates of a private authority, as PEM.")
@click.option("--address", metavar="IP", help="Where the names in the URLs are reached, whatever they resolve to.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_context
def init(
    context: click.Context,
    urls: tuple[str, ...],
    openapi: str | None,
    repository: Path | None,
    page: str | None,
    out: Path,
    ca: Path | None,
    address: str | None,
    *,
    force: bool,
) -> int:
    """Look at a deployment without changing anything, and write target.yaml and policies.yaml, which run at once.

    On a terminal it asks for what is not given. Nothing is contacted that was not named. What could not be found out is
    marked in both files. Exit codes: 0 written, 2 wrong input (nothing was written), 4 a fault of upheld itself.
    """
    files = {name: out / name for name in (TARGET, POLICY)}
    there = [] if force else [str(file) for file in files.values() if file.exists() or file.is_symlink()]
    if there:
        raise InputError(
            [Mistake(one, 0, 0, "the file is there already", expected="--force, or another --out") for one in there]
        )
    if sys.stdin.isatty():
        urls = urls or tuple(_ask("URL of the deployment (several with spaces between)").split())
        openapi = openapi or _ask("OpenAPI document, URL or file (empty: the usual places are tried)") or None
        repository = repository or _path(_ask("Clone of the repository (empty: none)"))
        page = page or _ask("Security page, URL or file (empty: a starter policy)") or None
    if not urls:
        raise InputError([Mistake("--url", 0, 0, "no address was named", expected="--url https://www.example.com")])
    for one in (*urls, *(one for one in (openapi, page) if one and "://" in one)):
        address_of(one)
    if address is not None:
        _pinned(address)
    for name, file in (
        ("--ca", ca),
        *((name, Path(one)) for name, one in (("--openapi", openapi), ("--page", page)) if one and "://" not in one),
    ):
        if file is not None and not file.is_file():
            raise InputError([Mistake(name, 0, 0, "the file does not exist", str(file))])
    seen = look(Wanted(urls, openapi, repository, page, ca, address))
    catalogue = Catalogue.load(builtin() / "checks")
    today = datetime.now(UTC).date()
    drafted = claims_of(seen.page, catalogue, ()) if seen.page else ()
    policy = policy_text(seen, drafted, catalogue, today)
    texts = {TARGET: target_text(seen, today), POLICY: policy}
    claims = _checked(texts, catalogue)
    out.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        # Whoever made a file there meanwhile keeps it.
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(texts[name])
    endpoints = f"{len(seen.places)} {'endpoint' if len(seen.places) == 1 else 'endpoints'}"
    click.echo(f"{files[TARGET]}: {endpoints}; {texts[TARGET].count('not found out')} things were not found out")
    words = "the page's claims" if any(one.promise for one in drafted) else "starter claims, which nobody published"
    covered = policy.count("\n    checks:\n")
    click.echo(f"{files[POLICY]}: {claims} {words}, {covered} with checks")
    if seen.page and not any(one.promise for one in drafted):
        click.echo("the page promises nothing that could be checked, so that the policy is a starter", err=True)
    if page and seen.page is None:
        click.echo(f"the page could not be read: {safe(seen.not_found[-1], 400)}", err=True)
    click.echo(f"next: upheld doctor --target {files[TARGET]} {files[POLICY]}")
    click.echo(f"then: upheld run --target {files[TARGET]} --policy {files[POLICY]}")
    context.exit(0)
    return 0


def _ask(what: str) -> str:
    return str(click.prompt(what, default="", show_default=False)).strip()


def _pinned(address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise InputError([Mistake("--address", 0, 0, "no IP address", repr(address), "192.0.2.10, say")]) from None


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _checked(texts: dict[str, str], catalogue: Catalogue) -> int:
    """How many claims the policy has, once both files have been read back as any others are; raises InternalFault."""
    with tempfile.TemporaryDirectory(prefix="upheld-init-") as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        try:
            load_target(Path(folder) / TARGET)
            return len(load(Path(folder) / POLICY, catalogue, today=datetime.now(UTC).date()).claims)
        except InputError as error:
            raise InternalFault(f"what would have been written is not valid: {error}") from error
