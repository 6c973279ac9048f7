"""Keys that an ssh-agent holds: it signs, and the private half is never here (draft-ietf-sshm-ssh-agent).

For Ed25519 and ECDSA keys the agent's signature is that of the key over the very bytes, so that an envelope shows no difference.
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from upheld.errors import Unobservable, UpheldError
from upheld.evidence.tree import SALT
from upheld.probes.sshsig import Reader, packed

SOCKET = "SSH_AUTH_SOCK"
SECONDS = 120.0
"""How long somebody may take to allow a signature, where the agent asks."""
_LARGEST = 256 << 10
_ASK_KEYS, _KEYS, _ASK_SIGNATURE, _SIGNATURE = b"\x0b", b"\x0c", b"\x0d", b"\x0e"


class NoAgent(UpheldError):
    """There is no agent, it does not hold the key, or it did not sign."""


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key of which the public half is here, and the private one with the agent at `address`, a socket's path."""

    public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
    blob: bytes
    """The public key as SSH has it."""
    address: str

    def sign(self, message: bytes) -> bytes:
        """The agent's signature of `message`; raises NoAgent where it gives none."""
        answer = _answer(self.address, _ASK_SIGNATURE + packed(self.blob) + packed(message) + bytes(4))
        if answer[:1] != _SIGNATURE:
            raise NoAgent("the agent did not sign: it refused, or does not hold the key any more")
        try:
            outer = Reader(answer[1:])
            inner = Reader(outer.string())
            outer.end()
            inner.string()  # The name of the algorithm, which the key says too.
            value = inner.string()
            inner.end()
            return self._checked(value, message)
        except (Unobservable, InvalidSignature):
            raise NoAgent("what the agent answered is no signature of this key") from None

    def seed(self, about: bytes) -> bytes:
        """A secret for the salts of what is signed, made of a signature that nobody else sees; for Ed25519 keys always the same one."""
        message = b"upheld-evidence/1 seed of salts " + hashlib.sha256(about).digest()
        return HKDF(hashes.SHA256(), SALT, salt=None, info=message).derive(self.sign(message))

    def _checked(self, value: bytes, message: bytes) -> bytes:
        if isinstance(self.public, ed25519.Ed25519PublicKey):
            self.public.verify(value, message)
            return value
        numbers = Reader(value)
        r, s = (int.from_bytes(numbers.string(), "big") for _ in range(2))
        numbers.end()
        signature = encode_dss_signature(r, s)
        self.public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        return signature


def key_in_agent(public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey, blob: bytes) -> AgentKey:
    """The key in the agent that the environment names (SSH_AUTH_SOCK); raises NoAgent where there is none."""
    address = os.environ.get(SOCKET, "")
    if not address:
        raise NoAgent(
            f"it is a public key, and no ssh-agent is there that could hold its private half ({SOCKET} is not set)"
        )
    answer = _answer(address, _ASK_KEYS)
    try:
        if answer[:1] != _KEYS:
            raise Unobservable("it refused")
        reader, held = Reader(answer[5:]), []
        for _ in range(int.from_bytes(answer[1:5], "big")):
            held.append(reader.string())
            reader.string()  # The comment.
    except Unobservable as error:
        raise NoAgent(f"the agent does not say which keys it holds: {error.reason}") from None
    if blob not in held:
        raise NoAgent(f"the agent holds {len(held)} keys, and not this one: ssh-add it")
    return AgentKey(public, blob, address)


def _answer(address: str, request: bytes) -> bytes:
    """What the agent answers."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(address)
            connection.sendall(packed(request))
            size = int.from_bytes(_read(connection, 4), "big")
            if not 0 < size <= _LARGEST:
                raise NoAgent("what is behind SSH_AUTH_SOCK does not answer as an agent does")
            return _read(connection, size)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoAgent(f"the agent behind {SOCKET} cannot be asked: {said}") from None


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise NoAgent("the agent broke off")
        found += part
    return found
