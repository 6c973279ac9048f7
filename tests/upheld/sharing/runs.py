"""A run in which every internal thing has a name of its own, terms to share it under, and a key."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from upheld.evidence.keys import Issuer, SigningKey
from upheld.model import (
    Basis,
    ClaimResult,
    Override,
    Population,
    Run,
    Status,
    TargetSummary,
    Verdict,
    Waiver,
    timestamp,
)
from upheld.sharing.disclosing import Terms

from ..reporting import sample

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
ISSUERS = (Issuer(KEY.private.public_key()),)
TERMS = Terms("Acme Bank plc", date(2026, 3, 3), date(2026, 6, 1))


def terms(*claims: str, **changes) -> Terms:
    return dataclasses.replace(TERMS, claims=claims, **changes)


def keyed(run: Run) -> Run:
    """The run with a key of its own for every check, as every real run has it."""
    number = 0
    claims = []
    for claim in run.claims:
        checks = []
        for check in claim.checks:
            number += 1
            checks.append(dataclasses.replace(check, key=f"{number:016x}", claim=claim.id))
        claims.append(dataclasses.replace(claim, checks=tuple(checks)))
    return dataclasses.replace(run, claims=tuple(claims))


def full() -> Run:
    """The run with every status, of production."""
    run = keyed(sample.full())
    return dataclasses.replace(run, target=dataclasses.replace(run.target, environment="production"))


def fresh() -> Run:
    """The same of today, as a command that reads the clock wants it."""
    now = timestamp(datetime.now(UTC))
    return dataclasses.replace(full(), started=now, finished=now)


class Names:
    """Gives internal names, and knows all that it gave."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def __call__(self, kind: str) -> str:
        number = len(self.given)
        name = {
            "host": f"db-{number}.prod.internal",
            "mail": f"ann.{number}@staff.example",
            "path": f"/srv/secret{number}/data",
            "address": f"10.20.{number}.7:5432",
            "person": f"Mx Quill{number}",
            "word": f"codename-zebra{number}",
            "url": f"https://vault{number}.corp.example/v1?who={number}",
        }[kind]
        self.given.append(name)
        return name


def confidential(names: Names) -> Run:
    """A run in whose every field that no policy publishes an internal name stands."""

    def look(number: int, **changes):
        return sample.observation(
            number,
            value={"host": names("host"), names("word"): [names("mail")]},
            arguments={"path": names("path")},
            vantage=names("host"),
            probe=names("word"),
            look=names("word"),
            **changes,
        )

    def of(verdict: Verdict):
        return sample.finding(
            verdict,
            names("address"),
            expected=names("url"),
            observed=names("mail"),
            reason=f"no answer from {names('host')} within 10 s",
            fingerprint=names("word"),
            observations=(names("word"),),
        )

    def check(verdict: Verdict, **changes):
        return sample.check(
            verdict,
            of(Verdict.PASS),
            of(verdict),
            parameters={names("word"): names("host")},
            reason=f"{names('host')}: connection refused by {names('address')}",
            observations=(look(1), look(2, reason=names("path"))),
            population=Population(9, 2, ((names("path"), names("word")),)),
            **changes,
        )

    def waiver():
        return Waiver("rates", names("word"), names("person"), "2026-04-01", names("word"), names("host"))

    def claim(status: Status, *checks, **changes) -> ClaimResult:
        return sample.claim(
            status,
            *checks,
            owner=names("mail"),
            reason=names("host"),
            note=names("word"),
            waivers=(waiver(),),
            **changes,
        )

    own = check(Verdict.INCONCLUSIVE, id=names("word"), title=names("host"), calibrated=False, sabotages_caught=())
    return keyed(
        sample.run(
            claim(
                Status.UPHELD, check(Verdict.PASS), statement="Traffic is encrypted.", sabotages_seeded=("weak-cipher",)
            ),
            claim(Status.REFUTED, check(Verdict.FAIL), check(Verdict.PASS), id="rates", statement="Rates are limited."),
            claim(Status.INCONCLUSIVE, own, id="dark", statement="Nobody knows."),
            claim(
                Status.ATTESTED, check(Verdict.PASS, basis=Basis.ATTESTED), id="sworn", statement="Somebody says so."
            ),
            claim(Status.UNCOVERED, id="bare", statement="Nothing decides this."),
            target=TargetSummary(
                names("word"), names("word"), names("path"), names("word"), names("host"), (), (names("host"),)
            ),
            versions={names("word"): names("word")},
            sentences_without_promise=((names("word"), names("word")),),
            overrides=(
                Override(names("path"), names("word"), names("word"), names("word"), names("host"), names("host")),
            ),
            waivers=(waiver(),),
            selected=(names("word"),),
            notes=(names("path"),),
        )
    )
