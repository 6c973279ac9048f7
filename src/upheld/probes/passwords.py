"""Stored passwords: the form of each hash, what it costs, and whether it is a password that the harness knows. Values never leave here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.database import Database, table_of
from upheld.probes.database_rows import rows_of
from upheld.probes.sealed import Column
from upheld.probes.sending import Sending, reading
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.credentials import StoredPasswords

ROWS_LIMIT = 200_000
"""Passwords of one column that are read; a column with more is Unobservable."""

_DIGESTS = {32: "MD5 or NTLM", 40: "SHA-1", 56: "SHA-224", 64: "SHA-256", 96: "SHA-384", 128: "SHA-512"}
_FAST = re.compile(
    r"^(?:\{(?:MD5|SHA|SSHA|SMD5|SHA256|SSHA256|SHA512|SSHA512)\}|\$1\$|\*[0-9A-F]{40}$|(?:md5|sha1|sha256|sha512)\$|md5[0-9a-f]{32}$)"
)


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """One stored value, without the value.

    `scheme` is scrypt, bcrypt, Argon2, PBKDF2, SHA-crypt, bare digest, plain text or unknown; `cost` what makes it slow (N, the cost's exponent,
    KiB, iterations). `known_as` says how it gives away a password of the harness; `shared` whether another row has the same value.
    """

    row: str
    scheme: str
    cost: int
    salt_bytes: int
    detail: str
    known_as: str
    shared: bool


@dataclass(frozen=True, slots=True)
class Digests:
    """How many values a column holds, and how many of them have not the form of a digest."""

    total: int
    odd: int


class Passwords(Probe):
    """The columns under `stored_passwords` in the target."""

    name = "passwords"
    needs = ("database", "stored_passwords")
    sends: ClassVar[Sending] = {
        **dict.fromkeys(("values", "digests"), reading("url", "of the columns with hashes and digests")),
    }

    @look
    def columns(self) -> tuple[Column, ...]:
        """The columns with password hashes; raises Unobservable when there is none."""
        if not self._description.columns:
            raise Unobservable("the target declares no column with passwords (stored_passwords.columns)")
        return tuple(Column(one.table, one.column, one.what) for one in self._description.columns)

    @look
    def values(self, place: Column) -> tuple[StoredPassword, ...]:
        """The form of every value of the column that is not empty."""
        described = next(
            one for one in self._description.columns if (one.table, one.column) == (place.table, place.column)
        )
        table = table_of(described.table, described.id, described.column)
        stored = [
            (str(row), value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value))
            for row, value in self._read(sa.select(table.c[described.id], table.c[described.column]), described.column)
            if value
        ]
        known = known_passwords(self.session)
        times = Counter(value for _, value in stored)
        return tuple(
            StoredPassword(row, *form_of(value), known.get(value.lower(), known.get(value, "")), times[value] > 1)
            for row, value in stored
        )

    @look
    def digest_columns(self) -> tuple[Column, ...]:
        """The columns that hold digests of sessions, codes and the like; raises Unobservable when there is none."""
        if not self._description.digests:
            raise Unobservable("the target declares no column with digests (stored_passwords.digests)")
        return tuple(Column(one.table, one.column, one.what) for one in self._description.digests)

    @look
    def digests(self, place: Column) -> Digests:
        """How many values of the column have the form of a digest."""
        table = table_of(place.table, place.column)
        rows = [value for (value,) in self._read(sa.select(table.c[place.column]), place.column) if value is not None]
        return Digests(len(rows), sum(not _is_digest(value) for value in rows))

    def _read(self, statement: sa.Select[Any], column: str) -> list[Any]:
        with cast("Database", self.session.probe(Database)).reading("auditor") as connection:
            rows = [tuple(row.values()) for row in rows_of(connection, statement.limit(ROWS_LIMIT + 1), column)]
        if len(rows) > ROWS_LIMIT:
            raise Unobservable(f"{column} holds more than {ROWS_LIMIT} values")
        return rows

    @property
    def _description(self) -> StoredPasswords:
        if self.target.stored_passwords is None:
            raise Unobservable("the target describes no stored passwords")
        return self.target.stored_passwords


def known_passwords(session: Session) -> dict[str, str]:
    """The harness's passwords as they are and as bare digests, each with what that is."""
    found: dict[str, str] = {}
    for identity in session.target.identities:
        for reference in identity.secrets.values():
            try:
                password = resolve(reference, session.target_folder)
            except Unobservable:
                continue
            raw = password.encode()
            found[password] = found[password.lower()] = "as it is"
            found[base64.b64encode(raw).decode()] = "in base64"
            found[raw.hex()] = "in hexadecimal"
            for name in ("md5", "sha1", "sha256", "sha512"):
                found[hashlib.new(name, raw, usedforsecurity=False).hexdigest()] = f"as its bare {name.upper()} digest"
    return found


