"""What is signed: in-toto Statements (v1) about a run, each in a DSSE envelope.

One has a predicate of our own that stands for the whole run (the root of its tree, what it came to, every part of the bundle by
digest), the other the test-result predicate of in-toto, for tools that know that one. Both are a function of the bundle's
contents, so that a reader makes them again and compares. No status becomes better by it: only `upheld` is a passed test.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upheld.errors import UpheldError
from upheld.evidence.container import Damaged
from upheld.evidence.keys import Issuer, Signer, fingerprint, library_key
from upheld.exporting import in_toto
from upheld.exporting.rows import CAME_TO_ITS_END, COVERS_THE_POLICY, Shown
from upheld.model import Status

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import Signature

FORMAT = "upheld-evidence/1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = in_toto.STATEMENT
TEST_RESULT = in_toto.TEST_RESULT
RUN_PREDICATE = "urn:upheld:evidence:run:v1"
TREE = "upheldTreeV1"
"""The name of the tree's root among the digests of a subject."""
LARGEST = 16 << 20
"""Bytes that an envelope may have."""


@dataclass(frozen=True, slots=True)
class File:
    """A part of the bundle as the statement names it: by the digest of its content, and of its bytes as they are stored."""

    name: str
    size: int
    sha256: str
    stored: int
    stored_sha256: str


def of_run(
    run: Mapping[str, Any],
    files: Sequence[File],
    root: bytes,
    leaves: Mapping[str, int],
    expires: str,
    public_key: str = "",
) -> dict[str, Any]:
    """The statement about the whole run; `leaves` counts those of each kind, `expires` is an instant or empty.

    `public_key` is the key that signs it, where that was made for this bundle alone and an identity vouches for it.
    """
    claims = run["claims"]
    target = run["target"]
    predicate = {
        "format": FORMAT,
        "run": {name: run[name] for name in ("id", "started", "finished", "complete", "planned", "policy")},
        "policyDigest": run["policy_digest"],
        "target": {name: target[name] for name in ("name", "environment", "digest", "sabotages", "samples")},
        "selected": list(run["selected"]),
        # What a run.json of an earlier version does not say is not said of it.
        **({"policyClaims": run["policy_claims"]} if run.get("policy_claims") is not None else {}),
        "claims": {status.value: sum(one["status"] == status for one in claims) for status in Status},
        "tree": {"root": root.hex(), "leaves": sum(leaves.values()), "kinds": dict(leaves)},
        "files": [
            {
                "name": one.name,
                "size": one.size,
                "sha256": one.sha256,
                "stored": one.stored,
                "storedSha256": one.stored_sha256,
            }
            for one in files
        ],
        **({"expires": expires} if expires else {}),
        **({"publicKey": public_key} if public_key else {}),
    }
    return _statement(_subjects(files, root), RUN_PREDICATE, predicate)


def of_tests(run: Mapping[str, Any], files: Sequence[File], root: bytes) -> dict[str, Any]:
    """The statement with in-toto's test-result predicate, whose tests are the claims.

    Which list a status stands in is what the export says (`upheld.exporting.in_toto`). A run that broke off has a failed test more,
    one over selected claims a warned one.
    """
    tests = [(one["id"], Shown(one["status"])) for one in run["claims"]]
    tests += [] if run["complete"] else [(CAME_TO_ITS_END, Shown.INCONCLUSIVE)]
    tests += [(COVERS_THE_POLICY, Shown.PARTIAL)] if run["selected"] else []
    configuration = [
        {"name": one.name, "digest": {"sha256": one.sha256}}
        for one in files
        if one.name.startswith("policy/") or one.name == "target.json"
    ]
    return _statement(_subjects(files, root), TEST_RESULT, in_toto.predicate(tests, configuration))


def seal(statement: Mapping[str, Any], key: Signer) -> bytes:
    """The statement in an envelope that the key signed; raises ValueError for what is no statement, NoAgent where an agent does not sign."""
    Envelope, Signature, _ = _library()  # noqa: N806  (classes)
    _validate(statement)
    envelope = Envelope(_json(statement), PAYLOAD_TYPE, {})
    signature = Signature(fingerprint(key.public), key.sign(envelope.pae()).hex())
    envelope.signatures[signature.keyid] = signature
    return _json(envelope.to_dict())


