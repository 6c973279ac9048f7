"""A Sigstore instance of our own on this machine: an authority that certifies who shows a token, a log of certificates, a log of signatures."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

WHO = "https://ci.example.com/acme/audits//audit.yml@refs/heads/main"
ISSUER = "https://ci.example.com"
SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ISSUER_V1, ISSUER_V2 = (x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}") for number in (1, 8))
SECRET = "the-secret-by-which-the-issuer-of-tokens-signs-them"
HOUR = timedelta(hours=1)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def token(**claims: Any) -> str:
    now = int(time.time())
    given = {"iss": ISSUER, "sub": WHO, "aud": "sigstore", "iat": now, "nbf": now, "exp": now + 300} | claims
    return jwt.encode(given, SECRET, algorithm="HS256")


class Sigstore:
    """Keys, and what they sign. Attributes that are changed make it do something that an honest one does not."""

    def __init__(self) -> None:
        self.root_key, self.ct_key, self.log_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        self.root = self._root()
        self.leaves: list[bytes] = []
        self.url = ""
        self.refuses = False
        self.sct_by = self.ct_key
        self.certified_for = timedelta(minutes=10)
        self.late = timedelta(0)

    def _root(self) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self.name, self.name, self.root_key.public_key(), x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + 24 * HOUR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.root_key.public_key()), critical=False)
            .sign(self.root_key, hashes.SHA256())
        )

    def certify(self, request: dict[str, Any], bearer: str) -> list[str]:
        """A certificate for the key in the request and the identity in the token, with the promise of the log of certificates."""
        claims = jwt.decode(bearer, SECRET, algorithms=["HS256"], audience="sigstore")
        csr = x509.load_pem_x509_csr(base64.b64decode(request["certificateSigningRequest"]))
        assert csr.is_signature_valid
        now = datetime.now(UTC)
        utf8 = b"\x0c" + bytes([len(claims["iss"])]) + claims["iss"].encode()
        public = csr.public_key()
        builder = (
            x509.CertificateBuilder(self.name, x509.Name([]), public, x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=5))
            .not_valid_after(now + self.certified_for)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(claims["sub"])]), critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER_V1, claims["iss"].encode()), critical=False)
            .add_extension(x509.UnrecognizedExtension(ISSUER_V2, utf8), critical=False)
        )
        before = builder.sign(self.root_key, hashes.SHA256()).tbs_certificate_bytes
        certificate = builder.add_extension(
            x509.UnrecognizedExtension(SCTS, self._promise(before)), critical=False
        ).sign(self.root_key, hashes.SHA256())
        return [one.public_bytes(Encoding.PEM).decode() for one in (certificate, self.root)]

    def _promise(self, before: bytes) -> bytes:
        """The list with one signed certificate timestamp (RFC 6962 §3.2, §3.3) as the extension holds it."""
        milliseconds = int(time.time() * 1000)
        entry = hashlib.sha256(spki(self.root_key)).digest() + len(before).to_bytes(3, "big") + before
        signature = signed(self.sct_by, struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + b"\0\0")
        identity = hashlib.sha256(spki(self.ct_key)).digest()
        sct = b"\0" + identity + struct.pack("!QH", milliseconds, 0) + b"\4\3" + struct.pack("!H", len(signature))
        sct += signature
        listed = struct.pack("!HH", len(sct) + 2, len(sct)) + sct
        return b"\x04" + (b"" if len(listed) < 128 else b"\x81") + bytes([len(listed)]) + listed

    def log(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """The entry in the log of signatures, with the log's promise and the proof that it is in the tree."""
        body = json.dumps(proposed, sort_keys=True, separators=(",", ":")).encode()
        self.leaves.append(hashlib.sha256(b"\0" + body).digest())
        place, size = len(self.leaves) - 1, len(self.leaves)
        root, path = proof(self.leaves, place)
        identity = hashlib.sha256(spki(self.log_key)).digest()
        said = f"log of a test\n{size}\n{b64(root)}\n"
        checkpoint = f"{said}\n— log {b64(identity[:4] + signed(self.log_key, said.encode()))}\n"
        entry = {
            "body": b64(body),
            "integratedTime": int((datetime.now(UTC) + self.late).timestamp()),
            "logID": identity.hex(),
            "logIndex": place,
        }
        promise = signed(self.log_key, json.dumps(entry, sort_keys=True, separators=(",", ":")).encode())
        inclusion = {
            "logIndex": place,
            "treeSize": size,
            "rootHash": root.hex(),
            "hashes": [one.hex() for one in path],
            "checkpoint": checkpoint,
        }
        return {
            identity.hex(): entry
            | {"verification": {"inclusionProof": inclusion, "signedEntryTimestamp": b64(promise)}}
        }

    def roots(self) -> dict[str, Any]:
        """What a reader pins."""
        always = {"start": "2020-01-01T00:00:00Z"}

        def keyed(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            public = {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": always}
            identity = {"keyId": b64(hashlib.sha256(spki(key)).digest())}
            return {"baseUrl": self.url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": identity}

        authority = {
            "subject": {"organization": "test", "commonName": "authority of a test"},
            "uri": self.url,
            "certChain": {"certificates": [{"rawBytes": b64(self.root.public_bytes(Encoding.DER))}]},
            "validFor": always,
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [keyed(self.log_key)],
            "certificateAuthorities": [authority],
            "ctlogs": [keyed(self.ct_key)],
            "timestampAuthorities": [],
        }

    def configuration(self) -> dict[str, Any]:
        """What a signer is given."""
        service = {
            "url": self.url,
            "majorApiVersion": 1,
            "validFor": {"start": "2020-01-01T00:00:00Z"},
            "operator": "t",
        }
        signing = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            **{name: [service] for name in ("caUrls", "oidcUrls", "rekorTlogUrls")},
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [],
            "tsaConfig": {"selector": "ANY"},
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.roots(),
            "signingConfig": signing,
        }


def proof(leaves: list[bytes], place: int) -> tuple[bytes, list[bytes]]:
    """The root over these hashes, and the path to one of them (RFC 6962 §2.1)."""
    if len(leaves) == 1:
        return leaves[0], []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    left, path_left = proof(leaves[:half], min(place, half - 1))
    right, path_right = proof(leaves[half:], max(place - half, 0))
    path = [*path_left, right] if place < half else [*path_right, left]
    return hashlib.sha256(b"\1" + left + right).digest(), path


def _usage(**given: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**(dict.fromkeys(names, False) | given))


@contextmanager
def serving(instance: Sigstore) -> Iterator[Sigstore]:
    """The instance behind an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if instance.refuses:
                self._answer(403, {"code": 7, "message": "this identity is not known here"})
            elif self.path == "/api/v2/signingCert":
                chain = instance.certify(given, self.headers["Authorization"].removeprefix("Bearer "))
                self._answer(200, {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})
            else:
                assert self.path == "/api/v1/log/entries"
                self._answer(201, instance.log(given))

        def _answer(self, status: int, value: object) -> None:
            raw = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    instance.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield instance
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
