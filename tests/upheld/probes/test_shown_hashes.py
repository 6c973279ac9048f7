"""Hashes of passwords are known by their forms, as the libraries that make them write them, and by names."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from upheld.probes.shown_hashes import _form, _parsed, _values

HEX, B64 = "9f" * 32, "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("$2a$10$" + "N9qo8uLOickgx2ZMRZoMye" + "IjZAgcfl7p92ldGxad68LJZdL17lhWy", "bcrypt"),
        ("bcrypt_sha256$$2b$12$" + "a" * 53, "bcrypt"),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + B64, "Argon2"),
        ("argon2$argon2i$v=19$m=512,t=2,p=2$c2FsdHNhbHQ$" + B64, "Argon2"),
        (f"scrypt:32768:8:1$saltsalt${HEX}{HEX}", "scrypt"),
        (f"scrypt$salt$16384$8$1${B64}=", "scrypt"),
        (f"$scrypt$ln=16,r=8,p=1$c2FsdHNhbHQ${B64}", "scrypt"),
        (f"pbkdf2:sha256:600000$salt${HEX}", "PBKDF2"),
        (f"pbkdf2_sha256$870000$salt${B64}=", "PBKDF2"),
        ("$pbkdf2-sha256$29000$4dwb49zb2zsnRMi5V.q9Vw$" + B64.replace("+", "."), "PBKDF2"),
        ("$6$rounds=656000$saltsalt$" + "a" * 86, "SHA-crypt"),
        ("$5$saltsalt$" + "a" * 43, "SHA-crypt"),
        ("$y$j9T$saltsaltsalt$" + "a" * 43, "yescrypt"),
        ("$apr1$saltsalt$" + "a" * 22, "MD5-crypt"),
        ("$P$B" + "a" * 30, "phpass"),
        ("{SSHA}" + B64, "LDAP"),
        ("{ssha512}" + B64, "LDAP"),
        (f"SCRAM-SHA-256$4096:c2FsdA==${B64}=:{B64}=", "SCRAM"),
        ("sha1$salt$" + "9f" * 20, "salted MD5 or SHA-1"),
        ("*" + "9F" * 20, "MySQL"),
    ],
)
def test_forms(value: str, form: str) -> None:
    assert _form("note", value, {}) == f"a password hash ({form})"
    assert _form("note", f"of Anna: {value}, new", {}) == f"a password hash ({form})"


@pytest.mark.parametrize("name", ["password_hash", "passwordHash", "PasswordHash", "hashed-password", "password", "user.pwd", "pw_digest", "encrypted_password", "password_salt"])  # fmt: skip
@pytest.mark.parametrize("value", [HEX, "9F" * 16, B64, f"{B64}=", "AQAAAAEAACcQAAAAEK8vq9Jv3mZl0w=="])
def test_digests_under_a_name(name: str, value: str) -> None:
    assert _form(name, value, {}) == "a digest under that name"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("etag", HEX),
        ("password_reset_url", HEX),
        ("compass", HEX),
        ("password", "correct-horse-battery-staple"),
        ("password", "must be changed at the next login"),
        ("password_hash", ""),
        ("price", "$5$ and $6$ a month"),
        ("text", "{CRYPT} is a scheme"),
        ("text", "* 9F9F"),
    ],
)
def test_what_is_none(name: str, value: str) -> None:
    assert _form(name, value, {}) == ""


def test_tokens_and_signed_cookies_are_decoded() -> None:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    body = json.dumps({"user": {"a/b": ["x", {"key": "inside"}]}}).encode()
    for value, place in (
        (f"{part(b'{}')}.{part(body)}.c2ln", "part 2"),  # a JSON web token
        (f"{part(body)}.Zx1y2z.c2lnbmF0dXJl", "part 1"),  # Flask's
        (f".{part(zlib.compress(body))}.Zx1y2z.c2lnbmF0dXJl", "part 2"),  # Flask's, compressed
        (f"{part(body)}:1abc2d:c2lnbmF0dXJl", "part 1"),  # Django's
    ):
        found = {place: text for place, _, text in _values({"token": value})}
        assert found[f"/token, decoded {place}/user/a~1b/1/key"] == "inside"
    deep = "{}"
    for _ in range(9):
        deep = json.dumps({"t": f"{part(deep.encode())}.{part(b'[]')}"})
    assert len(list(_values(_parsed(deep)))) == 4


def test_bodies_that_are_no_json_are_searched_line_by_line() -> None:
    assert [(place, text) for place, _, text in _values(_parsed("id,hash\n1,x\n\n"))] == [
        ("/0", "id,hash"),
        ("/1", "1,x"),
    ]
    assert list(_values(_parsed(""))) == []
    assert [text for *_, text in _values(_parsed("[" * 100_000))] == ["[" * 100_000]
