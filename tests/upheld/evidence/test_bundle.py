"""A run in one signed file: the same bytes each time, readable by others' tools, and judged by keys that the reader pins."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from evidence_runs import public_half, ssh_line
from processes import upheld
from upheld.errors import InputError
from upheld.evidence import bundle, container, inputs, keys, statements
from upheld.evidence.verifying import verify
from upheld.keeping import standing


def judged(tmp_path, data, key_file, **options):
    path = tmp_path / "evidence.upheld"
    path.write_bytes(data)
    return verify(path, keys.issuers(key_file), **options)


@pytest.mark.parametrize("kind", ["ed25519", "p256", "ssh"])
def test_the_same_run_and_key_give_the_same_bytes_and_they_verify(tmp_path, made, key_files, kind):
    data = made(key=kind)
    assert made(key=kind) == data
    found = judged(tmp_path, data, public_half(key_files[kind]))
    assert found.holds, found.points
    assert found.statement["predicate"]["claims"] == {
        "upheld": 1,
        "attested": 1,
        "uncovered": 1,
        "lapsed": 0,
        "inconclusive": 1,
        "refuted": 1,
    }


def test_another_key_gives_other_salts(made):
    seeds = {zipfile.ZipFile(io.BytesIO(made(key=kind))).read("seed") for kind in ("ed25519", "p256", "ssh")}
    assert len(seeds) == 3


def test_any_program_opens_it(tmp_path, whole, stood):
    archive = zipfile.ZipFile(io.BytesIO(whole))
    assert archive.testzip() is None
    assert archive.namelist() == [
        "statements/run.dsse.json",
        "statements/test-result.dsse.json",
        "run.json",
        "leaves.jsonl",
        "seed",
        "checks.json",
        "calibration.json",
        "target.json",
        "policy/000-policies.yaml",
    ]
    assert archive.read("run.json") == (stood.run / "run.json").read_bytes()
    assert archive.read("policy/000-policies.yaml") == (stood.folder / "policies.yaml").read_bytes()
    digests = json.loads(archive.read("checks.json"))
    assert set(digests) == {"own.holds", "own.is_broken", "own.is_dark", "own.is_sworn"}
    assert json.loads(archive.read("target.json"))["name"] == "nothing much"


def test_the_signature_verifies_with_openssl(tmp_path, made, key_files):
    """What is signed is DSSE's encoding of type and payload, by the key as it stands in its file."""
    envelope = json.loads(zipfile.ZipFile(io.BytesIO(made(key="p256"))).read("statements/run.dsse.json"))
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    command = ["openssl", "dgst", "-sha256", "-verify", str(public_half(key_files["p256"]))]
    command += ["-signature", str(tmp_path / "signature"), str(tmp_path / "message")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "Verified OK"


STATEMENT = {
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": {"type": "array", "minItems": 1, "items": {"required": ["name", "digest"]}},
    },
}


def test_the_statements_are_in_totos_and_no_status_becomes_better(whole):
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult

    archive = zipfile.ZipFile(io.BytesIO(whole))
    for name, kind in (("run", statements.RUN_PREDICATE), ("test-result", statements.TEST_RESULT)):
        envelope = json.loads(archive.read(f"statements/{name}.dsse.json"))
        statement = json.loads(base64.b64decode(envelope["payload"]))
        jsonschema.validate(statement, STATEMENT)
        assert statement["predicateType"] == kind
        named = {one["name"]: one["digest"].get("sha256") for one in statement["subject"]}
        assert named["run.json"] == hashlib.sha256(archive.read("run.json")).hexdigest()
    ParseDict(statement["predicate"], TestResult())
    assert statement["predicate"]["result"] == "FAILED"
    assert statement["predicate"]["passedTests"] == ["good"]
    assert statement["predicate"]["warnedTests"] == ["sworn"]
    assert statement["predicate"]["failedTests"] == ["bad", "dark", "bare"]


