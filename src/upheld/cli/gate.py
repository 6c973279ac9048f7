"""`upheld gate`: what a change can break is looked at, the rest is taken over, and only what it made worse counts."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upheld.catalogue import LazyCatalogue
from upheld.cli.options import claims_option, exports_option, find_policy, find_target, policy_option, target_option
from upheld.errors import InputError, Mistake, Unobservable
from upheld.resources import check_folders

if TYPE_CHECKING:
    from upheld.plugin.audit import Audit
    from upheld.target.model import Target

_AGE = re.compile(r"(\d{1,5}) ?([dh])")


@click.command()
@policy_option
@target_option
@claims_option
@click.option("--since", default="", metavar="REF", help="The change is all since the last commit in common with REF.")
@click.option(
    "--base",
    metavar="RUN",
    help="The last full run of the base, from which is carried what the change cannot have changed: a folder, or ledger[:PLACE].",
)
@click.option(
    "--max-age", default="7d", show_default=True, metavar="AGE", help="How old a carried result may be: 7d, 12h."
)
@click.option(
    "--baseline",
    metavar="RUN",
    help="A run whose refuted findings are not this change's: only what is worse counts. A folder, or ledger[:PLACE].",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where results over files are kept by what they rest on.",
)
@click.option(
    "--cache-key", metavar="REFERENCE", help="The secret that seals the cache: env:NAME or file:PATH. [none: a digest]"
)
@click.option("-n", "workers", default="auto", metavar="N", help="Worker processes; 0 runs all in this one. [auto]")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("reports/gate"), help="Where run.json goes. [reports/gate]"
)
@exports_option
@click.option(
    "--comment", type=click.Path(path_type=Path), metavar="FILE", help="Write the outcome as Markdown, for a comment."
)
@click.option(
    "--code-quality",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what counts as GitLab's code quality report.",
)
@click.option(
    "--github/--no-github",
    default=None,
    help="Print GitHub's annotations and add to the job's summary. [where GITHUB_ACTIONS is true]",
)
@click.pass_context
def gate(
    context: click.Context,
    policy: Path | None,
    target: str | None,
    claims: str,
    since: str,
    base: str | None,
    max_age: str,
    baseline: str | None,
    cache: Path | None,
    cache_key: str | None,
    workers: str,
    out: Path,
    exports: tuple[str, ...],
    comment: Path | None,
    code_quality: Path | None,
    github: bool | None,
) -> int:
    """Say whether a change breaks a published promise: one line for each, with file and line.

    The change is the working copy that the target names as its repository, with what is not committed. Exit codes: 0 nothing
    that counts, 1 a promise is broken, 2 wrong input, 3 something could not be told, 4 a fault of upheld itself, 6 nothing but that
    the target was not reached.
    """
    from upheld.gating import saying  # noqa: PLC0415  (so that a usage error needs none of it)
    from upheld.gating.deciding import Wanted, decide  # noqa: PLC0415  (likewise)
    from upheld.plugin.audit import Audit  # noqa: PLC0415  (likewise)
    from upheld.reporting import run_json  # noqa: PLC0415  (likewise)
    from upheld.running import assemble  # noqa: PLC0415  (likewise)

    views = _views(exports)
    path = find_policy(policy)
    source = find_target(target, path, ())
    wanted = Wanted(
        since=since, max_age=_age(max_age), cache=cache, cache_key=_key(cache_key, path) if cache_key else b""
    )
    if cache_key and cache is None:
        raise click.BadParameter("there is no --cache that it could seal", param_hint="--cache-key")
    selected = [one.strip() for one in claims.split(",") if one.strip()]
    with Audit(path, source, claims=selected, catalogue=LazyCatalogue(*check_folders(path))) as audit:
        if base is not None or baseline is not None:
            from upheld.gating import standing  # noqa: PLC0415  (only where a run is named)

            about = _asked_for(audit)
            wanted = replace(
                wanted,
                base=standing.earlier(base, "--base", *about) if base is not None else None,
                baseline=standing.baseline(baseline, "--baseline", *about) if baseline is not None else None,
            )
        for folder in filter(None, (out, cache)):
            _made(folder)
        # A gate that is killed leaves a run that says so, and never the one of an earlier change.
        run_json.write(assemble(audit, "the gate was interrupted before this check ended"), out / "run.json")
        outcome = decide(audit, wanted, lambda pending: _engine(pending, workers))
    run_json.write(outcome.run, out / "run.json")
    for line in saying.lines(outcome):
        click.echo(line)
    if comment is not None:
        comment.write_text(saying.comment(outcome), encoding="utf-8")
    if code_quality is not None:
        from upheld.gating.code_quality import dumps  # noqa: PLC0415  (only where it is asked for)

        code_quality.write_bytes(dumps(outcome))
    if github if github is not None else os.environ.get("GITHUB_ACTIONS") == "true":
        for line in saying.github(outcome):
            click.echo(line)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(summary).open("a", encoding="utf-8") as stream:
                stream.write(saying.comment(outcome))
    if views:
        from upheld.cli.export import write_exports  # noqa: PLC0415  (only where it is asked for)

        write_exports(run_json.read(out / "run.json"), views)
    context.exit(outcome.code)
    return outcome.code


def _engine(audit: Audit, workers: str) -> None:
    """Let pytest run what is pending."""
    from upheld.cli.run import engine, terminating, workers_of  # noqa: PLC0415  (only where something runs)

    with terminating():
        count = workers_of(workers, len(audit.pending))
        audit.parallel = bool(count)
        audit.start_target()
        engine(audit, count)


def _views(exports: tuple[str, ...]) -> list[tuple[str, Path]]:
    if not exports:
        return []
    from upheld.cli.export import wanted_exports  # noqa: PLC0415  (only where it is asked for)

    return wanted_exports(exports)


def _asked_for(audit: Audit) -> tuple[str, Target | None]:
    """The policy and the target of which an earlier run is wanted."""
    from upheld.target.load import load_target  # noqa: PLC0415  (only where a run is named)

    file = audit.source.file if audit.source is not None else None
    return audit.policy.name, load_target(file)[0] if file is not None else None


def _made(folder: Path) -> None:
    """Make a folder of the gate's own, which git leaves alone; one that was there already stays as it is."""
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n", encoding="ascii")


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"expected an age such as 7d or 12h, got {text!r}", param_hint="--max-age")
    return timedelta(**{{"d": "days", "h": "hours"}[found[2]]: int(found[1])})


def _key(reference: str, policy: Path) -> bytes:
    from upheld.target.secrets import resolve  # noqa: PLC0415  (only where there is one)

    try:
        key = resolve(reference, policy.resolve().parent).encode("utf-8", "surrogateescape")
    except (Unobservable, ValueError) as error:
        raise InputError([Mistake("--cache-key", 0, 0, str(error), expected="env:NAME or file:PATH")]) from error
    if not key:
        raise InputError([Mistake("--cache-key", 0, 0, "the key is empty", expected="a secret")])
    return key
