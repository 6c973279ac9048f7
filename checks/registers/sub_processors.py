"""Whether those who process data for the company do so under agreements, and get no credentials."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import RECORDED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.registers import Registers, zone_of

from ._shared import document_of, state


@check(basis=RECORDED)
def sub_processors_are_under_agreement(
    registers: Registers,
    clock: Clock,
    *,
    categories: tuple[str, ...] = ("hosting",),
    open_ended: bool = False,
    time_zone: str = "UTC",
) -> Iterator[Finding | NotObserved | LeftOut]:
    """The register of sub-processors covers each category, and each entry has an agreement in force whose document is at hand.

    Decides: whether there is an entry for each of `categories`, whether the agreement of every entry is signed and has not
    ended (today in `time_zone`), and whether its document exists and is still the one whose digest the register keeps.

    How: reads the register and makes the digest of each document. With `open_ended` an agreement needs no last day.

    Refuted by: a category without entry; an entry without agreement; one that is not signed yet, has ended or has no end; a
    document that is missing or has another digest.

    Cannot see: sub-processors that nobody registered (`outbound.every_called_host_is_in_the_register` sees those that are called), and what the
    agreement says.

    References: GDPR Art. 28(3), POPIA s20 and s21, ISO/IEC 27001:2022 A.5.20.
    """
    book = registers.read("sub_processors")
    now = clock.now()
    yield from state(book, now)
    today = now.astimezone(zone_of(time_zone)).date()
    named = [entry.text("category").casefold() for entry in book.entries]
    for category in categories:
        count = named.count(category.casefold())
        expected = "at least one sub-processor of this category is registered"
        yield Finding(f"category {category}", count > 0, expected, f"{count} registered", seen=(book,))
    expected = f"an agreement in force on {today}"
    for entry in book.entries:
        try:
            agreement = entry.part("agreement")
            if agreement is None:
                yield Finding(entry, False, expected, "no agreement is registered", seen=(book,))
                continue
            signed, until = (agreement.day(name, zone_of(time_zone)) for name in ("signed_on", "valid_until"))
            if signed is None or signed > today:
                flaw = "the agreement is not signed" + (f" before {signed}" if signed else "")
            elif until is None and not open_ended:
                flaw = "the agreement has no last day"
            elif until is not None and until < today:
                flaw = f"the agreement ended on {until}"
            else:
                flaw = ""
            yield Finding(entry, not flaw, expected, flaw or f"signed on {signed}, until {until}", seen=(book,))
            yield document_of(registers, agreement, "the agreement")
        except Unobservable as unobservable:
            yield NotObserved(entry, unobservable.reason, expected)


@check(basis=RECORDED)
def no_sub_processor_receives_credentials(registers: Registers, clock: Clock) -> Iterator[Finding | NotObserved]:
    """No entry of the register of sub-processors says that it receives customers' credentials.

    Decides: whether the company's own record agrees that credentials go to nobody.
    How: reads `receives_credentials` of every entry.
    Refuted by: an entry that says yes.
    Cannot see: what really leaves (`outbound.only_declared_hosts_are_called` looks at that), and an entry that says what is not so.
    References: GDPR Art. 32(1)(b), ISO/IEC 27001:2022 A.5.14.
    """
    book = registers.read("sub_processors")
    yield from state(book, clock.now())
    for entry in book.entries:
        expected = "receives no credentials"
        try:
            receives = entry.flag("receives_credentials")
            data = ", ".join(entry.texts("data")) or "nothing named"
        except Unobservable as unobservable:
            yield NotObserved(entry, unobservable.reason, expected)
            continue
        observed = f"receives credentials; data: {data}" if receives else "receives none"
        yield Finding(entry, not receives, expected, observed, seen=(book,))