@pytest.mark.parametrize(
    ("statuses", "complete", "selected", "result"),
    [
        (["upheld", "upheld"], True, [], "PASSED"),
        (["upheld", "upheld"], True, ["claim-0", "claim-1"], "WARNED"),
        (["upheld", "attested"], True, [], "WARNED"),
        (["upheld"], False, [], "FAILED"),
        ([], True, [], "FAILED"),
        *(([one, "upheld"], True, [], "FAILED") for one in ("refuted", "inconclusive", "lapsed", "uncovered")),
    ],
)
def test_only_a_complete_run_in_which_all_is_upheld_is_a_passed_test(statuses, complete, selected, result):
    claims = [{"id": f"claim-{number}", "status": status} for number, status in enumerate(statuses)]
    statement = statements.of_tests({"claims": claims, "complete": complete, "selected": selected}, [], bytes(32))
    assert statement["predicate"]["result"] == result


def test_a_key_from_the_environment_and_an_encrypted_one(tmp_path, key_files, monkeypatch):
    monkeypatch.setenv("RELEASE_KEY", key_files["ed25519"].read_text())
    assert keys.signing_key("env:RELEASE_KEY").fingerprint == keys.signing_key(str(key_files["ed25519"])).fingerprint
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkcs8", "-topk8", "-in", str(key_files["ed25519"]), "-passout", "pass:correct horse"]
    subprocess.run([*command, "-out", str(locked)], check=True)
    with pytest.raises(InputError, match="UPHELD_KEY_PASSPHRASE"):
        keys.signing_key(str(locked))
    monkeypatch.setenv("UPHELD_KEY_PASSPHRASE", "wrong")
    with pytest.raises(InputError, match="passphrase is not right"):
        keys.signing_key(str(locked))
    monkeypatch.setenv("UPHELD_KEY_PASSPHRASE", "correct horse")
    assert keys.signing_key(str(locked)).fingerprint == keys.signing_key(str(key_files["ed25519"])).fingerprint


def test_an_encrypted_key_of_openssh(tmp_path, monkeypatch):
    path = tmp_path / "id_ed25519"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "correct horse", "-f", str(path)]
    subprocess.run(command, check=True)
    monkeypatch.delenv("UPHELD_KEY_PASSPHRASE", raising=False)
    with pytest.raises(InputError, match="UPHELD_KEY_PASSPHRASE"):
        keys.signing_key(str(path))
    monkeypatch.setenv("UPHELD_KEY_PASSPHRASE", "correct horse")
    assert keys.signing_key(str(path)).fingerprint == keys.issuers(public_half(path))[0].fingerprint


def test_the_fingerprint_is_what_openssl_computes(key_files):
    public = public_half(key_files["p256"])
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", str(public), "-outform", "der"], capture_output=True, check=True
    ).stdout
    assert keys.issuers(public)[0].fingerprint == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "allows nobody"),
        ("nonsense", "not understood"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key"),
        ("PRIVATE", "belongs to nobody but the issuer"),
        ("RSA", "names no key that could sign"),
    ],
)
def test_what_is_no_key_of_an_issuer_is_said_so(tmp_path, key_files, content, words):
    path = tmp_path / "issuer"
    if content == "PRIVATE":
        content = key_files["ed25519"].read_text()
    if content == "RSA":
        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = generate_private_key(65537, 2048).public_key()
        content = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        keys.issuers(path)


def test_an_unknown_issuer(tmp_path, whole, key_files):
    found = judged(tmp_path, whole, public_half(key_files["p256"]))
    assert not found.holds
    assert not found.statement
    assert "not signed with a key that you named" in found.points[-1].says
    assert "nothing in it was looked at" in found.points[-1].says


def test_one_of_several_issuers_is_enough(tmp_path, whole, key_files):
    both = tmp_path / "allowed"
    names = ("p256", "ed25519")
    lines = [f"{name}@example.com {ssh_line(public_half(key_files[name]))}\n" for name in names]
    both.write_text("# who may sign\n" + "".join(lines))
    found = judged(tmp_path, whole, both)
    assert found.holds
    assert found.issuer.name == "ed25519@example.com"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ('valid-before="20260101"', "expired on 2026-01-01"),
        ('valid-after="20990101"', "counts only from 2099-01-01"),
        ('namespaces="git"', None),
        ('namespaces="upheld-*,git",valid-before="20990101"', ""),
    ],
)
def test_a_key_that_expired_or_is_for_something_else(tmp_path, whole, key_files, option, words):
    path = tmp_path / "allowed"
    path.write_text(f"anna@example.com {option} {ssh_line(public_half(key_files['ed25519']))}\n")
    if words is None:
        with pytest.raises(InputError, match="names no key"):
            keys.issuers(path)
        return
    found = judged(tmp_path, whole, path)
    assert found.holds is (not words), found.points
    assert any(words in point.says for point in found.points if point.holds is (not words))


