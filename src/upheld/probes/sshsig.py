"""SSH signatures of files and the file of allowed signers, as `ssh-keygen -Y verify` reads them; nothing is judged by date here.

Formats: OpenSSH's PROTOCOL.sshsig and PROTOCOL, RFC 4251 §5 and 4253 §6.6, RFC 5656 §3, RFC 8332, RFC 8709; ssh-keygen(1), ALLOWED SIGNERS.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from cryptography.hazmat.primitives.serialization.ssh import SSHPublicKeyTypes

from upheld.errors import Unobservable

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_SMALLEST_RSA = 2048
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}
_KEY_TYPES = ("ssh-", "ecdsa-", "sk-")
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_OPTION = re.compile(r'([A-Za-z-]+)(?:="((?:[^"\\]|\\.)*)")?')


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was read: the key that made it, what it is good for, and what it is over."""

    key: bytes
    namespace: str
    hash_name: str
    algorithm: str
    value: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as OpenSSH shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.key).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """A line of allowed signers: whom it names, with which key, for which namespaces (patterns; empty: all), and when.

    Times without a zone are taken for UTC.
    """

    principals: tuple[str, ...]
    key: bytes
    namespaces: tuple[str, ...] = ()
    valid_after: datetime | None = None
    valid_before: datetime | None = None
    authority: bool = False
    line: int = field(default=0, compare=False)

    def names(self, principal: str) -> bool:
        """Whether the line names that principal."""
        return bool(principal) and _matches(principal, self.principals)

    def good_for(self, namespace: str) -> bool:
        """Whether the line lets its key sign for that namespace."""
        return not self.namespaces or _matches(namespace, self.namespaces)


def read_signature(raw: bytes) -> Signature:
    """The signature in an armoured file; raises Unobservable when it is none, or one that is not understood."""
    text = raw.decode("ascii", "replace").strip()
    if not text.startswith(_BEGIN) or not text.endswith(_END):
        raise Unobservable("the signature file is no SSH signature")
    try:
        blob = base64.b64decode("".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unobservable("the signature file is no base64") from None
    if not blob.startswith(_MAGIC) or int.from_bytes(blob[6:10], "big") != 1:
        raise Unobservable("the signature file is no SSH signature of version 1")
    reader = Reader(blob[10:])
    key, namespace, _, hash_name, inner = (reader.string() for _ in range(5))
    reader.end()
    signed = Reader(inner)
    algorithm, value = signed.string(), signed.string()
    signed.end()
    try:
        return Signature(key, namespace.decode(), hash_name.decode("ascii"), algorithm.decode("ascii"), value)
    except UnicodeDecodeError:
        raise Unobservable("the signature's names are no text") from None


def verifies(signature: Signature, content: bytes) -> str:
    """Empty when the signature is one of `content` by the key in it, else why not; raises Unobservable for what cannot be verified here."""
    if signature.hash_name not in {"sha256", "sha512"}:
        raise Unobservable(f"signatures over {signature.hash_name!r} are not understood")
    kind = _kind(signature.key)
    parts = (signature.namespace.encode(), b"", signature.hash_name.encode())
    message = _MAGIC + b"".join(map(packed, (*parts, hashlib.new(signature.hash_name, content).digest())))
    key = public_key(signature.key)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey) and signature.algorithm == kind == "ssh-ed25519":
            key.verify(signature.value, message)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signature.algorithm == kind in _HASHES:
            both = Reader(signature.value)
            r, s = (int.from_bytes(both.string(), "big") for _ in range(2))
            both.end()
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_HASHES[kind]))
        elif isinstance(key, rsa.RSAPublicKey) and signature.algorithm in {"rsa-sha2-256", "rsa-sha2-512"}:
            if key.key_size < _SMALLEST_RSA:
                return f"it is made with an RSA key of {key.key_size} bits"
            key.verify(signature.value, message, padding.PKCS1v15(), _HASHES[signature.algorithm])
        elif signature.algorithm == "ssh-rsa":
            return "it is made with RSA over SHA-1"
        else:
            raise Unobservable(f"signatures {signature.algorithm!r} by keys of the type {kind!r} cannot be verified")
    except InvalidSignature:
        return "it is no signature of this file"
    return ""


