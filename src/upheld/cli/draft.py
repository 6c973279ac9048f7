"""`upheld draft`: a policy from a security page, wherever it stands and whatever it is written in."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import click

from upheld.cli.options import POLICY, find_policy
from upheld.errors import InputError, Mistake
from upheld.reporting.text import safe


@click.command()
@click.argument("source", metavar="SOURCE", default="")
@click.option("--out", type=click.Path(path_type=Path), help="The policy file to write. [standard output]")
@click.option(
    "--main",
    "selector",
    metavar="SELECTOR",
    default="",
    help="The element of an HTML page that holds its text, as CSS.",
)
@click.option(
    "--ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The certificates of a private authority, as PEM.",
)
@click.option("--address", metavar="IP", help="Where the name in the URL is reached, whatever it resolves to.")
@click.option("--force", is_flag=True, help="Overwrite the file that is there.")
@click.option(
    "--update", "updating", is_flag=True, help="Propose the change to a policy that is there, as a unified diff."
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="With --update: the policy; policies.yaml in this folder, else the built-in one.",
)
@click.option(
    "--page", "page_source", metavar="SOURCE", default="", help="With --update: the page, in the place of SOURCE."
)
@click.option("--write", is_flag=True, help="With --update: make the change.")
@click.pass_context
def draft(
    context: click.Context,
    source: str,
    out: Path | None,
    selector: str,
    ca: Path | None,
    address: str | None,
    *,
    force: bool,
    updating: bool,
    policy: Path | None,
    page_source: str,
    write: bool,
) -> int:
    """Draft a policy from a security page: a URL, or a file of HTML, Markdown, MDX, text, PDF or SECURITY-INSIGHTS.yml.

    Every sentence of the page becomes a claim with the checks that decide it, or is listed as promising nothing, with the reason. No
    threshold is set that the page does not state: it is asked for in a comment. Nothing is contacted but the URL. Checks and
    phrasings beside the file that is written (checks/, checks/phrases.yaml) are used too. Exit codes: 0 drafted, 2 wrong input or no page
    (nothing was written), 4 a fault of upheld itself.

    With --update the page is compared with a policy that is there, and the change that makes the policy say what the page says is printed;
    comments and every line that does not change stay. Exit codes then: 0 they say the same (with --write: changed, and nothing is left to
    you), 1 they differ, 2 wrong input, 3 --write made the change and something is left to you.
    """
    if updating != bool(updating or policy or page_source or write):
        raise click.UsageError("--policy, --page and --write are for --update")
    if updating and (out is not None or force):
        raise click.UsageError("--out and --force are not for --update: it prints the change, or makes it with --write")
    if bool(source) == bool(page_source):
        raise click.UsageError("name one page")
    source = source or page_source
    from upheld.drafting.drafting import drafted_policy  # noqa: PLC0415  (late: `upheld` starts fast)
    from upheld.reading import Page, of_file  # noqa: PLC0415
    from upheld.reading.fetching import of_url  # noqa: PLC0415

    if out is not None and not force and (out.exists() or out.is_symlink()):
        raise InputError([Mistake(str(out), 0, 0, "the file is there already", expected="--force, or another --out")])
    if address is not None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise InputError(
                [Mistake("--address", 0, 0, "no IP address", safe(address, 60), "192.0.2.10, say")]
            ) from None
    live = "://" in source
    page: Page
    if live:
        from upheld.beginning.looking import address_of  # noqa: PLC0415

        address_of(source)
        page = of_url(source, ca=ca, address=address, selector=selector)
    else:
        page = of_file(Path(source), selector)
    if updating:
        from upheld.cli.update import update  # noqa: PLC0415

        context.exit(update(page, find_policy(policy), datetime.now(UTC).date(), write=write))
    text, summary = drafted_policy(page, out or Path(POLICY), datetime.now(UTC).date(), live=live)
    if out is None:
        click.echo(text, nl=False)
    else:
        # Whoever made a file there meanwhile keeps it.
        with out.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    click.echo(f"{out or source}: {summary}", err=out is None)
    if out is not None:
        click.echo(f"next: upheld validate --policy {out}, and upheld doctor --target TARGET {out}")
    context.exit(0)
    return 0
