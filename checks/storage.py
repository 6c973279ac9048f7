"""Encryption at rest: what stands in the columns that are declared sensitive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from upheld import INSPECTED, Finding, NotObserved, Unobservable, check
from upheld.probes.sealed import Column, Sealed, SealedValue


@check(basis=INSPECTED)
def sensitive_columns_are_sealed(sealed: Sealed, *, key_bits: int = 256) -> Iterator[Finding | NotObserved]:
    """Every value in every sensitive column is AES-GCM ciphertext that only a key of at least `key_bits` opens.

    Decides: whether each column that the target declares sensitive holds nothing but authenticated ciphertext.

    How: reads every value, opens it with the declared keys through AES-GCM with the associated data that the target
    describes, and opens it again with one bit flipped, which must fail. The strength of a key that is spelt in text
    counts for what such a text can hold: 64 hexadecimal digits are a key, 32 of them used as 32 bytes are 128 bits.

    Refuted by: a value that can be read as it stands (plain text, base64, hexadecimal, JSON), one that no declared key
    opens, one that opens without authentication (AES-ECB), and one that opens with a shorter key.

    Cannot see: sensitive values in columns that the target does not declare, and who else holds the keys.

    References: NIST SP 800-38D; FIPS 197.
    """
    for column, values, reason in _columns(sealed):
        expected = f"every value is AES-GCM ciphertext under a key of at least {key_bits} bits"
        if reason:
            yield NotObserved(column, reason, expected)
            continue
        bad = [(value, defect) for value in values if (defect := _defect(value, key_bits))]
        if bad:
            shown = "; ".join(dict.fromkeys(defect for _, defect in bad))
            observed = f"{len(bad)} of {len(values)} values: {shown} (row {bad[0][0].row})"
        else:
            bits = min(value.key_bits for value in values)
            observed = f"{len(values)} values, all AES-GCM under a key of {bits} bits, none opens altered"
        yield Finding(column, passed=not bad, expected=expected, observed=observed, seen=(values,))


@check(basis=INSPECTED)
def nothing_sensitive_is_readable(sealed: Sealed) -> Iterator[Finding | NotObserved]:
    """No value in a sensitive column can be read without a key.

    Decides: whether a credential lies in plaintext, or merely encoded, in a column that is meant for it.

    How: reads every value of each declared column and looks whether it is text, JSON, base64 or hexadecimal of text.

    Refuted by: a value that can be read as it stands.

    Cannot see: how good the encryption of the others is, which `sensitive_columns_are_sealed` judges, and columns that the target
    does not declare.

    References: CWE-256, CWE-312; OWASP Cryptographic Storage Cheat Sheet.
    """
    expected = "nothing readable"
    for column, values, reason in _columns(sealed):
        if reason:
            yield NotObserved(column, reason, expected)
            continue
        readable = [value for value in values if value.readable_as]
        shown = ", ".join(dict.fromkeys(value.readable_as for value in readable))
        observed = (
            f"{len(readable)} of {len(values)} values are readable as {shown}"
            if readable
            else f"none of {len(values)} values"
        )
        yield Finding(column, passed=not readable, expected=expected, observed=observed, seen=(values,))


@check(basis=INSPECTED)
def nonces_are_fresh(sealed: Sealed) -> Iterator[Finding | NotObserved]:
    """No two sealed values share a nonce under one key.

    Decides: whether each value was sealed with a nonce of its own. In AES-GCM a nonce that is used twice under one key
    gives away both values and the key of the authentication.

    How: compares the nonces of all values that open, over all columns, key by key.

    Refuted by: two values, in one column or in two, with the same nonce under the same key.

    Cannot see: nonces of values that were overwritten or deleted; and values that do not open, which
    `sensitive_columns_are_sealed` refutes.

    References: NIST SP 800-38D §8.
    """
    expected = "a nonce of its own for every value"
    looked = list(_columns(sealed))
    uses: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    opened = 0
    for column, values, _ in looked:
        for value in values:
            if value.authenticates:
                opened += 1
                uses[value.key_id, value.nonce].append((str(column), value.row))
    for column, values, reason in looked:
        mine = [value for value in values if value.authenticates]
        if reason or not mine:
            yield NotObserved(
                column, reason or "none of its values opens, so none shows its nonce", expected, seen=(values,)
            )
            continue
        if opened < 2:
            yield NotObserved(
                column,
                "there is only one sealed value, so nothing shows whether nonces repeat",
                expected,
                seen=(values,),
            )
            continue
        shared = [value for value in mine if len(uses[value.key_id, value.nonce]) > 1]
        if shared:
            others = [
                f"{table}, row {row}" for table, row in uses[shared[0].key_id, shared[0].nonce] if row != shared[0].row
            ]
            observed = f"a nonce is repeated in {len(shared)} of {len(mine)} values: row {shared[0].row} shares it with {others[0]}"
        else:
            observed = f"{len(mine)} values, {len(mine)} nonces, none of them used by another of {opened} values"
        yield Finding(column, passed=not shared, expected=expected, observed=observed)


@check(basis=INSPECTED)
def same_plaintext_gives_different_ciphertext(sealed: Sealed) -> Iterator[Finding | NotObserved]:
    """Two values that hold the same secret are stored as different ciphertexts.

    Decides: whether someone who can read the stored values could tell which of them are equal.

    How: looks for values that hold the same secret (compared by keyed digests that are of no use outside the run) and compares what
    stands between nonce and tag. Values that do not open are compared too: equal ciphertexts are a defect whatever they hold.

    Refuted by: two values with the same ciphertext, which deterministic encryption and a repeated nonce give.

    Cannot see: anything as long as no secret is stored twice; then it is not observed.

    References: NIST SP 800-38D §8.
    """
    expected = "different ciphertexts for equal secrets"
    looked = list(_columns(sealed))
    for column, _, reason in looked:
        if reason:
            yield NotObserved(column, reason, expected)
    everything = [(column, value) for column, values, _ in looked for value in values]
    if not everything:
        return
    groups: dict[tuple[str, str], list[tuple[Column, SealedValue]]] = defaultdict(list)
    for column, value in everything:
        groups["secret" if value.plaintext else "ciphertext", value.plaintext or value.ciphertext].append(
            (column, value)
        )
    pairs = 0
    for (kind, _), members in groups.items():
        if len(members) < 2:
            continue
        pairs += 1
        (column, first), *others = members
        distinct = {value.ciphertext for _, value in members}
        subject = f"{column.table}.{column.column}: row {first.row} and {len(others)} more with the same {kind}"
        if len(distinct) == len(members):
            yield Finding(subject, passed=True, expected=expected, observed=f"{len(distinct)} different ciphertexts")
        else:
            one, same = _pair([value for _, value in members])
            observed = f"equal secrets give the same ciphertext: row {one.row} and row {same.row}"
            yield Finding(subject, passed=False, expected=expected, observed=observed)
    if not pairs:
        yield NotObserved(
            "pairs of equal secrets",
            f"none of the {len(everything)} stored values holds the same secret as another",
            expected,
        )


def _pair(values: Sequence[SealedValue]) -> tuple[SealedValue, SealedValue]:
    """The first two with one ciphertext, of values among which there are such."""
    seen: dict[str, SealedValue] = {}
    return next((seen[one.ciphertext], one) for one in values if seen.setdefault(one.ciphertext, one) is not one)


def _columns(sealed: Sealed) -> Iterator[tuple[Column, Sequence[SealedValue], str]]:
    """Each declared column with its values, or with the reason why there is nothing to judge."""
    for column in sealed.columns():
        try:
            values = sealed.values(column)
        except Unobservable as unobservable:
            yield column, (), unobservable.reason
            continue
        yield column, values, "" if values else "it holds no value, so nothing shows how values are stored"


def _defect(value: SealedValue, key_bits: int) -> str:
    """What is wrong with one value, in plain words; empty when nothing is."""
    if value.readable_as:
        return f"not encrypted, readable as {value.readable_as}"
    if not value.authenticates:
        if value.mode:
            return f"encrypted with {value.mode}, which authenticates nothing and shows equal blocks"
        repeats = ", and it repeats 16-byte blocks" if value.repeats_blocks else ""
        return f"does not open with any declared key{repeats}"
    if value.tampered_authenticates:
        return "still opens with one bit altered"
    if value.key_bits < key_bits:
        return f"the key has {value.key_bits} bits"
    return ""
