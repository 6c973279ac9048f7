"""`upheld answer` and `upheld changes`: what customers ask, from what they may be told of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upheld.reporting.text import safe

if TYPE_CHECKING:
    from upheld.model import Run
    from upheld.sharing.disclosing import Terms

_AUDIENCE = "whoever asks"
"""Terms of a share must name somebody; an answer does not show it."""


@click.command()
@click.argument("questions", type=click.Path(path_type=Path))
@click.option(
    "--run", "run_folder", required=True, type=click.Path(path_type=Path), help="The folder of the run to answer from."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The answered questionnaire. [QUESTIONS with .answered before its ending]",
)
@click.option("--column", default="", metavar="NAME", help="What stands above the questions. [Question]")
@click.option("--claims", default="", metavar="ID,…", help="Answer from these claims only, and those that decide them.")
@click.option(
    "--threshold", type=click.FloatRange(0.1, 1.0), help="From which confidence on a claim answers a question. [0.5]"
)
@click.option(
    "--key", metavar="KEY", help="The key that signs the share of this run, so that both name the same leaves."
)
@click.option("--force", is_flag=True, help="Overwrite the file that is there.")
@click.pass_context
def answer(
    context: click.Context,
    questions: Path,
    run_folder: Path,
    out: Path | None,
    column: str,
    claims: str,
    threshold: float | None,
    key: str | None,
    *,
    force: bool,
) -> int:
    """Answer a customer's questionnaire (.csv, .xlsx, .yaml) from the verdicts of a run.

    Each question gets the published sentence that answers it, its status, how it is known, a reference to the evidence, and the day
    of the audit. What is refuted, inconclusive or not answered by any claim is said so. Only what `upheld share` tells is told. Exit
    codes: 0 every question is answered by an upheld or attested claim, 3 not every one, 2 wrong input.
    """
    from upheld.answering.answers import Answers  # noqa: PLC0415  (late: `upheld` starts fast)
    from upheld.answering.matching import THRESHOLD  # noqa: PLC0415
    from upheld.answering.questionnaires import answered  # noqa: PLC0415
    from upheld.errors import InputError, Mistake  # noqa: PLC0415
    from upheld.evidence import keys  # noqa: PLC0415
    from upheld.keeping import standing  # noqa: PLC0415
    from upheld.model import Status  # noqa: PLC0415
    from upheld.reporting.files import write_atomically  # noqa: PLC0415
    from upheld.sharing.disclosing import disclose  # noqa: PLC0415

    target = out or questions.with_name(f"{questions.stem}.answered{questions.suffix}")
    if not force and (target.exists() or target.is_symlink()):
        raise InputError(
            [Mistake(str(target), 0, 0, "the file is there already", expected="--force, or another --out")]
        )
    if target.suffix.lower() != questions.suffix.lower():
        expected = f"a name that ends with {questions.suffix}"
        raise InputError([Mistake("--out", 0, 0, "is of another format than the questions", str(target), expected)])
    signer = keys.signing_key(key) if key else None
    run = standing(run_folder)
    told = disclose(run, _terms(run, claims), signer)
    ready = Answers(told, threshold or THRESHOLD, signed=signer is not None)
    content, given = answered(questions, column, ready.answer)
    write_atomically(target, content)
    counts = Counter(one.status for one in given)
    order = [status.value for status in reversed(Status)]
    said = ", ".join(f"{counts[status]} {status}" for status in (*order, "unmatched") if counts[status])
    click.echo(f"{target}: {len(given)} questions: {said}")
    good = counts[Status.UPHELD.value] + counts[Status.ATTESTED.value]
    context.exit(0 if good == len(given) else 3)
    return 0


@click.command()
@click.option("--since", required=True, type=click.Path(path_type=Path), help="The folder of the earlier run.")
@click.option(
    "--run",
    "run_folder",
    type=click.Path(path_type=Path),
    default=Path("reports/latest"),
    help="The later run. [reports/latest]",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["markdown", "json", "atom"]),
    default="markdown",
    help="The format. [markdown]",
)
@click.option("--claims", default="", metavar="ID,…", help="Only these claims, and those that decide them.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write. [standard output]")
def changes(since: Path, run_folder: Path, format_name: str, claims: str, out: Path | None) -> int:
    """Tell customers what changed since an earlier run: Markdown, JSON Feed 1.1, or Atom.

    What is told of each claim is its sentence, its status and how it is known, as `upheld share` tells it.
    """
    from upheld.answering import feed  # noqa: PLC0415  (late: `upheld` starts fast)
    from upheld.keeping import standing  # noqa: PLC0415
    from upheld.reporting.files import write_atomically  # noqa: PLC0415
    from upheld.sharing.disclosing import disclose  # noqa: PLC0415

    before, now = standing(since), standing(run_folder)
    made = feed.changed(
        before, now, disclose(before, _terms(before, ""), None), disclose(now, _terms(now, claims), None)
    )
    content = {"markdown": feed.markdown, "json": feed.json_feed, "atom": feed.atom}[format_name](made)
    if out is None:
        click.echo(content.decode(), nl=False)
    else:
        write_atomically(out, content)
        click.echo(f"{out}: {safe(made.summary)}")
    return 0


def _terms(run: Run, claims: str) -> Terms:
    from upheld.sharing.disclosing import GOOD_FOR, Terms, audited  # noqa: PLC0415

    day = audited(run)
    return Terms(_AUDIENCE, day, day + GOOD_FOR, tuple(one.strip() for one in claims.split(",") if one.strip()))
