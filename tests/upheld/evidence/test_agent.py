"""A key that an ssh-agent holds signs bundles and statements, and the private half is in no file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading

import pytest

from evidence_runs import public_half
from upheld.errors import InputError
from upheld.evidence import agent, bundle, inputs, keys
from upheld.evidence.agent import NoAgent
from upheld.evidence.verifying import verify_data
from upheld.keeping import standing

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="openssh-client is not installed")
KINDS = ("ed25519", "ecdsa", "rsa")


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A running agent with a key of each kind, whose public halves are all that is left in files."""
    folder = tmp_path_factory.mktemp("agent")
    address = folder / "socket"
    server = subprocess.Popen(["ssh-agent", "-D", "-a", str(address)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert "SSH_AUTH_SOCK" in server.stdout.readline()
    try:
        for kind in KINDS:
            file = folder / kind
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "Example Ltd", "-f", str(file)], check=True)
            environ = {**os.environ, "SSH_AUTH_SOCK": str(address)}
            subprocess.run(["ssh-add", "-q", str(file)], env=environ, check=True, capture_output=True)
            file.unlink()
        yield folder
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


@pytest.fixture
def asked(held, monkeypatch):
    monkeypatch.setenv(agent.SOCKET, str(held / "socket"))
    return held


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_it_signs_a_bundle_that_verifies_by_the_public_half(asked, stood, kind):
    file = asked / f"{kind}.pub"
    made = [bundle.make(standing(stood.run), inputs.kept(stood.run), keys.signer(str(file))) for _ in range(2)]
    for data in made:
        found = verify_data(data, keys.issuers(file))
        assert found.holds, found.points
    assert (made[0] == made[1]) is (kind == "ed25519")


def test_what_it_cannot_sign_with_is_said(asked, held, key_files, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="signs no bundle"):
        keys.signer(str(asked / "rsa.pub"))
    stranger = tmp_path / "stranger.pub"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "stranger")], check=True)
    with pytest.raises(InputError, match="holds 3 keys, and not this one"):
        keys.signer(str(stranger))
    monkeypatch.delenv(agent.SOCKET)
    with pytest.raises(InputError, match="SSH_AUTH_SOCK is not set"):
        keys.signer(str(held / "ed25519.pub"))
    monkeypatch.setenv(agent.SOCKET, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="cannot be asked: No such file"):
        keys.signer(str(held / "ed25519.pub"))
    (tmp_path / "broken.pub").write_text("ssh-ed25519 AAAA")
    with pytest.raises(InputError, match="signs no bundle"):
        keys.signer(str(tmp_path / "broken.pub"))
    # What is no public key is a private one, as ever.
    assert isinstance(keys.signer(str(key_files["ed25519"])), keys.SigningKey)
    with pytest.raises(InputError, match="no private key"):
        keys.signer(str(public_half(key_files["ed25519"])))


def test_a_key_that_was_taken_away_meanwhile_signs_nothing(asked, tmp_path):
    file = tmp_path / "short-lived"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    subprocess.run(["ssh-add", "-q", str(file)], check=True, capture_output=True)
    key = keys.signer(f"{file}.pub")
    subprocess.run(["ssh-add", "-q", "-d", f"{file}.pub"], check=True, capture_output=True)
    with pytest.raises(NoAgent, match="did not sign"):
        key.sign(b"message")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "broke off"),
        (b"\0\0\0\5\x0c", "broke off"),
        (b"\0\0\0\0", "as an agent does"),
        (b"\xff\xff\xff\xff", "as an agent does"),
        (b"\0\0\0\1\5", "which keys it holds: it refused"),
        (b"\0\0\0\x09\x0c\0\0\0\1\0\0\0\x09", "cut off"),
    ],
)
def test_what_answers_as_no_agent_does(held, tmp_path, monkeypatch, answer, words):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv(agent.SOCKET, str(tmp_path / "s"))
        with pytest.raises(InputError, match=words):
            keys.signer(str(held / "ecdsa.pub"))
        thread.join()


def test_a_signature_of_another_key_is_not_taken(held, tmp_path):
    public = keys.issuers(held / "ecdsa.pub")[0].public
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()

        def serve():
            for inner in (b"\0\0\0\1x\0\0\0\1y", b"\0\0\0\1x\0\0\0\x0a\0\0\0\1\1\0\0\0\1\1"):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    said = b"\x0e" + len(inner).to_bytes(4, "big") + inner
                    connection.sendall(len(said).to_bytes(4, "big") + said)

        thread = threading.Thread(target=serve)
        thread.start()
        key = agent.AgentKey(public, b"blob", str(tmp_path / "s"))
        for _ in range(2):
            with pytest.raises(NoAgent, match="no signature of this key"):
                key.sign(b"message")
        thread.join()
