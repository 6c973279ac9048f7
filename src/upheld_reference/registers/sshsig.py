"""SSH signatures of files, as ``ssh-keygen -Y sign`` writes them.

The format is OpenSSH's PROTOCOL.sshsig: an armoured blob with the public key, the namespace that the signature is good
for, and a signature over a digest of the file. It is written here because nothing but Python may be needed to run.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = "sha512"
_KEY_TYPE = b"ssh-ed25519"


def _string(value: bytes) -> bytes:
    """An SSH string: four bytes of length, then the bytes (RFC 4251 §5)."""
    return len(value).to_bytes(4, "big") + value


def public_blob(key: Ed25519PrivateKey) -> bytes:
    """The public half of ``key`` in SSH's wire format (RFC 8709 §4)."""
    return _string(_KEY_TYPE) + _string(key.public_key().public_bytes_raw())


def public_line(key: Ed25519PrivateKey) -> str:
    """The public half of ``key`` as it stands in authorized_keys and allowed_signers: type and base64."""
    return f"{_KEY_TYPE.decode()} {base64.b64encode(public_blob(key)).decode()}"


def sign(key: Ed25519PrivateKey, content: bytes, namespace: str) -> str:
    """The armoured signature of ``content`` for ``namespace``, which must not be empty."""
    signed = (
        _MAGIC
        + _string(namespace.encode())
        + _string(b"")
        + _string(_HASH.encode())
        + _string(hashlib.sha512(content).digest())
    )
    signature = _string(_KEY_TYPE) + _string(key.sign(signed))
    blob = (
        _MAGIC
        + _VERSION.to_bytes(4, "big")
        + _string(public_blob(key))
        + _string(namespace.encode())
        + _string(b"")
        + _string(_HASH.encode())
        + _string(signature)
    )
    body = "\n".join(textwrap.wrap(base64.b64encode(blob).decode(), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n"
