"""Signed without a key: what an identity signed verifies by that identity, its issuer and the instance's roots, and by nothing else."""

from __future__ import annotations

import json
import random
import sys
from datetime import timedelta

import pytest

from evidence_runs import public_half
from local_sigstore import ISSUER, WHO, Sigstore, serving, token
from processes import upheld
from upheld.errors import InputError
from upheld.evidence import bundle, inputs, keyless, keys, statements
from upheld.evidence.container import Part, pack, unpack
from upheld.evidence.keyless import NoIdentity, NotVouched, Pinned
from upheld.evidence.verifying import verify_data
from upheld.keeping import standing

SERVICES = ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "GOOGLE_SERVICE_ACCOUNT_NAME")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """In no CI service, wherever these tests are run."""
    for name in SERVICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("id._internal.oidc.ambient._GCP_PRODUCT_NAME_FILE", str(tmp_path / "none"), raising=False)


@pytest.fixture
def vouching(monkeypatch):
    """As in a job of GitLab CI that asks for a token."""

    def give(raw):
        monkeypatch.setenv("GITLAB_CI", "true")
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", raw)

    give(token())
    return give


@pytest.fixture(scope="module")
def instance():
    with serving(Sigstore()) as running:
        yield running


@pytest.fixture
def files(instance, tmp_path):
    """The files that a signer and a reader have."""

    def written(name, value):
        (tmp_path / name).write_text(json.dumps(value))
        return tmp_path / name

    return {
        "config": written("config.json", instance.configuration()),
        "roots": written("roots.json", instance.roots()),
    }


@pytest.fixture
def make(stood, files, vouching):
    def made(recording=stood, config=None):
        identity = keyless.signer(config or files["config"])
        return bundle.make(standing(recording.run), inputs.kept(recording.run), keyless.made_key(), identity=identity)

    return made


def pinned(files, identity=WHO, issuer=ISSUER):
    return Pinned(identity, issuer, files["roots"])


def refusal(data, reader):
    found = verify_data(data, reader)
    assert not found.holds
    return next(point.says for point in found.points if point.holds is False)


def changed(data, **parts):
    """The bundle with other contents of some parts, its digest made right."""
    names = {"sigstore": bundle.SIGSTORE, "run": bundle.RUN_STATEMENT}
    return pack(unpack(data) | {names[name]: Part.of(names[name], content) for name, content in parts.items()})


def test_whom_the_reader_named_is_believed(make, files):
    data = make()
    found = verify_data(data, pinned(files))
    assert found.holds, found.points
    assert any(point.says.startswith(f"{WHO}, known to {ISSUER}, signed it between ") for point in found.points)
    assert list(unpack(data))[:3] == [bundle.RUN_STATEMENT, bundle.TEST_STATEMENT, bundle.SIGSTORE]
    assert make() != data  # Another key each time.


def test_the_commands_sign_and_verify(stood, tmp_path, files, vouching):
    run = str(stood.run)
    sign = upheld(tmp_path, "bundle", run, "--keyless", "--sigstore", "config.json", "--out", "r.upheld")
    assert sign.returncode == 0, sign.stderr
    assert f"signed as {WHO} (by {ISSUER})" in sign.stdout
    reader = ["--identity", WHO, "--oidc-issuer", ISSUER, "--trusted-root", "roots.json"]
    done = upheld(tmp_path, "verify", "r.upheld", *reader)
    assert done.returncode == 0, done.stdout
    assert "it holds" in done.stdout
    assert done.stderr == sign.stderr == ""
    reader[1] = "https://ci.example.com/somebody/else"
    done = upheld(tmp_path, "verify", "r.upheld", *reader)
    assert done.returncode == 1
    assert "did not sign it" in done.stdout


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("SANs do not match", {"identity": "https://ci.example.com/acme/audits"}),
        ("SANs do not match", {"identity": ""}),
        ("OIDCIssuer does not match", {"issuer": "https://ci.example.com/"}),
    ],
)
def test_another_identity_or_issuer_is_not_believed(make, files, words, change):
    assert words in refusal(make(), pinned(files, **change))


@pytest.mark.parametrize("part", ["tlogs", "certificateAuthorities", "ctlogs"])
def test_another_instances_roots_are_not_believed(make, files, instance, part):
    other = Sigstore()
    other.url = instance.url
    files["roots"].write_text(json.dumps(instance.roots() | {part: other.roots()[part]}))
    assert "did not sign it" in refusal(make(), pinned(files))


def test_the_public_instance_did_not_sign_it(make, tmp_path, monkeypatch):
    places = ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
    for name in places:
        monkeypatch.setenv(name, str(tmp_path))
    data = make()
    assert "did not sign it" in refusal(data, Pinned(WHO, ISSUER))
    # Where its roots cannot be read, nothing is said of who signed.
    (tmp_path / "file").write_text("")
    for name in places:
        monkeypatch.setenv(name, str(tmp_path / "file"))
    with pytest.raises(InputError, match="roots of the public instance cannot be read"):
        verify_data(data, Pinned(WHO, ISSUER))


def test_an_instance_that_lies_is_not_believed(make, files, instance, monkeypatch):
    stranger = Sigstore()
    for name, value in {
        "log_key": stranger.log_key,  # Logged by another log.
        "late": timedelta(minutes=30),  # Signed when the certificate was over.
    }.items():
        with monkeypatch.context() as during:
            during.setattr(instance, name, value)
            assert "did not sign it" in refusal(make(), pinned(files))
    monkeypatch.setattr(instance, "sct_by", stranger.ct_key)
    with pytest.raises(NoIdentity, match="SCT verify failed"):  # Which the signer's side sees too.
        make()


