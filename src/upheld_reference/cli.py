"""The command ``reference``: runs a reference deployment, and lists what can be wrong with one."""

from __future__ import annotations

import signal
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
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
    stopped = _stop_at_signals()
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


@reference.command()
@click.option(
    "--store", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="The backup store."
)
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="The backup key's file."
)
@click.option("--at", "instant", metavar="INSTANT", required=True, help="In RFC 3339; UTC where no offset is given.")
def restore(store: Path, key: Path, instant: str) -> None:
    """Restore the database as it was at an instant into a scratch server, and run that until Ctrl-C or SIGTERM."""
    from upheld_reference.backups.restore import RestoreError, restore  # noqa: PLC0415 - it takes long to import

    try:
        at = datetime.fromisoformat(instant)
    except ValueError:
        raise click.BadParameter(f"{instant!r} is no instant in RFC 3339", param_hint="--at") from None
    stopped = _stop_at_signals()
    with tempfile.TemporaryDirectory(prefix="rivet-restore-") as folder:
        try:
            restored = restore(store, key, at if at.tzinfo else at.replace(tzinfo=UTC), Path(folder) / "scratch")
        except RestoreError as error:
            raise click.ClickException(str(error)) from None
        with restored:
            click.echo(f"base backup  {restored.base.name}")
            click.echo(f"database     {restored.url}")
            click.echo("Ctrl-C stops it and removes it.")
            stopped.wait()


@reference.command(name="sabotages")
def list_sabotages() -> None:
    """List every sabotage: its name, the claims that it breaks, what is wrong."""
    rows = [(found.name, ",".join(found.breaks), found.sentence) for found in catalogue().values()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, breaks, sentence in rows:
        click.echo(f"{name:<{widths[0]}}  {breaks:<{widths[1]}}  {sentence}")


def _stop_at_signals() -> threading.Event:
    """An event that is set when this process is asked to end."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    return stopped