@dataclass(frozen=True, slots=True)
class Sealed:
    """An envelope that was read: what it holds, by whose key it says that it is signed, and nothing of it is believed yet."""

    payload: bytes
    keyid: str
    signature: bytes

    def unbelieved(self) -> dict[str, Any]:
        """What is in it, of which nothing says yet whose it is; raises Damaged for what is no JSON object."""
        return _loaded(self.payload)

    def opened(self, issuers: Iterable[Issuer]) -> tuple[Issuer, dict[str, Any]] | None:
        """The issuer whose key signed it, and the statement; None where none of these did. Raises Damaged for no statement."""
        Envelope, Signature, VerificationError = _library()  # noqa: N806  (classes)
        envelope = Envelope(self.payload, PAYLOAD_TYPE, {self.keyid: Signature(self.keyid, self.signature.hex())})
        for issuer in issuers:
            try:
                envelope.verify([library_key(issuer.public)], 1)
            except VerificationError:
                continue
            statement = _loaded(self.payload)
            try:
                _validate(statement)
            except ValueError as error:
                raise Damaged(f"what is signed is no in-toto Statement: {error}") from None
            return issuer, statement
        return None


def unseal(raw: bytes, name: str) -> Sealed:
    """The envelope in these bytes; raises Damaged for what is not exactly what `seal` writes, whoever signed it."""
    data = _loaded(raw)
    try:
        (signature,) = data["signatures"]
        sealed = Sealed(
            base64.b64decode(data["payload"], validate=True),
            signature["keyid"],
            base64.b64decode(signature["sig"], validate=True),
        )
        strict = raw == _json(data) and data == {
            "payload": base64.b64encode(sealed.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": str(sealed.keyid), "sig": base64.b64encode(sealed.signature).decode()}],
        }
    except (KeyError, TypeError, ValueError, binascii.Error):
        strict = False
    if not strict:
        raise Damaged(f"{name} is no DSSE envelope with one signature of an in-toto Statement")
    return sealed


def differences(said: Any, found: Any, where: str = "") -> list[str]:
    """The places at which two plain values differ."""
    if isinstance(said, dict) and isinstance(found, dict):
        return [
            place
            for name in sorted(said.keys() | found.keys())
            for place in differences(said.get(name), found.get(name), f"{where}.{name}" if where else name)
        ]
    return [] if said == found and type(said) is type(found) else [where]


def _statement(subjects: list[dict[str, Any]], kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    return {"_type": STATEMENT, "subject": subjects, "predicateType": kind, "predicate": predicate}


def _subjects(files: Iterable[File], root: bytes) -> list[dict[str, Any]]:
    return [
        {"name": "leaves", "digest": {TREE: root.hex()}},
        *({"name": one.name, "digest": {"sha256": one.sha256}} for one in files),
    ]


def _library() -> tuple[type[Envelope], type[Signature], type[Exception]]:
    """What of securesystemslib is used; imported late, for most commands sign nothing."""
    try:
        from securesystemslib.dsse import Envelope  # noqa: PLC0415
        from securesystemslib.exceptions import VerificationError  # noqa: PLC0415
        from securesystemslib.signer import Signature  # noqa: PLC0415
    except ImportError as error:
        raise MissingLibrary(error) from error
    return Envelope, Signature, VerificationError


def _validate(statement: Mapping[str, Any]) -> None:
    """Raises ValueError unless in-toto's own library takes it for a Statement."""
    try:
        from google.protobuf.json_format import ParseDict, ParseError  # noqa: PLC0415
        from in_toto_attestation.v1.statement import Statement  # noqa: PLC0415
        from in_toto_attestation.v1.statement_pb2 import Statement as Message  # noqa: PLC0415
    except ImportError as error:
        raise MissingLibrary(error) from error
    try:
        message = ParseDict(statement, Message())
    except ParseError as error:
        raise ValueError(str(error)) from None
    Statement.copy_from_pb(message).validate()


class MissingLibrary(UpheldError):
    """A library that evidence needs is not installed."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(f"{error.name} is not installed; pip install 'upheld[evidence]' brings it")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _loaded(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Damaged("what should be JSON is none") from None
    if not isinstance(value, dict):
        raise Damaged("what should be a JSON object is none")
    return value
