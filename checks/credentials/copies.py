"""No plain copy of a credential is left anywhere, and none is there even for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.canaries import Canaries
from upheld.probes.copies import Copies, Searched
from upheld.probes.credential_flows import Credentials, Entered
from upheld.probes.logs import Logs

from .storing import chosen

EXPECTED = "no copy in any spelling"


@check(basis=OBSERVED, intrusive=True)
def leave_no_plain_copy(
    credentials: Credentials, canaries: Canaries, copies: Copies, logs: Logs, *, kinds: tuple[str, ...] = ()
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Once a credential was taken, refused or made, no readable copy of it is left in tables, logs or files.

    Decides: whether credentials are stored in plaintext anywhere, also beside the place where they should be.

    How: lets a fresh credential of each kind in and sends canaries through every declared flow, failing ones too; then searches for
    all of them in every table as a dump would have it (row security off, system tables with user content too), in every log and
    in every declared file: plain, in other case, base64 at each alignment, hexadecimal, URL-, JSON- and HTML-escaped, UTF-16, split
    by colour codes or line wraps, packed with gzip, and by halves. That the search of tables sees what is there is shown by a control: an
    identifier that the flow made must be found.

    Refuted by: a copy. Ciphertext and digests are none.

    Cannot see: copies compressed inside a column or a file of another format, other databases, and stores that are not declared.

    References: CWE-256, CWE-312; OWASP ASVS 2.10.4; ISO/IEC 27001:2022 A.5.17.
    """
    names: dict[str, str] = {}
    entered: list[Entered] = []
    yield from _let_in(credentials, canaries, kinds, names, entered)
    if names:
        secrets = tuple(names)
        yield from _in_tables(copies, secrets, names, tuple(one.belongs_to for one in entered if one.belongs_to))
        yield from _in_logs(logs, secrets, names)
        yield from _in_files(copies, secrets, names)
    yield from _remove(credentials, entered)


@check(basis=OBSERVED, intrusive=True)
def are_never_plain_meanwhile(
    credentials: Credentials, canaries: Canaries, copies: Copies, logs: Logs, *, kinds: tuple[str, ...] = ()
) -> Iterator[Finding | NotObserved | LeftOut]:
    """From the moment that a credential is received no readable copy of it exists, not even until a transaction ends.

    Decides: whether credentials are encrypted at once on receipt, or parked in plaintext before.

    How: writes a mark to the database's write-ahead log, lets fresh credentials in on every declared way, failing ones too, writes a
    second mark, and searches what stands between: all that any transaction wrote is there, even if it was deleted again or
    never committed. Logs and declared files are searched too. Both marks must be found, or nothing is proven.

    Refuted by: a credential in the write-ahead log, in a log or in a file, in any spelling.

    Cannot see: unlogged and temporary tables, which write no log; the memory of processes; files that come and go within the flow.

    References: CWE-312, CWE-316; PostgreSQL documentation "Write-Ahead Logging".
    """
    names: dict[str, str] = {}
    entered: list[Entered] = []
    first = None
    reason = ""
    try:
        first = copies.mark_wal()
    except Unobservable as unobservable:
        reason = unobservable.reason
    yield from _let_in(credentials, canaries, kinds, names, entered)
    yield from _remove(credentials, entered)
    if not names:
        return
    secrets = tuple(names)
    subject = "write-ahead log"
    try:
        if first is None:
            raise Unobservable(reason)
        last = copies.mark_wal()
        searched = copies.write_ahead_log(secrets, first, last)
        if searched.copies:
            yield Finding(subject, False, EXPECTED, _shown(searched, names))
        elif len(searched.controls) < 2:
            yield NotObserved(
                subject,
                f"it shows {len(searched.controls)} of the harness's 2 marks, so a part of it was not seen",
                EXPECTED,
            )
        else:
            yield Finding(
                subject,
                True,
                EXPECTED,
                f"none between both marks, in {searched.places} segments, {searched.bytes} bytes",
            )
    except Unobservable as unobservable:
        yield NotObserved(subject, unobservable.reason, EXPECTED)
    yield from _in_logs(logs, secrets, names)
    yield from _in_files(copies, secrets, names)


