"""Forging JSON web tokens: how an attacker writes them who has a valid one, and not the key."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from upheld.errors import Unobservable

_HMAC = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Forgery:
    """One way to forge a token: its name, and where it is described."""

    name: str
    reference: str

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True)
class Parts:
    """A JSON web token taken apart."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signature: str


@cache
def _data() -> list[dict[str, Any]]:
    text = resources.files("upheld.probes").joinpath("forged-tokens.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["forgeries"]
    return found


def forgeries() -> tuple[Forgery, ...]:
    """Every way that the data file names."""
    return tuple(Forgery(one["name"], one["reference"]) for one in _data())


def parts(token: str) -> Parts:
    """The parts of a JSON web token (RFC 7519 §3); raises Unobservable when it is none."""
    pieces = token.split(".")
    try:
        if len(pieces) != 3:
            raise ValueError
        header, claims = (json.loads(_decoded(piece)) for piece in pieces[:2])
        if not isinstance(header, dict) or not isinstance(claims, dict):
            raise TypeError
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Unobservable("the token is no JSON web token") from None
    return Parts(header, claims, pieces[2])


def forged(token: str, name: str) -> str:
    """`token` forged in that way; raises Unobservable where that cannot be done with its algorithm, KeyError for no such way."""
    how = next((one for one in _data() if one["name"] == name), None)
    if how is None:
        raise KeyError(name)
    known = parts(token)
    header = {**known.header, **how["header"]}
    claims = dict(known.claims)
    if "later_days" in how and isinstance(claims.get("exp"), int | float):
        claims["exp"] += how["later_days"] * _DAY_SECONDS
    elif how["sign"] == "kept":
        claims["upheld"] = "altered"
    sign = how["sign"]
    if sign == "other key":
        return _with_other_key(header, claims, embed=bool(how.get("embed")))
    unsigned = f"{_encoded(header)}.{_encoded(claims)}"
    if sign == "nothing":
        return f"{unsigned}."
    if sign == "kept":
        return f"{unsigned}.{known.signature}"
    if sign == "altered":
        body, _, _ = token.rpartition(".")
        first = known.signature[:1]
        return f"{body}.{'A' if first != 'A' else 'B'}{known.signature[1:]}"
    return f"{unsigned}.{_mac(unsigned, how['key'].encode(), str(header['alg']))}"


def _with_other_key(header: dict[str, Any], claims: Mapping[str, Any], *, embed: bool) -> str:
    """Signed by a key that was made just now, with the token's own algorithm; `embed` puts the key into the header."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  (imported late, so that `upheld` starts fast)
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils  # noqa: PLC0415

    algorithm = str(header.get("alg"))
    sizes = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    digest = sizes.get(algorithm[-3:], hashes.SHA256())
    if algorithm == "EdDSA":
        own = ed25519.Ed25519PrivateKey.generate()
        jwk: dict[str, str] = {"kty": "OKP", "crv": "Ed25519", "x": _text(own.public_key().public_bytes_raw())}
        unsigned = _unsigned(header, claims, jwk if embed else None)
        return f"{unsigned}.{_text(own.sign(unsigned.encode()))}"
    if algorithm.startswith(("RS", "PS")):
        key = rsa.generate_private_key(65537, 2048)
        numbers = key.public_key().public_numbers()
        jwk = {"kty": "RSA", "n": _text(_bytes(numbers.n)), "e": _text(_bytes(numbers.e))}
        unsigned = _unsigned(header, claims, jwk if embed else None)
        how = padding.PSS(padding.MGF1(digest), digest.digest_size) if algorithm[0] == "P" else padding.PKCS1v15()
        return f"{unsigned}.{_text(key.sign(unsigned.encode(), how, digest))}"
    if algorithm in {"ES256", "ES384", "ES512"}:
        curves = {
            "ES256": ("P-256", ec.SECP256R1()),
            "ES384": ("P-384", ec.SECP384R1()),
            "ES512": ("P-521", ec.SECP521R1()),
        }
        name, curve = curves[algorithm]
        private = ec.generate_private_key(curve)
        point, size = private.public_key().public_numbers(), (curve.key_size + 7) // 8
        jwk = {"kty": "EC", "crv": name, "x": _text(point.x.to_bytes(size)), "y": _text(point.y.to_bytes(size))}
        unsigned = _unsigned(header, claims, jwk if embed else None)
        r, s = utils.decode_dss_signature(private.sign(unsigned.encode(), ec.ECDSA(digest)))
        return f"{unsigned}.{_text(r.to_bytes(size) + s.to_bytes(size))}"
    if algorithm in _HMAC:
        secret = secrets.token_bytes(32)
        unsigned = _unsigned(header, claims, {"kty": "oct", "k": _text(secret)} if embed else None)
        return f"{unsigned}.{_mac(unsigned, secret, algorithm)}"
    raise Unobservable(f"upheld does not know how to sign with the algorithm {algorithm}")


def _unsigned(header: Mapping[str, Any], claims: Mapping[str, Any], jwk: Mapping[str, str] | None) -> str:
    return f"{_encoded({**header, 'jwk': jwk} if jwk else header)}.{_encoded(claims)}"


def _mac(unsigned: str, key: bytes, algorithm: str) -> str:
    return _text(hmac.new(key, unsigned.encode(), getattr(hashlib, _HMAC[algorithm])).digest())


def _encoded(part: Mapping[str, Any]) -> str:
    return _text(json.dumps(part, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def _decoded(piece: str) -> bytes:
    return urlsafe_b64decode(piece + "=" * (-len(piece) % 4))