def test_a_certificate_counts_between_its_dates(tmp_path, whole, key_files):
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    private = load_pem_private_key(key_files["ed25519"].read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Evidence of Rivet")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    path = tmp_path / "issuer.pem"
    certificate = builder.not_valid_before(start).not_valid_after(start + timedelta(days=30)).sign(private, None)
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    assert judged(tmp_path, whole, path, now=start + timedelta(days=29)).holds
    found = judged(tmp_path, whole, path, now=start + timedelta(days=31))
    assert not found.holds
    assert any("the key expired on 2026-01-31" in point.says for point in found.points)


def test_evidence_that_expired(tmp_path, made, key_files):
    data = made(expires="2026-06-30T23:59:59Z")
    before, after = datetime(2026, 6, 30, 23, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    assert judged(tmp_path, data, public_half(key_files["ed25519"]), now=before).holds
    found = judged(tmp_path, data, public_half(key_files["ed25519"]), now=after)
    assert not found.holds
    assert any("it expired on 2026-06-30" in point.says for point in found.points)


def test_the_inputs_must_be_those_of_the_run(stood, key_files):
    given = {**inputs.kept(stood.run), "policy/000-policies.yaml": b"upheld: policy/1\n"}
    with pytest.raises(InputError, match="not the one of the run"):
        bundle.make(standing(stood.run), given, keys.signing_key(str(key_files["ed25519"])))


def test_the_description_of_a_target_has_no_secrets():
    from upheld.target.model import Target

    target = Target.model_validate(
        {
            "name": "shop",
            "environment": "staging",
            "endpoints": [{"name": "www", "url": "https://www.example.com/?api_key=sk_live_0123456789abcdef"}],
            "identities": [],
            "contact": "https://example.com/about",
        }
    )
    text = inputs.described(target).decode()
    assert "sk_live" not in text
    assert "https://www.example.com/" in text


def test_the_commands(tmp_path, stood, key_files):
    issuer, out = public_half(key_files["ssh"]), tmp_path / "evidence.upheld"
    done = upheld(
        tmp_path, "bundle", str(stood.run), "--key", str(key_files["ssh"]), "--out", str(out), "--expires", "2099-12-31"
    )
    assert done.returncode == 0, done.stderr
    done = upheld(tmp_path, "verify", str(out), "--issuer", str(issuer))
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("it holds", "1 upheld, 1 attested", "it does not prove", "when it was made", "until 2099-12-31"):
        assert words in done.stdout
    done = upheld(tmp_path, "verify", str(out), "--issuer", str(public_half(key_files["p256"])))
    assert (done.returncode, "it does NOT hold" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "evidence.upheld"], "--issuer"),
        (["verify", "nowhere.upheld", "--issuer", "{pub}"], "nowhere.upheld: cannot be read"),
        (["verify", "{key}", "--issuer", "nowhere.pub"], "nowhere.pub: cannot be read"),
        (["bundle", "{run}", "--key", "nowhere.pem", "--out", "x"], "does not exist"),
        (["bundle", "{run}", "--key", "env:NOWHERE", "--out", "x"], "no variable NOWHERE"),
        (["bundle", "{run}", "--key", "{pub}", "--out", "x"], "no private key"),
        (["bundle", "nowhere", "--key", "{key}", "--out", "x"], "nowhere"),
        (["bundle", "{run}", "--key", "{key}", "--out", "x", "--expires", "soon"], "YYYY-MM-DD"),
    ],
)
def test_wrong_usage_is_exit_2(tmp_path, stood, key_files, arguments, words):
    names = {"run": stood.run, "key": key_files["ed25519"], "pub": public_half(key_files["ed25519"])}
    done = upheld(tmp_path, *(one.format(**names) for one in arguments))
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_no_part_has_a_name_that_leads_out():
    for name in ("../x", "/x", "a//b", "a/../b", "A", "a b", "a/", "", "a\\b"):
        with pytest.raises(ValueError, match="no part of a bundle"):
            container.pack({name: container.Part.of(name, b"")})
