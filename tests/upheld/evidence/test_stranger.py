"""A verifier that a stranger wrote from docs/evidence.md: it imports nothing of upheld, and comes to the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import zipfile

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from evidence_runs import public_half

HEADS = {
    "run": "format id started finished complete planned policy policy_digest selected policy_claims",
    "claim": "statement section severity references status basis gated accept_attested decided_by sabotages_seeded",
    "check": "id title basis verdict code_digest started calibrated sabotages_caught",
    "finding": "verdict",
}
SHARED = {"run": ("target", "name environment sabotages samples"), "check": ("population", "found probed")}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def opened(archive, name, key):
    envelope = json.loads(archive.read(name))
    payload = base64.b64decode(envelope["payload"])
    kind = b"application/vnd.in-toto+json"
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    (signature,) = envelope["signatures"]
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(base64.b64decode(signature["sig"]), message)
    else:
        key.verify(base64.b64decode(signature["sig"]), message, ec.ECDSA(SHA256()))
    assert envelope["payloadType"].encode() == kind
    return json.loads(payload)


def root(hashes):
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + root(hashes[:half]) + root(hashes[half:])).digest()


def both(kind, at, whole, inner=()):
    """The two leaves of a part of run.json."""
    names = HEADS[kind].split()
    head = {"leaf": kind, **at, **{name: whole[name] for name in names}}
    rest = {name: value for name, value in whole.items() if name not in {*names, *at, *inner}}
    detail = {"leaf": f"{kind}-detail", **at, **rest}
    if kind in SHARED:
        part, shared = SHARED[kind]
        head[part] = {name: whole[part][name] for name in shared.split()}
        detail[part] = {name: value for name, value in whole[part].items() if name not in head[part]}
    return [head, detail]


def leaves(run):
    found = both("run", {}, run, ("claims",))
    for claim in run["claims"]:
        at = {"claim": claim["id"]}
        found += both("claim", at, {**claim, "claim": claim["id"]}, ("id", "checks"))
        for check in claim["checks"]:
            at = {"claim": claim["id"], "key": check["key"]}
            found += both("check", at, check, ("findings", "observations"))
            for number, finding in enumerate(check["findings"]):
                place = {"key": check["key"], "number": number}
                found += both("finding", place, {**finding, **place})
            for number, observation in enumerate(check["observations"]):
                found.append({"leaf": "observation", "key": check["key"], "number": number, **observation})
    return found


def verified(data, key):
    """The signed predicate of a bundle; raises where something does not hold."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    comment = archive.comment.decode()
    assert comment == f"upheld-evidence/1 sha256:{sha256(data[: -len(comment)])}"
    statement = opened(archive, "statements/run.dsse.json", key)
    predicate = statement["predicate"]
    assert statement["predicateType"] == "urn:upheld:evidence:run:v1"
    assert predicate["format"] == "upheld-evidence/1"
    names = [one["name"] for one in predicate["files"]]
    assert archive.namelist() == ["statements/run.dsse.json", "statements/test-result.dsse.json", *names]
    for one in predicate["files"]:
        info = archive.getinfo(one["name"])
        begin = info.header_offset + 30 + len(info.filename)
        stored = data[begin : begin + info.compress_size]
        assert (one["sha256"], one["size"]) == (sha256(archive.read(info)), info.file_size)
        assert (one["storedSha256"], one["stored"]) == (sha256(stored), len(stored))
    run = json.loads(archive.read("run.json"))
    *lines, last = archive.read("leaves.jsonl").split(b"\n")
    assert last == b""
    assert [json.loads(line) for line in lines] == leaves(run)
    seed = bytes.fromhex(archive.read("seed").decode().strip())
    hashes = []
    for number, line in enumerate(lines):
        salt = hmac.digest(seed, b"upheld-evidence/1 salt of leaf " + number.to_bytes(8, "big"), "sha256")
        hashes.append(hashlib.sha256(b"\0" + salt + line).digest())
    assert predicate["tree"]["root"] == root(hashes).hex()
    assert predicate["tree"]["leaves"] == len(lines)
    subjects = {one["name"]: one["digest"] for one in statement["subject"]}
    assert subjects == {"leaves": {"upheldTreeV1": root(hashes).hex()}} | {
        one["name"]: {"sha256": one["sha256"]} for one in predicate["files"]
    }
    policy = [sha256(archive.read(name)) for name in names if name.startswith("policy/")]
    assert predicate["policyDigest"] == run["policy_digest"] == sha256("\n".join(policy).encode())
    tests = opened(archive, "statements/test-result.dsse.json", key)
    assert tests["subject"] == statement["subject"]
    statuses = [claim["status"] for claim in run["claims"]]
    assert predicate["claims"] == {name: statuses.count(name) for name in predicate["claims"]}
    assert sum(predicate["claims"].values()) == len(statuses)
    return predicate


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_stranger_comes_to_the_same(made, key_files, kind):
    key = load_pem_public_key(public_half(key_files[kind]).read_bytes())
    predicate = verified(made(key=kind), key)
    assert predicate["claims"]["refuted"] == 1
    assert predicate["run"]["complete"]


def test_a_stranger_with_another_key_does_not(made, key_files):
    key = load_pem_public_key(public_half(key_files["p256"]).read_bytes())
    with pytest.raises((InvalidSignature, TypeError)):
        verified(made(key="ed25519"), key)