def _let_in(
    credentials: Credentials,
    canaries: Canaries,
    kinds: tuple[str, ...],
    names: dict[str, str],
    done: list[Entered],
) -> Iterator[NotObserved]:
    """Let credentials in on every way; fills `names` with what each of them is and `done`, and says what could not be done."""
    for kind in chosen(credentials, kinds):
        try:
            entered = credentials.enter(kind.name)
            if not entered.done:
                yield NotObserved(kind, f"the flow answered {entered.status}, so that none was taken")
            names[entered.secret] = kind.name
            done.append(entered)
        except Unobservable as unobservable:
            yield NotObserved(kind, unobservable.reason)
    for flow in canaries.flows():
        try:
            run = canaries.run(flow)
        except Unobservable as unobservable:
            yield NotObserved(f"flow {flow}", unobservable.reason)
            continue
        if run.status not in flow.statuses:
            yield NotObserved(
                f"flow {flow}", f"it answered {run.status}, which does not show that it went the way of {flow.path}"
            )
        names[run.canary.placeholder] = f"canary of the flow {flow}"


def _remove(credentials: Credentials, entered: list[Entered]) -> Iterator[NotObserved]:
    for one in entered:
        try:
            credentials.remove(one)
        except Unobservable as unobservable:
            yield NotObserved(f"removal of what was let in as {one.kind}", unobservable.reason)


def _in_tables(
    copies: Copies, secrets: tuple[str, ...], names: Mapping[str, str], controls: tuple[str, ...]
) -> Iterator[Finding | NotObserved]:
    try:
        searched = copies.tables(secrets, controls)
    except Unobservable as unobservable:
        yield NotObserved("tables", unobservable.reason, EXPECTED)
        return
    yield from _unread(searched)
    if not searched.copies and not searched.controls:
        reason = "none of the identifiers that the flows made is found, so the search of tables proves nothing"
        yield NotObserved("tables", reason, EXPECTED, seen=(searched,))
        return
    observed = _shown(searched, names) or f"none in {searched.places} tables, {searched.bytes} bytes"
    yield Finding("tables", not searched.copies, EXPECTED, observed, seen=(searched,))


def _in_logs(
    logs: Logs, secrets: tuple[str, ...], names: Mapping[str, str]
) -> Iterator[Finding | NotObserved | LeftOut]:
    try:
        searched = logs.search(secrets, own_only=True)
    except Unobservable as unobservable:
        yield NotObserved("logs", unobservable.reason, EXPECTED)
        return
    for one in searched.unread:
        yield NotObserved(f"log {one.source} {one.name}".strip(), one.reason, EXPECTED, seen=(searched,))
    places = "; ".join(
        f"{names.get(one.secret, 'secret')} in {one.file}, line {one.line} ({one.encoding})"
        for one in searched.hits[:3]
    )
    observed = places or f"none in {len(searched.files)} files, {searched.bytes} bytes"
    yield Finding("logs", not searched.hits, EXPECTED, observed, seen=(searched,))


def _in_files(
    copies: Copies, secrets: tuple[str, ...], names: Mapping[str, str]
) -> Iterator[Finding | NotObserved | LeftOut]:
    for group in copies.file_groups():
        try:
            searched = copies.files(group, secrets)
        except Unobservable as unobservable:
            yield NotObserved(f"files: {group}", unobservable.reason, EXPECTED)
            continue
        yield from _unread(searched)
        if not searched.places:
            yield LeftOut(f"files: {group}", "there is no file")
            continue
        observed = _shown(searched, names) or f"none in {searched.places} files, {searched.bytes} bytes"
        yield Finding(f"files: {group}", not searched.copies, EXPECTED, observed, seen=(searched,))


def _unread(searched: Searched) -> Iterator[NotObserved]:
    for one in searched.unread:
        yield NotObserved(one.place, one.reason, EXPECTED, seen=(searched,))


def _shown(searched: Searched, names: Mapping[str, str]) -> str:
    found = [
        f"{names.get(one.secret, 'secret')} in {one.place} ({one.encoding}, {one.times} times)"
        for one in searched.copies
    ]
    return "; ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
