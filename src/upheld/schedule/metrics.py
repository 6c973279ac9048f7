"""What a monitor reads: the newest run of a series as an OpenMetrics text file, all of it gauges that Prometheus' own format reads too.

Everything carries the moment it was observed, for a file that nobody writes any more still says what it said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from upheld.ledger import Record, Row
from upheld.ledger.history import claims_of, observed, refuted
from upheld.ledger.times import moment
from upheld.model import Status
from upheld.reporting.files import write_atomically
from upheld.reporting.text import safe

NOT_OBSERVED = "not observed"


def write(path: Path, text: str) -> None:
    """Write the file, whole or not at all; raises OSError as the file system does."""
    write_atomically(path, text.encode())


def render(rows: Sequence[Row], newest: Record, missed: int, undelivered: int, now: datetime) -> str:
    """The metrics of a series; `newest` is the record of its last run that ended, or of its last where none did."""
    series = {"target": rows[-1].name, "environment": rows[-1].environment, "policy": rows[-1].policy}
    severities = {one.id: one.severity for one in newest.claims}
    claims = claims_of(rows)
    last = {claim: observed(rows, claim)[-1] for claim in claims}
    families: list[tuple[str, str, str, list[tuple[dict[str, str], float]]]] = [
        (
            "upheld_claim_status",
            "",
            "1 for what the claim came to in the newest run that was to observe it, 0 for everything else.",
            [
                (
                    {"claim": claim, "severity": severities.get(claim, ""), "status": name},
                    float(name == _named(last[claim][1])),
                )
                for claim in claims
                for name in (*Status, NOT_OBSERVED)
            ],
        ),
        (
            "upheld_claim_observed_timestamp_seconds",
            "seconds",
            "When the run began that last observed the claim.",
            [
                ({"claim": claim}, _seconds(seen.started))
                for claim in claims
                if (seen := next((row for row, status in reversed(observed(rows, claim)) if status), None))
            ],
        ),
        (
            "upheld_claim_refuted_since_timestamp_seconds",
            "seconds",
            "Since when the claim is refuted; only claims that are.",
            [({"claim": claim}, _seconds(found.since.started)) for claim in claims if (found := refuted(rows, claim))],
        ),
        (
            "upheld_claim_lapses_timestamp_seconds",
            "seconds",
            "When the first thing of a kind lapses that the claim rests on.",
            [({"claim": claim, "kind": kind}, at) for (claim, kind), at in _lapses(newest).items()],
        ),
        (
            "upheld_run_started_timestamp_seconds",
            "seconds",
            "When the newest run began.",
            [({}, _seconds(rows[-1].started))],
        ),
        ("upheld_run_complete", "", "1 where the newest run ended and completed.", [({}, float(rows[-1].complete))]),
        ("upheld_runs_missed", "", "Runs that were due and not carried out.", [({}, float(missed))]),
        ("upheld_notices_undelivered", "", "Messages that wait to be delivered.", [({}, float(undelivered))]),
        ("upheld_written_timestamp_seconds", "seconds", "When this was written.", [({}, now.timestamp())]),
    ]
    return "".join(_family(name, unit, says, series, samples) for name, unit, says, samples in families) + "# EOF\n"


def _family(
    name: str, unit: str, says: str, series: dict[str, str], samples: list[tuple[dict[str, str], float]]
) -> str:
    if not samples:
        return ""
    lines = [f"# TYPE {name} gauge", *([f"# UNIT {name} {unit}"] if unit else []), f"# HELP {name} {says}"]
    lines += (f"{name}{{{','.join(_labels({**series, **labels}))}}} {value!r}" for labels, value in samples)
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> Iterator[str]:
    for name, value in labels.items():
        escaped = safe(value).replace("\\", "\\\\").replace('"', '\\"')
        yield f'{name}="{escaped}"'


def _named(status: Status | None) -> str:
    return status.value if status else NOT_OBSERVED


def _lapses(record: Record) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for one in record.lapses:
        at = _seconds(one.at)
        found[one.claim, one.kind] = min(at, found.get((one.claim, one.kind), at))
    return found


def _seconds(stamp: str) -> float:
    return moment(stamp).timestamp()
