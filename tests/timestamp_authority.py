"""A timestamp authority (RFC 3161) on this machine: `openssl ts` behind a small server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SETTINGS = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
_EXTENSIONS = (
    "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\nbasicConstraints=critical,CA:FALSE\n"
)


@dataclass(frozen=True)
class Authority:
    """Its folder, in which `ca.pem` is its root, and its address."""

    folder: Path
    url: str

    @property
    def root(self) -> Path:
        return self.folder / "ca.pem"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def prepare(folder: Path) -> None:
    """Make an authority's root, its certificate and its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tsa.cnf").write_text(_SETTINGS.format(folder=folder))
    (folder / "extensions").write_text(_EXTENSIONS)
    (folder / "serial").write_text("01\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    usage = "keyUsage=critical,keyCertSign"
    _openssl(
        folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Root", "-addext", usage
    )
    _openssl(folder, "req", *curve, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Authority of time")
    issue = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "30")
    _openssl(folder, "x509", "-req", "-in", "tsa.csr", *issue, "-out", "tsa.pem")


def reply(folder: Path, request: bytes) -> bytes:
    """The authority's answer to a request."""
    (folder / "request").write_bytes(request)
    signing = ("-inkey", "tsa.key", "-signer", "tsa.pem", "-config", "tsa.cnf", "-section", "one")
    _openssl(folder, "ts", "-reply", "-queryfile", "request", *signing, "-out", "answer")
    return (folder / "answer").read_bytes()


@contextmanager
def serving(folder: Path, answers: dict[str, tuple[int, bytes]] | None = None) -> Iterator[Authority]:
    """The authority of that folder, answering at `/`; other paths answer as `answers` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = (answers or {}).get(self.path, (200, b""))
            if self.path == "/":
                answer = reply(folder, request)
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Authority(folder, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
