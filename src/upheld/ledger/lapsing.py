"""What a claim rests on and when that stops to count, as a run recorded it: certificates, attestations, agreements, waivers.

Only what looks really saw is read, from the entries that probes return; where nothing was seen, nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from upheld.ledger.records import Lapse
from upheld.model import ClaimResult, Observation, Run, timestamp
from upheld.reporting.charts.parts import entry, items, words
from upheld.reporting.text import safe

CERTIFICATE, ATTESTATION, WAIVER, AGREEMENT = "certificate", "attestation", "waiver", "agreement"
_LONGEST = 120


def lapses(run: Run) -> tuple[Lapse, ...]:
    """What the claims of `run` rest on and when each of it lapses (UTC), the soonest first; each thing once for each claim.

    A day is over with its end. What has a date that cannot be read is left out: the checks judge that, not the calendar.
    """
    found = {one for claim in run.claims for one in _of_claim(claim)}
    return tuple(sorted(found, key=lambda one: (one.at, one.kind, one.what, one.claim)))


def _of_claim(claim: ClaimResult) -> Iterator[Lapse]:
    told = [
        (WAIVER, " ".join(filter(None, (one.check, one.subject))) or "the whole claim", one.expires)
        for one in claim.waivers
    ]
    told += [one for check in claim.checks for look in check.observations if look.seen for one in _of_look(look)]
    for kind, what, said in told:
        at = _moment(said)
        if at is not None:
            yield Lapse(kind, safe(what, _LONGEST), claim.id, timestamp(at))


def _of_look(look: Observation) -> Iterator[tuple[str, str, str]]:
    match look.probe, look.look:
        case "tls", "certificates":
            # The endpoint's name without its address: nobody needs more of it.
            name = words(look.arguments, "endpoint").partition(" (")[0]
            yield from ((CERTIFICATE, name, words(one, "not_after")) for one in items(look.value))
        case "attestations", "statement":
            signed = entry(entry(look.value, "entry"), "values")
            yield ATTESTATION, words(look.value, "claim"), words(signed, "expires_at")
        case "registers", "read":
            for one in items(entry(look.value, "entries")):
                values = entry(one, "values")
                last = words(entry(values, "agreement"), "valid_until") or words(values, "valid_until")
                yield AGREEMENT, words(one, "where"), last
        case _:
            return


def _moment(said: str) -> datetime | None:
    try:
        if len(said) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(said) + timedelta(days=1), time(), UTC)
        found = datetime.fromisoformat(said)
    except (ValueError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo else None
