"""Whether data is where the company says: in the declared countries, and in no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from upheld import RECORDED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.registers import Entry, Registers

from ._shared import state

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


@check(basis=RECORDED)
def data_stays_in_the_declared_places(
    registers: Registers, clock: Clock, *, processed_in: Country, transferred_to: tuple[Country, ...] = ()
) -> Iterator[Finding | NotObserved | LeftOut]:
    """By the registers, data is in the country of processing and those of transfer, and in no third one.

    Decides: whether every sub-processor sits, and every flow of data begins and ends, in `processed_in` or `transferred_to`;
    and whether there is a flow to each country of transfer, with a safeguard.

    How: reads the registers of sub-processors and of data flows. Countries are ISO 3166-1 codes of two letters.

    Refuted by: a sub-processor or a flow in another country; a declared transfer that no flow records, or one without safeguard.

    Cannot see: where machines really stand (`host` looks at that), and flows that nobody recorded.

    References: GDPR Art. 30(1)(e) and Art. 44, POPIA s72(1).
    """
    places = {processed_in, *transferred_to}
    declared = f"only in {' and '.join((processed_in, *transferred_to))}"
    now = clock.now()
    parties, flows = registers.read("sub_processors"), registers.read("data_flows")
    for book in (parties, flows):
        yield from state(book, now)
    for entry in parties.entries:
        yield _places(f"sub-processor {entry}", entry, ("country",), places, declared)
    for entry in flows.entries:
        yield _places(f"flow {entry}", entry, ("from", "to"), places, declared)
    for country in transferred_to:
        subject, expected = f"transfer {processed_in} to {country}", "a flow with a safeguard is recorded"
        try:
            there = [one for one in flows.entries if (one.text("from"), one.text("to")) == (processed_in, country)]
            bare = [str(one) for one in there if not one.text("safeguard")]
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected, seen=(flows,))
            continue
        observed = f"without safeguard: {', '.join(bare)}" if bare else f"{len(there)} recorded"
        yield Finding(subject, bool(there) and not bare, expected, observed, seen=(flows,))


@check(basis=RECORDED)
def privacy_policy_names_the_same_places(
    registers: Registers,
    clock: Clock,
    *,
    processed_in: Country,
    transferred_to: tuple[Country, ...] = (),
    also_named: tuple[Country, ...] = (),
) -> Iterator[Finding | NotObserved | LeftOut]:
    """The published privacy policy names the countries where data is processed and sent, and no other.

    Decides: whether the live privacy policy names `processed_in` and each of `transferred_to`, each further country that the registers of
    sub-processors and data flows hold, and no country beside them.

    How: reads the page over HTTPS and finds the names of countries in its main text (ISO 3166-1 names and those in common use).

    Refuted by: a country of the registers or of the claim that the policy does not name; a country that it names and they do not have.

    Cannot see: what the policy says of a country. One that it names for another reason (as the seat of an authority, or to say that
    nothing is sent there) belongs into `also_named`; regions such as "the EU" name no country.

    References: GDPR Art. 13(1)(f), POPIA s18(1)(g).
    """
    now = clock.now()
    recorded: dict[str, str] = dict.fromkeys((processed_in, *transferred_to), "the claim")
    for kind, fields in (("sub_processors", ("country",)), ("data_flows", ("from", "to"))):
        book = registers.read(kind)
        yield from state(book, now)
        for entry in book.entries:
            for field in fields:
                if country := entry.text(field):
                    recorded.setdefault(country, f"{book}, {entry}")
    policy = registers.privacy_policy()
    named = dict(policy.countries)
    for country, source in recorded.items():
        observed = f"named as {named[country]!r}" if country in named else f"not named in {policy.url}"
        yield Finding(country, country in named, f"the privacy policy names it (it is in {source})", observed)
    for country, words in named.items():
        if country in also_named:
            yield LeftOut(country, f"{words!r} may be named for another reason, as the policy of the audit says")
        elif country not in recorded:
            yield Finding(country, False, "the privacy policy names no other country", f"it names {words!r}")


def _places(
    subject: str, entry: Entry, fields: tuple[str, ...], places: set[str], expected: str
) -> Finding | NotObserved:
    try:
        found = {field: entry.text(field) for field in fields}
    except Unobservable as unobservable:
        return NotObserved(subject, unobservable.reason, expected)
    if empty := [field for field, country in found.items() if not country]:
        return NotObserved(subject, f"the register does not say {' and '.join(empty)}", expected)
    elsewhere = sorted(set(found.values()) - places)
    observed = f"{', '.join(elsewhere)} is no declared place" if elsewhere else ", ".join(found.values())
    return Finding(subject, not elsewhere, expected, observed)