def test_what_was_signed_for_another_bundle_vouches_for_none(make, files, other):
    data, foreign = make(), make(other)
    assert "did not sign it" in refusal(
        changed(data, sigstore=unpack(foreign)[bundle.SIGSTORE].content()), pinned(files)
    )
    # Nor does it for a statement that somebody else signed, whose key it is not.
    statement = json.loads(statements.unseal(unpack(data)[bundle.RUN_STATEMENT].content(), "x").payload)
    attacker = keyless.made_key()
    statement["predicate"]["publicKey"] = keyless.written(attacker)
    assert "did not sign it" in refusal(changed(data, run=statements.seal(statement, attacker)), pinned(files))


def test_an_identity_that_signs_for_a_key_that_did_not_sign(stood, files, vouching):
    """The issuer's own mistake, which is refused all the same."""

    def made(stated):
        identity = keyless.signer(files["config"])
        data = bundle.make(standing(stood.run), inputs.kept(stood.run), keyless.made_key(), identity=identity)
        raw = unpack(data)[bundle.RUN_STATEMENT].content()
        statement = json.loads(statements.unseal(raw, "x").payload)
        statement["predicate"]["publicKey"] = stated
        again = statements.seal(statement, keyless.made_key())
        return changed(data, run=again, sigstore=identity(again))

    assert "not signed with a key" in refusal(made(keyless.written(keyless.made_key())), pinned(files))
    for stated in ("", "no key", 7, None):
        assert "names no key" in refusal(made(stated), pinned(files))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"null", b"x" * (2 << 20)], ids=range(6))
def test_what_is_no_signature_of_sigstores_is_refused(make, files, content):
    refusal(changed(make(), sigstore=content), pinned(files))


def test_any_flipped_byte_of_it_shows(make, files):
    """Also after the digest of the file was made right."""
    data = make()
    raw = unpack(data)[bundle.SIGSTORE].content()
    # But for the name that the log writes beside its signature, which nobody signs and nothing rests on.
    unsigned = raw.index("— log ".encode()) + len("— ".encode())
    for place in random.Random(5).sample(sorted({*range(len(raw))} - {*range(unsigned, unsigned + 3)}), 60):
        flipped = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(NotVouched):
            keyless.vouched(unpack(data)[bundle.RUN_STATEMENT].content(), flipped, pinned(files))
    refusal(changed(data, sigstore=raw + b" "), pinned(files))


def test_a_key_and_an_identity_do_not_stand_for_each_other(make, files, whole, key_files):
    issuers = keys.issuers(public_half(key_files["ed25519"]))
    assert "name the key of its issuer" in refusal(whole, pinned(files))
    data = make()
    assert "an identity may vouch for it" in refusal(data, issuers)
    parts = unpack(whole)
    first = {name: parts[name] for name in (bundle.RUN_STATEMENT, bundle.TEST_STATEMENT)}
    added = pack(first | {bundle.SIGSTORE: unpack(data)[bundle.SIGSTORE]} | parts)
    assert "is in the file and not signed for" in refusal(added, issuers)
    parts = unpack(data)
    del parts[bundle.SIGSTORE]
    assert "no identity vouches for it" in refusal(pack(parts), pinned(files))


def test_it_says_what_is_missing(files, vouching, monkeypatch, instance):
    for raw, words in (
        (token(exp=1), "malformed or missing claims"),
        ("nonsense", "Malformed token"),
        ("", "SIGSTORE_ID_TOKEN"),
    ):
        vouching(raw)
        with pytest.raises(NoIdentity, match=words):
            keyless.signer(files["config"])
    monkeypatch.delenv("GITLAB_CI")
    with pytest.raises(NoIdentity, match=r"vouches for no identity: --keyless works in GitHub Actions \(permissions"):
        keyless.signer(None)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(NoIdentity, match="ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        keyless.signer(None)
    monkeypatch.setitem(sys.modules, "sigstore", None)
    with pytest.raises(NoIdentity, match=r"pip install 'upheld\[keyless\]'"):
        keyless.signer(None)


def test_an_instance_that_refuses_or_is_not_there(make, files, instance, monkeypatch, vouching):
    secret = token()
    vouching(secret)
    with monkeypatch.context() as during:
        during.setattr(instance, "refuses", True)
        with pytest.raises(NoIdentity, match="Sigstore signed nothing: 403") as refused:
            make()
    assert secret not in str(refused.value)
    files["config"].write_text(json.dumps(instance.configuration()).replace(instance.url, "http://127.0.0.1:9"))
    with pytest.raises(NoIdentity, match="Sigstore signed nothing"):
        make()


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", "\x00"])
def test_files_that_are_none(make, files, tmp_path, content):
    data = make()
    path = tmp_path / "given.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"given\.json"):
        make(config=path)
    with pytest.raises(InputError, match=r"given\.json"):
        verify_data(data, Pinned(WHO, ISSUER, path))


@pytest.mark.parametrize(
    "arguments",
    [
        ("bundle", "reports", "--out", "x"),
        ("bundle", "reports", "--out", "x", "--key", "k", "--keyless"),
        ("bundle", "reports", "--out", "x", "--key", "k", "--sigstore", "f"),
        ("verify", "x"),
        ("verify", "x", "--issuer", "k", "--identity", "a", "--oidc-issuer", "b"),
        ("verify", "x", "--issuer", "k", "--identity", "a"),
        ("verify", "x", "--identity", "a"),
        ("verify", "x", "--oidc-issuer", "b"),
        ("verify", "x", "--issuer", "k", "--trusted-root", "f"),
    ],
)
def test_one_way_has_to_be_named(arguments):
    from click.testing import CliRunner

    from upheld.cli.main import cli

    done = CliRunner().invoke(cli, list(arguments))
    assert "has to be named" in f"{done.output}{done.exception}"
