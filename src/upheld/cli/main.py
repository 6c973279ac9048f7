"""The command group, and the one place where errors become exit codes.

    0  every gated claim is upheld (or attested, where the policy accepts that)
    1  a claim is refuted
    2  the policy, the target or the usage is wrong
    3  something is inconclusive, lapsed or uncovered
    4  a fault of upheld itself
    5  `upheld doctor`: something that the policy needs does not work, is not described, or could not be tried
    6  `upheld gate`: nothing keeps the change out but that the target was not reached

1 wins over 3, and 3 over 6.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import entry_points

import click

from upheld import __version__
from upheld.errors import InputError, UpheldError
from upheld.reporting.text import safe, safe_lines

COMMANDS = "upheld.commands"
"""The entry point group under which installed packages add commands (the reference deployment adds `reference`)."""

_SHOWN = 200
"""Mistakes that are shown; nobody reads more of them, and a damaged file may have many thousands."""
_OWN = {
    "init": ("upheld.cli.init", "init"),
    "draft": ("upheld.cli.draft", "draft"),
    "run": ("upheld.cli.run", "run"),
    "gate": ("upheld.cli.gate", "gate"),
    "fleet": ("upheld.cli.fleet", "fleet"),
    "export": ("upheld.cli.export", "export_run"),
    "list": ("upheld.cli.show", "list_everything"),
    "explain": ("upheld.cli.show", "explain"),
    "validate": ("upheld.cli.show", "validate"),
    "doctor": ("upheld.cli.doctor", "doctor"),
    "learn": ("upheld.cli.learn", "learn"),
    "clean": ("upheld.cli.clean", "clean"),
    "attest": ("upheld.cli.attest", "attest"),
    "bundle": ("upheld.cli.evidence", "bundle"),
    "verify": ("upheld.cli.evidence", "verify"),
    "share": ("upheld.cli.share", "share"),
    "verify-share": ("upheld.cli.share", "verify_share"),
    "answer": ("upheld.cli.answer", "answer"),
    "changes": ("upheld.cli.answer", "changes"),
    "replay": ("upheld.cli.evidence", "replay"),
    "recover": ("upheld.cli.evidence", "recover"),
    "history": ("upheld.cli.history", "history"),
    "diff": ("upheld.cli.history", "diff"),
    "timeline": ("upheld.cli.history", "timeline"),
    "watch": ("upheld.cli.watch", "watch"),
    "notify": ("upheld.cli.watch", "notify"),
    "site": ("upheld.cli.site", "site"),
    "ledger": ("upheld.cli.ledger", "ledger"),
    "calibrate": ("upheld.cli.calibrate", "calibrate"),
}


class Group(click.Group):
    """Commands that are imported when they are needed, so that the command starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All commands, those of other packages after the own ones."""
        return [*_OWN, *sorted({entry.name for entry in entry_points(group=COMMANDS)} - set(_OWN))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name; None when there is none."""
        if cmd_name in _OWN:
            module, name = _OWN[cmd_name]
            command = getattr(__import__(module, fromlist=[name]), name)
        else:
            entries = entry_points(group=COMMANDS, name=cmd_name)
            if not entries:
                return None
            command = next(iter(entries)).load()
        if not isinstance(command, click.Command):
            raise click.UsageError(f"{cmd_name} is no command")
        return command


@click.command(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="upheld")
def cli() -> None:
    """Prove the security page: published claims, checked against the running deployment."""


def main() -> None:
    """Run the command and leave with its exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except click.Abort:
        click.echo("interrupted", err=True)
        code = 3
    except InputError as error:
        count = len(error.mistakes)
        for mistake in error.mistakes[:_SHOWN]:
            click.echo(safe(_clean(str(mistake))), err=True)
        if count > _SHOWN:
            click.echo(f"and {count - _SHOWN} more", err=True)
        click.echo(f"{count} mistake{'s' if count != 1 else ''}: nothing was run", err=True)
        code = 2
    except (UpheldError, OSError) as error:
        click.echo(safe_lines(_clean(f"upheld failed: {error}")), err=True)
        code = 4
    except Exception as error:  # The last border: whatever is left is our own fault, and never looks like a verdict.
        click.echo(safe(_clean(f"upheld failed by a fault of its own: {type(error).__name__}: {error}")), err=True)
        if os.environ.get("UPHELD_DEBUG"):
            click.echo(_clean(traceback.format_exc()), err=True)
        else:
            click.echo("set UPHELD_DEBUG=1 to see where", err=True)
        code = 4
    sys.exit(code if isinstance(code, int) else 0)


def _clean(text: str) -> str:
    """What an error says, without secrets; imported late, for most commands end well."""
    from upheld.redaction import clean  # noqa: PLC0415

    return clean(text)
