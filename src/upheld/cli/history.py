"""`upheld history`, `upheld diff` and `upheld timeline`: what the ledger says of the time between runs."""

from __future__ import annotations

import dataclasses
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from upheld.cli.ledger import opened
from upheld.cli.recording import ledger_option
from upheld.errors import InputError, Mistake
from upheld.ledger import Ledger, Record, Row
from upheld.ledger.comparing import Difference, FoundIn, Moved, began, compare
from upheld.ledger.history import UNSEEN, Coverage, Span, claims_of, coverage, refuted, spans
from upheld.ledger.rows import STATUSES
from upheld.ledger.times import spoken
from upheld.model import Status
from upheld.reporting.text import safe
from upheld.schedule.watching import missed

_UNKNOWN = "not observed"
_MOST_FINDINGS = 20
_WIDEST_BAR = 90
_SIGNS = {
    Status.REFUTED: "✗x",
    Status.INCONCLUSIVE: "??",
    Status.LAPSED: "◷~",
    Status.UNCOVERED: "○-",
    Status.ATTESTED: "◆@",
    Status.UPHELD: "✓+",
}
_target_option = click.option(
    "--target",
    metavar="NAME|KEY",
    help="The target's name, or the key of a series as upheld ledger lists them. [that of the newest run]",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.command()
@click.argument("claim", required=False)
@_target_option
@click.option("--limit", type=click.IntRange(1), default=20, help="How many runs or changes are listed. [20]")
@_json_option
@ledger_option
def history(claim: str | None, target: str | None, limit: int, as_json: bool, ledger: str | None) -> None:
    """List the runs in the ledger, the newest first; or how CLAIM changed, and since when and by which finding it is refuted."""
    found = opened(ledger)
    rows, others = chosen(found, target)
    if claim is None:
        said = [_run(row) for row in reversed(rows[-limit:])]
        lost = [_Missed(*one) for one in missed(found, rows[-1].series)]
        if as_json:
            gaps = [dataclasses.asdict(one) for one in lost]
            _print_json({"series": _series(rows), "runs": said, "missed": gaps, "count": len(rows)})
            return
        _head(rows, others)
        _list(rows[-limit:], [one for one in lost if len(rows) <= limit or one.last >= rows[-limit].started])
        if len(rows) > limit:
            click.echo(f"  and {len(rows) - limit} earlier runs (--limit)")
        return
    _known(claim, rows)
    changes = spans(rows, claim)
    told = _refuted(found, rows, claim)
    if as_json:
        said = [_span(one) for one in reversed(changes[-limit:])]
        _print_json({"series": _series(rows), "claim": claim, "changes": said, "count": len(changes), "refuted": told})
        return
    _head(rows, others)
    click.echo(f"{safe(claim)}:")
    for one in reversed(changes[-limit:]):
        until = spoken(one.last.started) if one is not changes[-1] else "now"
        word = one.status.value if one.status else _UNKNOWN
        click.echo(f"  {_sign(one.status)} {word:<12}  {spoken(one.first.started)} to {until:<16}  {_runs(one.runs)}")
    if len(changes) > limit:
        click.echo(f"  and {len(changes) - limit} earlier changes (--limit)")
    if told:
        _say_refuted(told)


@dataclasses.dataclass(frozen=True)
class _Missed:
    first: str
    last: str
    count: int
    reason: str


def _list(rows: Sequence[Row], lost: Sequence[_Missed]) -> None:
    """The runs, and between them those that were due and not carried out, the newest first."""
    shown: list[tuple[str, str]] = [
        (row.started, f"  {row.seq:>6}  {spoken(row.started)}  {_came_to(row)}  {safe(row.run[:8])}") for row in rows
    ]
    for one in lost:
        until = f" to {spoken(one.last)}" if one.count > 1 else ""
        said = f"{_UNKNOWN}: {_runs(one.count)} missed: {safe(one.reason)}"
        shown.append((one.first, f"  {'':>6}  {spoken(one.first)}{until}  {_sign(None)} {said}"))
    for _, line in sorted(shown, reverse=True):
        click.echo(line)


@click.command()
@click.argument("claims", nargs=-1)
@click.option("--days", type=click.IntRange(1, 36_500), default=90, help="How many days, the last one included. [90]")
@click.option("--until", metavar="YYYY-MM-DD", help="The last day, in UTC. [today]")
@_target_option
@_json_option
@ledger_option
def timeline(
    claims: tuple[str, ...], days: int, until: str | None, target: str | None, as_json: bool, ledger: str | None
) -> None:
    """Show on how many days of a period each claim held (or those named), and on how many it was not observed.

    A day (UTC) is what the worst of its runs came to; a day without a run is not observed, never held. Where there are more days
    than fit, one sign stands for several: for the worst of them, and a day that was not observed is worse than one that held.
    """
    try:
        last = date.fromisoformat(until) if until else datetime.now(UTC).date()
    except ValueError:
        raise InputError([Mistake("--until", 0, 0, "is no date", repr(until), "YYYY-MM-DD")]) from None
    found = opened(ledger)
    rows, others = chosen(found, target)
    for claim in claims:
        _known(claim, rows)
    wanted = list(claims) or claims_of(rows)
    made = coverage(rows, wanted, last - timedelta(days=days - 1), last)
    if as_json:
        said = [_covered(one, _refuted(found, rows, one.claim)) for one in made.values()]
        _print_json({"series": _series(rows), "from": _first(last, days), "to": last.isoformat(), "claims": said})
        return
    _head(rows, others)
    click.echo(f"{days} days, {_first(last, days)} to {last.isoformat()} (UTC)")
    width = max((len(one) for one in wanted), default=0)
    for claim in wanted:
        since = refuted(rows, claim)
        begun = f"; refuted since {spoken(since.since.started)}" if since else ""
        click.echo(f"  {safe(claim):<{width}}  {_bar(made[claim])}\n  {'':<{width}}  {made[claim].says()}{begun}")
    legend = [f"{_sign(one)} {one.value}" for one in reversed(Status)]
    click.echo("  " + "  ".join([*legend, f"{_sign(None)} {_UNKNOWN}"]))


@click.command("diff")
@click.argument("before")
@click.argument("now")
@_json_option
@ledger_option
def diff(before: str, now: str, as_json: bool, ledger: str | None) -> None:
    """Say what differs between two runs: of claims, and of findings by their identities.

    BEFORE and NOW are folders of runs, or in the ledger the number of an entry, the beginning of a run's id, or `latest`.
    """
    kept = _Kept(ledger)
    first, second = (kept.record(one) for one in (before, now))
    found = compare(first, second)
    if as_json:
        _print_json({"before": _head_of(first), "now": _head_of(second), **dataclasses.asdict(found)})
        return
    for word, one in (("from", first), ("to", second)):
        click.echo(f"{word:<4} {safe(one.run[:8])}  {spoken(one.started)}  {safe(one.series)}")
    _say_difference(found)


def chosen(ledger: Ledger, target: str | None) -> tuple[list[Row], int]:
    """The runs of the series that was named, else of the newest run of a target without seeded defects; and how many other series there are.

    Raises InputError where there is none, or several.
    """
    rows = ledger.runs()
    names = {row.series: (row.target, row.policy) for row in rows}
    if target is not None:
        keys = [key for key, name in names.items() if target in {key, name[0]}]
        if len(keys) != 1:
            plain = {row.series for row in rows if row.series in keys and not row.sabotages}
            keys = list(plain) if len(plain) == 1 else keys
        if len(keys) != 1:
            known = sorted({name for name, _ in names.values()})
            nearest = difflib.get_close_matches(target, known, n=1)
            says = f"stands for {len(keys)} series: name one by its key" if keys else "is no target of this ledger"
            raise InputError(
                [
                    Mistake(
                        "--target",
                        0,
                        0,
                        says,
                        repr(target),
                        ", ".join(keys),
                        nearest[0] if nearest and not keys else "",
                    )
                ]
            )
        key = keys[0]
    elif rows:
        key = next((row.series for row in reversed(rows) if not row.sabotages), rows[-1].series)
    else:
        raise InputError([Mistake(str(ledger.place), 0, 0, "no run stands in this ledger")])
    return [row for row in rows if row.series == key], len(names) - 1


def _known(claim: str, rows: Sequence[Row]) -> None:
    known = claims_of(rows)
    if claim not in known:
        nearest = difflib.get_close_matches(claim, known, n=1)
        raise InputError(
            [
                Mistake(
                    "claim",
                    0,
                    0,
                    "was observed by no run of this series",
                    repr(claim),
                    nearest=nearest[0] if nearest else "",
                )
            ]
        )


class _Kept:
    """Runs by their folders or their names in a ledger, which is opened and listed once, where one is asked for by name."""

    def __init__(self, ledger: str | None) -> None:
        self._named = ledger

    @cached_property
    def _ledger(self) -> Ledger:
        return opened(self._named)

    @cached_property
    def _rows(self) -> list[Row]:
        return self._ledger.runs()

    def record(self, named: str) -> Record:
        path = Path(named)
        if path.exists():
            from upheld.keeping import standing  # noqa: PLC0415  (reading a run needs what the other commands do not)
            from upheld.ledger.taking import recorded  # noqa: PLC0415  (likewise)

            return recorded(standing(path), path if path.is_dir() else path.parent)
        return self._ledger.record(self._ledger.find(named, self._rows).seq)


def _refuted(ledger: Ledger, rows: Sequence[Row], claim: str) -> dict[str, Any] | None:
    """Since when a claim is refuted, and the findings that began it; None where it is not."""
    found = refuted(rows, claim)
    if found is None:
        return None
    record = ledger.record(found.since.seq)
    before = ledger.record(found.held.seq) if found.held else None
    return {
        "since": found.since.started,
        "entry": found.since.seq,
        "run": found.since.run,
        "last_held": found.held.started if found.held else None,
        "began": [dataclasses.asdict(one) for one in began(record, claim, before)],
    }


def _say_refuted(told: dict[str, Any]) -> None:
    held = f"it last held on {spoken(told['last_held'])}" if told["last_held"] else "no run in this ledger saw it hold"
    click.echo(f"refuted since {spoken(told['since'])} (entry {told['entry']}); {held}")
    for one in told["began"][:_MOST_FINDINGS]:
        click.echo(f"  began with {safe(one['check'])}: {safe(one['subject'])} ({one['fingerprint']})")
        click.echo(f"    expected  {safe(one['expected'])}\n    observed  {safe(one['observed'])}")
    if len(told["began"]) > _MOST_FINDINGS:
        click.echo(f"  and {len(told['began']) - _MOST_FINDINGS} more findings (--json)")


def _say_difference(found: Difference) -> None:
    for note in found.notes:
        click.echo(f"note: {safe(note)}")
    for title, claims in (("worse", found.worse), ("better", found.better), ("new", found.added), ("gone", found.gone)):
        if claims:
            click.echo(f"{title}:")
        for one in claims:
            click.echo(f"  {safe(one.claim)}  {_moved(one)}, {one.severity}")
    named = (
        ("fail now, and did not", found.failing),
        ("pass now, and failed", found.passing),
        ("failed, and were not judged now", found.unjudged),
    )
    for title, findings in named:
        if findings:
            click.echo(f"{title} ({len(findings)}):")
        for each in findings[:_MOST_FINDINGS]:
            click.echo(f"  {_found(each)}")
        if len(findings) > _MOST_FINDINGS:
            click.echo(f"  and {len(findings) - _MOST_FINDINGS} more (--json)")
    click.echo(f"{found.same} claims came to the same")


def _found(one: FoundIn) -> str:
    subject = safe(one.finding.subject) or "(only its identity was kept)"
    return f"{safe(one.claim)}  {safe(one.finding.check)}: {subject} ({one.finding.fingerprint})"


def _moved(one: Moved) -> str:
    return f"{one.before or 'not there'} → {one.after or 'not there'}" if _unicode() else f"{one.before} -> {one.after}"


def _head(rows: Sequence[Row], others: int) -> None:
    click.echo(f"{safe(rows[-1].name)}, policy {safe(rows[-1].policy)}: {_runs(len(rows))}")
    if others:
        click.echo(f"({others} other series in this ledger: upheld ledger lists them, --target chooses)")


def _came_to(row: Row) -> str:
    if not row.ended:
        return f"{_sign(None)} {_UNKNOWN}: no end of it is known (killed, or under way)"
    counts = ", ".join(f"{count} {one.value}" for one, count in row.counts().items() if count)
    return f"{_sign(row.worst)} {counts or 'no claim'}{'' if row.complete else '; it did not complete'}"


def _run(row: Row) -> dict[str, Any]:
    return {
        "entry": row.seq,
        "run": row.run,
        "started": row.started,
        "finished": row.finished,
        "ended": row.ended,
        "complete": row.complete,
        "worst": row.worst.value if row.ended else _UNKNOWN,
        "counts": {one.value: count for one, count in row.counts().items()},
    }


def _span(one: Span) -> dict[str, Any]:
    return {
        "status": one.status.value if one.status else _UNKNOWN,
        "first": {"entry": one.first.seq, "run": one.first.run, "started": one.first.started},
        "last": {"entry": one.last.seq, "run": one.last.run, "started": one.last.started},
        "runs": one.runs,
    }


def _covered(one: Coverage, told: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "claim": one.claim,
        "says": one.says(),
        "days": {**{status.value: one.on(status) for status in Status}, _UNKNOWN: one.unseen},
        "by_day": [STATUSES[letter].value if letter != UNSEEN else _UNKNOWN for letter in one.letters],
        "refuted": told,
    }


def _series(rows: Sequence[Row]) -> dict[str, str]:
    row = rows[-1]
    return {
        "key": row.series,
        "target": row.target,
        "environment": row.environment,
        "policy": row.policy,
        "sabotages": row.sabotages,
    }


def _head_of(record: Record) -> dict[str, str]:
    return {"run": record.run, "started": record.started, "target": record.target, "policy": record.policy}


def _bar(one: Coverage) -> str:
    return "".join(_sign(STATUSES.get(letter)) for letter in one.stretches(_WIDEST_BAR))


def _sign(status: Status | None) -> str:
    return (_SIGNS[status] if status else "·.")[0 if _unicode() else 1]


def _unicode() -> bool:
    try:
        "✗◷○◆✓·→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def _first(last: date, days: int) -> str:
    return (last - timedelta(days=days - 1)).isoformat()


def _print_json(value: Mapping[str, Any]) -> None:
    """A line for each key, and for each item of a list: indented any further, long lists would take long to be written."""
    dumps = json.JSONEncoder(ensure_ascii=True).encode
    lines = []
    for key, one in value.items():
        items = ",\n".join(f"  {dumps(item)}" for item in one) if isinstance(one, list | tuple) else ""
        lines.append(f" {dumps(key)}: " + (f"[\n{items}\n ]" if items else dumps(one)))
    click.echo("{\n" + ",\n".join(lines) + "\n}")
