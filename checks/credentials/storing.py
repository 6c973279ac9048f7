"""Credentials are stored as ciphertext only, shown once at most, and the keys that seal them stand in no code."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.credential_flows import Credentials, Kind
from upheld.probes.repositories import Repositories
from upheld.probes.sealed import Column, Sealed, SealedValue


@check(basis=OBSERVED, intrusive=True)
def end_sealed(
    credentials: Credentials, *, kinds: tuple[str, ...] = (), key_bits: int = 256
) -> Iterator[Finding | NotObserved]:
    """A credential that enters through the real flow is stored only as AES-GCM ciphertext under a key of at least `key_bits`.

    Decides: whether what becomes of a credential that a customer hands over, or that the system makes, is authenticated ciphertext.

    How: lets a fresh credential of each kind in (or has one made, and reads it where it is shown once), and looks for it in the
    column that the target declares: opens every value with the declared keys, and searches what does not open for the
    credential in every spelling. What was found must open, and must not open with one bit flipped.

    Refuted by: a stored value that holds the credential readably or that opens without authentication or with a shorter key, and
    a credential that was taken and is in the column in no form.

    Cannot see: further copies, which `leave_no_plain_copy` looks for.

    References: NIST SP 800-38D; FIPS 197; OWASP Cryptographic Storage Cheat Sheet.
    """
    expected = f"AES-GCM ciphertext under a key of at least {key_bits} bits"
    for kind in chosen(credentials, kinds):
        try:
            entered = credentials.enter(kind.name)
            if not entered.done:
                yield NotObserved(kind, f"the flow answered {entered.status}, so that none was taken", expected)
                continue
            form = credentials.stored_form(entered)
            credentials.remove(entered)
        except Unobservable as unobservable:
            yield NotObserved(kind, unobservable.reason, expected)
            continue
        defects = [defect for value in form.values if (defect := _defect(value, key_bits))]
        if not form.values:
            observed = f"none of the {form.total} values of {kind.column} holds it, sealed or plain"
        elif defects:
            observed = f"{kind.column}: {'; '.join(dict.fromkeys(defects))}"
        else:
            bits = min(value.key_bits for value in form.values)
            observed = f"{kind.column}: {len(form.values)} value holds it, AES-GCM under a key of {bits} bits"
        yield Finding(kind, bool(form.values) and not defects, expected, observed)


@check(basis=OBSERVED, intrusive=True)
def are_shown_only_once(credentials: Credentials, *, kinds: tuple[str, ...] = ()) -> Iterator[Finding | NotObserved]:
    """After a credential was taken or made, no answer of the API shows it again.

    Decides: whether somebody who gets into an account can read the credentials that are already in it.

    How: lets a fresh credential in, then calls every operation that the target declares to show what it belongs to, which must name
    that very thing, and searches the whole answer with its headers for the credential in every spelling.

    Refuted by: an answer that holds the credential or a half of it. A few last digits are no leak.

    Cannot see: operations that the target does not declare under `reads`.

    References: OWASP API3:2023; CWE-200, CWE-522.
    """
    for kind in chosen(credentials, kinds):
        if not kind.reads:
            yield NotObserved(kind, "the target names no operation that shows what it belongs to (reads)")
            continue
        try:
            entered = credentials.enter(kind.name)
            if not entered.done:
                yield NotObserved(kind, f"the flow answered {entered.status}, so that none was taken")
                continue
            answers = credentials.read_back(entered)
            credentials.remove(entered)
        except Unobservable as unobservable:
            yield NotObserved(kind, unobservable.reason)
            continue
        for one in answers:
            subject, expected = f"{kind} in {one.operation}", "the answer does not hold the credential"
            if one.shown:
                yield Finding(subject, False, expected, f"the answer ({one.status}) holds it: {', '.join(one.shown)}")
            elif not one.names_it:
                yield NotObserved(
                    subject, f"the answer ({one.status}) does not name what the credential belongs to", expected
                )
            else:
                yield Finding(subject, True, expected, f"answered {one.status} without it")


@check(basis=INSPECTED)
def sealing_keys_are_not_in_the_code(
    sealed: Sealed, credentials: Credentials, repositories: Repositories, *, kinds: tuple[str, ...] = ()
) -> Iterator[Finding | NotObserved]:
    """No key that seals a credential stands in the code or in its history.

    Decides: whether whoever can read the repository could open what is sealed.

    How: finds out with which of the declared keys the values of the kind's column open, and searches every version of every file in
    the repositories for those keys' bytes, raw, in hexadecimal and in base64.

    Refuted by: a key in a file, of today or of any earlier commit that is still there.

    Cannot see: keys that are derived in code from other constants, and repositories that the target does not declare.

    References: CWE-321; OWASP Key Management Cheat Sheet.
    """
    for kind in chosen(credentials, kinds):
        table, _, name = kind.column.rpartition(".")
        column = next(
            (one for one in sealed.columns() if (one.table, one.column) == (table, name)), Column(table, name, "")
        )
        try:
            keys = sealed.key_strings_in(column)
        except Unobservable as unobservable:
            yield NotObserved(kind, unobservable.reason)
            continue
        if not keys:
            yield NotObserved(kind, f"no value of {kind.column} opens, so that nothing shows which keys are used")
            continue
        for repository in repositories.names():
            subject, expected = f"keys of {kind} in {repository}", "none of them in any version of any file"
            try:
                found = repositories.keys_in(repository, keys)
            except Unobservable as unobservable:
                yield NotObserved(subject, unobservable.reason, expected)
                continue
            places = "; ".join(f"key {one.what} in {one.place}" for one in found.hits[:3])
            observed = places or f"{len(keys)} keys, in none of {found.blobs} versions of files"
            yield Finding(subject, not found.hits, expected, observed)


def chosen(credentials: Credentials, kinds: tuple[str, ...]) -> Iterator[Kind]:
    """The declared kinds that are meant: all where none is named; raises Unobservable for a name that is not declared."""
    declared = credentials.declared()
    unknown = sorted(set(kinds) - {kind.name for kind in declared})
    if unknown:
        known = ", ".join(kind.name for kind in declared)
        raise Unobservable(f"the target declares no kind of credential called {unknown[0]} (but {known})")
    yield from (kind for kind in declared if not kinds or kind.name in kinds)


def _defect(value: SealedValue, key_bits: int) -> str:
    if value.readable_as or (not value.authenticates and value.mode != "AES-ECB"):
        return f"it lies there readable ({value.readable_as or 'in part'}), row {value.row}"
    if not value.authenticates:
        return f"it is encrypted without authentication ({value.mode}), row {value.row}"
    if value.tampered_authenticates:
        return f"it opens although it was altered, row {value.row}"
    if value.key_bits < key_bits:
        return f"its key has {value.key_bits} bits, row {value.row}"
    return ""
