"""Passwords are kept as salted slow hashes, and what opens a session is not readable beside them."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.passwords import Passwords, StoredPassword


@check(basis=INSPECTED)
def passwords_are_salted_slow_hashes(
    passwords: Passwords,
    *,
    bcrypt_cost: int = 10,
    scrypt_n: int = 16_384,
    argon2_memory_kib: int = 7_168,
    pbkdf2_iterations: int = 100_000,
    salt_bytes: int = 8,
) -> Iterator[Finding | NotObserved]:
    """Every stored password is a salted hash by scrypt, bcrypt, Argon2 or PBKDF2 at a cost that is not too low.

    Decides: whether who gets at the table of accounts gets at their passwords.

    How: reads every value of the declared columns and recognises its form; compares it with the harness's own passwords, as they are
    and as bare digests; compares values with each other, since equal ones have no salt of their own.

    Refuted by: a readable password, a bare or fast digest (MD5, SHA-1, SHA-2, MySQL's, LDAP's {SHA}), a hash that costs too little or has
    a short salt, and two equal values.

    Cannot see: a hash of an unknown form, which is not observed, and what a pepper adds.

    References: OWASP Password Storage Cheat Sheet; NIST SP 800-63B §3.1.1.2; RFC 7914; RFC 9106.
    """
    minimum = {"bcrypt": bcrypt_cost, "scrypt": scrypt_n, "Argon2": argon2_memory_kib, "PBKDF2": pbkdf2_iterations}
    for column in passwords.columns():
        subject, expected = column, "salted slow hashes"
        try:
            values = passwords.values(column)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        bad = [f"{defect} (row {value.row})" for value in values if (defect := _defect(value, minimum, salt_bytes))]
        shared = [value for value in values if value.shared]
        bad += [f"{len(shared)} values are equal to another, as only without a salt"] if shared else []
        unknown = [value for value in values if value.scheme == "unknown"]
        if bad:
            yield Finding(
                subject, False, expected, f"{len(bad)} of {len(values)}: {'; '.join(bad[:3])}", seen=(values,)
            )
        elif not values:
            yield NotObserved(
                subject, "it holds no password, so nothing shows how they are stored", expected, seen=(values,)
            )
        elif unknown:
            yield NotObserved(subject, f"{len(unknown)} values have a form that is not known", expected, seen=(values,))
        else:
            schemes = ", ".join(sorted({f"{value.scheme} at cost {value.cost}" for value in values}))
            yield Finding(subject, True, expected, f"{len(values)} values: {schemes}", seen=(values,))


@check(basis=INSPECTED)
def session_secrets_are_kept_as_digests(passwords: Passwords) -> Iterator[Finding | NotObserved | LeftOut]:
    """Sessions, reset codes, invitations and the like are stored as digests only.

    Decides: whether who reads the table can take over a session or an account without any password.

    How: reads every value of the declared columns: each must be as long as a digest of at least 256 bits, raw, hexadecimal or base64.

    Refuted by: a value of another form: a short code, a readable word, a JSON web token.

    Cannot see: whether a random value of a digest's length is the secret itself; `leave_no_plain_copy` searches for those that enter.

    References: OWASP Session Management Cheat Sheet; CWE-256.
    """
    for column in passwords.digest_columns():
        try:
            values = passwords.digests(column)
        except Unobservable as unobservable:
            yield NotObserved(column, unobservable.reason)
            continue
        if not values.total:
            yield LeftOut(column, "it holds nothing now")
            continue
        observed = (
            f"{values.odd} of {values.total} values are no digests"
            if values.odd
            else f"{values.total} values, all digests"
        )
        yield Finding(column, not values.odd, "digests only", observed, seen=(values,))


def _defect(value: StoredPassword, minimum: dict[str, int], salt_bytes: int) -> str:
    if value.known_as:
        return f"the harness's own password, {value.known_as}"
    if value.scheme in {"plain text", "bare digest"}:
        return value.scheme if value.scheme == "plain text" else f"a bare digest ({value.detail})"
    if value.scheme in minimum and value.cost < minimum[value.scheme]:
        return f"{value.scheme} at cost {value.cost}, less than {minimum[value.scheme]}"
    if value.scheme in minimum and value.salt_bytes < salt_bytes:
        return f"{value.scheme} with a salt of {value.salt_bytes} bytes"
    return ""
