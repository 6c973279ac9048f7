"""The command ``reference``: runs a reference deployment, and lists what can be wrong with one."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import click

from upheld_reference import deployment
from upheld_reference.sabotages import catalogue


@click.group(name="reference")
def reference() -> None:
    """The reference deployment: a platform that keeps every promise, or breaks the ones that you name."""


@reference.command()
@click.option("--sabotage", "names", multiple=True, metavar="NAME", help="Start with this defect; repeatable.")
def up(names: tuple[str, ...]) -> None:
    """Start a deployment and run it until Ctrl-C or SIGTERM."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        running = deployment.start(names)
    except deployment.DeploymentError as error:
        raise click.ClickException(str(error)) from None
    with running:
        rows = [(name, listener["url"]) for name, listener in running.facts["listeners"].items()]
        rows += [("CA", running.facts["ca_file"]), ("folder", str(running.folder))]
        rows += [("sabotages", ", ".join(running.facts["sabotages"]) or "none")]
        width = max(len(label) for label, _ in rows)
        for label, value in rows:
            click.echo(f"{label:<{width}}  {value}")
        www = running.facts["listeners"]["www"]
        click.echo(f"\nThe names resolve nowhere; they all are on {www['address']}:")
        resolve = f"{www['host_name']}:{www['port']}:{www['address']}"
        click.echo(f"  curl --cacert {running.facts['ca_file']} --resolve {resolve} {www['url']}/security")
        click.echo("Ctrl-C stops it and removes the folder.")
        while running.running and not stopped.wait(0.5):
            pass
        if not stopped.is_set():
            raise click.ClickException(f"the deployment ended by itself with {running.wait()}")


@reference.command(name="sabotages")
def list_sabotages() -> None:
    """List every sabotage: its name, the claims that it breaks, what is wrong."""
    rows = [(found.name, ",".join(found.breaks), found.sentence) for found in catalogue().values()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, breaks, sentence in rows:
        click.echo(f"{name:<{widths[0]}}  {breaks:<{widths[1]}}  {sentence}")
