"""Real servers on the loopback address for tests: a certificate authority, TLS, web pages, and raw ones that misbehave."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import ipaddress
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).parents[1]
Page = tuple[int, Mapping[str, str], bytes]
_DAY = dt.timedelta(days=1)


def load_checks(family: str) -> ModuleType:
    """The module of checks/FAMILY.py."""
    spec = importlib.util.spec_from_file_location(f"checks_under_test_{family}", ROOT / "checks" / f"{family}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Pki:
    """A certificate authority in a folder; `ca` is its certificate's file."""

    def __init__(self, folder: Path, *, strict: bool = True) -> None:
        """Not `strict`: as many make one by hand, with basic constraints that are not critical, and no key usage."""
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 400 * _DAY)
            .not_valid_after(now + 400 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=strict)
        )
        if strict:
            builder = builder.add_extension(x509.KeyUsage(*[name in {5, 6} for name in range(9)]), critical=True)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        *names: str,
        days: int = 90,
        age_days: int = 1,
        self_signed: bool = False,
        kind: str = "ec",
        bits: int = 2048,
    ) -> Path:
        """A file with a key and a certificate for `names`, valid from `age_days` ago for `days` from now."""
        key: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, bits)
        now = dt.datetime.now(dt.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - age_days * _DAY)
            .not_valid_after(now + days * _DAY)
            .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        )
        signed = builder.sign(key if self_signed else self.key, hashes.SHA256())
        file = self.folder / f"{signed.serial_number}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        return file


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_context(
    *files: Path, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, maximum: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """A TLS server's context that holds the certificates of `files`; old versions need weak ciphers allowed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for file in files:
        context.load_cert_chain(file)
    if minimum < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = minimum
    if maximum is not None:
        context.maximum_version = maximum
    return context


class _Web(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Handshakes that fail are what scans make."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Header and body are sent one after the other, and must not wait for each other.
    answer: Callable[[str, str, Mapping[str, str]], Page]

    def setup(self) -> None:
        self.request.settimeout(20)
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def _serve(self) -> None:
        given = self.rfile.read(int(self.headers.get("content-length") or 0))
        answer: Any = type(self).answer
        # Most pages are the same whatever is sent to them.
        more = (given,) if getattr(type(self), "takes_body", False) else ()
        status, headers, body = answer(self.command, self.path, dict(self.headers.items()), *more)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_OPTIONS = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def web(
    pages: Mapping[str, Page] | Callable[..., Page], context: ssl.SSLContext | None = None, *, takes_body: bool = False
) -> Iterator[int]:
    """A web server of `pages` by path, or a function of method, path and headers (and body, if it takes it); gives its port."""

    def from_pages(method: str, path: str, headers: Mapping[str, str]) -> Page:
        assert isinstance(pages, Mapping)
        return pages.get(path.partition("?")[0], (404, {"Content-Type": "text/plain"}, b"no such page\n"))

    answer = pages if callable(pages) else from_pages
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer), "takes_body": takes_body})
    server = _Web(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def raw(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A TCP server that does with each connection what `behave` says, until the event is set; gives its port."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.settimeout(0.05)

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            behave(connection, stop)

    def accept() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join(5)
        listener.close()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def endpoint(
    name: str, port: int, *, scheme: str = "https", host: str = "www.rivet.example", **more: Any
) -> dict[str, Any]:
    """The description of an endpoint on the loopback address."""
    return {"name": name, "url": f"{scheme}://{host}:{port}", "address": "127.0.0.1", **more}