def public_key(blob: bytes) -> SSHPublicKeyTypes:
    """The key that an SSH key's blob is; raises Unobservable for one of a type that nothing can be verified with here."""
    kind = _kind(blob)
    try:
        return load_ssh_public_key(kind.encode() + b" " + base64.b64encode(blob))
    except (ValueError, UnsupportedAlgorithm):
        raise Unobservable(f"keys of the type {kind!r} cannot be verified with") from None


def _kind(blob: bytes) -> str:
    return Reader(blob).string().decode("ascii", "replace")


def read_allowed(raw: bytes) -> tuple[AllowedSigner, ...]:
    """The lines of a file of allowed signers; raises Unobservable for one that is not understood, or for a file without any."""
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise Unobservable("the file of allowed signers is no UTF-8 text") from None
    signers = [
        _allowed(line.strip(), number)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not signers:
        raise Unobservable("the file of allowed signers allows nobody")
    return tuple(signers)


def _allowed(line: str, number: int) -> AllowedSigner:
    def wrong(why: str) -> Unobservable:
        return Unobservable(f"line {number} of the allowed signers is not understood: {why}")

    words = _words(line)
    if words is None or len(words) < 3:
        raise wrong("it needs principals, a key's type and the key")
    principals, *rest = words
    options = "" if rest[0].startswith(_KEY_TYPES) and '"' not in rest[0] else rest.pop(0)
    if len(rest) < 2 or not rest[0].startswith(_KEY_TYPES):
        raise wrong("there is no key")
    try:
        key = base64.b64decode(rest[1], validate=True)
        if Reader(key).string().decode("ascii") != rest[0]:
            raise wrong("the key is not of the type that it says")
    except (binascii.Error, ValueError):
        raise wrong("the key is no base64") from None
    given: dict[str, str] = {}
    for name, value in _options(options, wrong):
        given[name.lower()] = value
    unknown = given.keys() - {"cert-authority", "namespaces", "valid-after", "valid-before"}
    if unknown:
        raise wrong(f"the option {min(unknown)!r} is not known")
    try:
        after, before = (_time(given[name]) if name in given else None for name in ("valid-after", "valid-before"))
    except ValueError:
        raise wrong("a time is neither YYYYMMDD nor YYYYMMDDHHMM[SS]") from None
    names = tuple(principals.strip('"').split(","))
    namespaces = tuple(given["namespaces"].split(",")) if "namespaces" in given else ()
    return AllowedSigner(names, key, namespaces, after, before, "cert-authority" in given, number)


def _words(line: str) -> list[str] | None:
    """The words of a line, in which quotes hold white space together; None when one is not closed."""
    words = re.findall(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+', line)
    return words if "".join(words) == "".join(re.sub(r'"(?:[^"\\]|\\.)*"|\s', _unspaced, line)) else None


def _unspaced(match: re.Match[str]) -> str:
    return match.group() if match.group().startswith('"') else ""


def _options(text: str, wrong: object) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _OPTION.match(text, position)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise wrong(f"the options {text!r}")  # type: ignore[operator]
        yield match[1], (match[2] or "").replace('\\"', '"')
        position = match.end() + 1


def _time(text: str) -> datetime:
    digits = text.removesuffix("Z")
    return datetime.strptime(digits, _TIMES.get(len(digits), "")).replace(tzinfo=UTC)


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns fits and none with an exclamation mark does (PATTERNS in ssh_config(5))."""
    # There are no character classes in these patterns.
    fitting = [one for one in patterns if fnmatchcase(text, one.removeprefix("!").replace("[", "[[]"))]
    return bool(fitting) and not any(one.startswith("!") for one in fitting)


def packed(value: bytes) -> bytes:
    """An SSH string (RFC 4251 §5)."""
    return len(value).to_bytes(4, "big") + value


class Reader:
    """Reads SSH strings one after the other."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob

    def string(self) -> bytes:
        """The next one; raises Unobservable where there is none."""
        if len(self._blob) < 4 or len(self._blob) < (end := 4 + int.from_bytes(self._blob[:4], "big")):
            raise Unobservable("the signature or key is cut off")
        value, self._blob = self._blob[4:end], self._blob[end:]
        return value

    def end(self) -> None:
        """Raise Unobservable where something is left."""
        if self._blob:
            raise Unobservable("the signature has something behind its end")