def form_of(value: str) -> tuple[str, int, int, str]:  # noqa: PLR0911 - one return for each form reads best
    """Scheme, cost, bytes of salt and detail of one stored value."""
    if match := re.fullmatch(
        r"\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}", value.removeprefix("bcrypt$").removeprefix("{CRYPT}")
    ):
        return "bcrypt", int(match[1]), 16, ""
    if match := re.search(r"\$(argon2(?:id|i|d))\$(?:v=\d+\$)?m=(\d+),t=(\d+),p=\d+\$([A-Za-z0-9+/=]+)\$", value):
        return "Argon2", int(match[2]) * int(match[3]), _length(match[4]), match[1]
    if match := re.fullmatch(r"\$?scrypt[$:](\d+)[$:](\d+)[$:](\d+)\$([^$]+)\$([^$]+)", value):
        return "scrypt", int(match[1]), _length(match[4]), ""
    if match := re.fullmatch(r"scrypt\$([^$]+)\$(\d+)\$(\d+)\$(\d+)\$([^$]+)", value):  # Django
        return "scrypt", int(match[2]), _length(match[1]), ""
    if match := re.fullmatch(r"\$scrypt\$ln=(\d+),r=\d+,p=\d+\$([^$]+)\$([^$]+)", value):  # passlib
        return "scrypt", 1 << min(int(match[1]), 40), _length(match[2]), ""
    if match := re.fullmatch(r"pbkdf2[_:](sha\d+)[$:](\d+)\$([^$]+)\$([^$]+)", value):
        return "PBKDF2", int(match[2]), len(match[3]), match[1]
    if match := re.fullmatch(r"\$pbkdf2-(sha\d+)\$(\d+)\$([^$]+)\$([^$]+)", value):
        return "PBKDF2", int(match[2]), _length(match[3]), match[1]
    if match := re.fullmatch(r"\$[56]\$(?:rounds=(\d+)\$)?([^$]{0,16})\$[./A-Za-z0-9]{43,86}", value):
        return "SHA-crypt", int(match[1] or 5000), len(match[2]), ""
    if _FAST.match(value):
        return "bare digest", 0, 0, value[: value.find("}") + 1] or "a fast digest"
    if re.fullmatch(r"(?i)[0-9a-f]+", value) and len(value) in _DIGESTS:
        return "bare digest", 0, 0, _DIGESTS[len(value)]
    if re.fullmatch(r"[A-Za-z0-9+/]{22,86}={1,2}", value) and _length(value) in {16, 20, 28, 32, 48, 64}:
        return "bare digest", 0, 0, f"{_length(value) * 8} bits in base64"
    if re.match(r"\$[A-Za-z0-9_-]+\$|[a-z0-9_]+\$.*\$|\{[A-Z0-9-]+\}", value):
        return "unknown", 0, 0, ""
    return "plain text", 0, 0, ""


def _length(text: str) -> int:
    try:
        return len(base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError):
        return len(text)


def _is_digest(value: object) -> bool:
    if isinstance(value, bytes | bytearray | memoryview):
        return len(bytes(value)) in {32, 48, 64}
    text = str(value)
    return bool(re.fullmatch(r"(?i)(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})", text)) or (
        bool(re.fullmatch(r"[A-Za-z0-9+/_-]{43}=?", text)) and _length(text.replace("-", "+").replace("_", "/")) == 32
    )
