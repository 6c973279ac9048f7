"""A receiver of the harness's own: a listener that writes down whoever comes, and names that lead to it.

It listens only where the target says that it may. What comes is data from strangers: connections, bytes and time are bounded.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import ipaddress
import os
import random
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import h11
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from upheld.errors import Unobservable

KEPT_LIMIT = 64 * 1024 * 1024
"""Bytes of all requests that are kept; further ones are refused."""
MAX_BODY = 1024 * 1024
"""Bytes of a request that are kept."""
CONNECTIONS_LIMIT = 500
"""Connections that one listener takes."""
OK = (200, ())
"""What a receiver answers that takes what it is given."""

_CONNECTION_SECONDS = 5.0
_HANDSHAKE = 0x16
_TRIES = 40
_MARK = re.compile(r"#\s*upheld (\d+)(?: holds: (.*))?$")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """One request as it came: the body byte for byte, whether over TLS, and when (UTC)."""

    method: str
    target: str
    headers: Headers
    body: bytes
    tls: bool
    at: dt.datetime

    def header(self, name: str) -> str | None:
        """The first header field of that name."""
        return next((value for key, value in self.headers if key == name.lower()), None)


@dataclass
class Listener:
    """Listens on one address and port until the block ends; with a TLS context it takes plain connections too, and notes them."""

    address: str
    port: int
    context: ssl.SSLContext | None = None
    status: int = 200
    headers: Headers = ()
    contacts: int = 0
    """TCP connections, whatever came of them."""
    refusals: list[str] = field(default_factory=list)
    """How handshakes ended that did not complete."""
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._socket = socket.socket(family)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((self.address, self.port))
            self._socket.listen(64)
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._came = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._kept = 0
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._accepting.join()
        self._socket.close()
        # Whoever still drips a request is not waited for.
        with self._came:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + _CONNECTION_SECONDS + 1
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def wait(self, arrived: Callable[[], bool], seconds: float) -> bool:
        """Wait until `arrived`, at most so many seconds; gives whether it is."""
        end = time.monotonic() + seconds
        with self._came:
            while not arrived():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._came.wait(min(left, 0.2))
        return True

    def has_request(self, seconds: float) -> bool:
        """Wait for a whole request, at most so many seconds; gives whether one came."""
        return self.wait(lambda: bool(self.requests), seconds)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with self._came:
                self.contacts += 1
                self._came.notify_all()
            if self.contacts > CONNECTIONS_LIMIT:
                connection.close()
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_CONNECTION_SECONDS)
        with self._came:
            self._open.add(connection)
        try:
            first = connection.recv(1, socket.MSG_PEEK)
            if first and first[0] == _HANDSHAKE:
                if self.context is None:
                    self._refused("TLS, where there is none")
                    connection.close()
                    return
                with self.context.wrap_socket(connection, server_side=True) as secure:
                    with self._came:
                        self._open.add(secure)
                    self._answer(secure, tls=True)
            else:
                with connection:
                    self._answer(connection, tls=False)
        except ssl.SSLError as error:
            self._refused((error.reason or str(error)).replace("_", " ").lower())
        except (OSError, h11.RemoteProtocolError) as error:
            self._refused(f"{type(error).__name__}: {error}"[:200])
        finally:
            connection.close()
            with self._came:
                self._open = {one for one in self._open if one.fileno() >= 0}

    def _refused(self, how: str) -> None:
        with self._came:
            self.refusals.append(how)
            self._came.notify_all()

    def _answer(self, stream: socket.socket, *, tls: bool) -> None:
        http = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        body = b""
        until = time.monotonic() + _CONNECTION_SECONDS
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                # The time is for the whole request, so that one which is dripped does not last for ever.
                stream.settimeout(max(0.001, until - time.monotonic()))
                received = stream.recv(65536)
                http.receive_data(received)
                if not received and request is None:
                    return
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
                if len(body) > MAX_BODY:
                    return
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                break
            else:
                return
        fields = tuple((key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in request.headers)
        method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
        with self._came:
            self._kept += len(body) + sum(len(key) + len(value) for key, value in fields)
            if self._kept > KEPT_LIMIT:
                self._refused(f"a request beyond the {KEPT_LIMIT // 1024**2} MiB that are kept")
                return
            self.requests.append(Request(method, target, fields, body, tls, dt.datetime.now(dt.UTC)))
            self._came.notify_all()
        answer = [*self.headers, ("content-length", "0"), ("connection", "close")]
        stream.sendall(http.send(h11.Response(status_code=self.status, headers=answer)) or b"")
        stream.sendall(http.send(h11.EndOfMessage()) or b"")


@contextlib.contextmanager
def listening(
    places: Sequence[str], port: int, context: ssl.SSLContext | None, *, status: int = 200, headers: Headers = ()
) -> Iterator[Listener]:
    """A listener on a free one of these addresses (or addresses of these networks); raises Unobservable when there is none."""
    failures: dict[str, str] = {}
    for address in _addresses(places):
        listener = Listener(address, port, context, status, headers)
        try:
            listener.__enter__()
        except OSError as error:
            failures[error.strerror or str(error)] = address
            if error.errno in {errno.EADDRINUSE, errno.EADDRNOTAVAIL}:
                time.sleep(0.02)
                continue
            raise Unobservable(f"the harness cannot listen at {address}:{port}: {error.strerror}") from None
        try:
            yield listener
        finally:
            listener.__exit__()
        return
    why = "; ".join(f"{address}: {reason}" for reason, address in failures.items())
    raise Unobservable(f"the harness cannot listen at port {port} of {', '.join(places)} ({why})")


def _addresses(places: Sequence[str]) -> Iterator[str]:
    """Addresses to try, at random where there is a choice: others may be listening at the same time."""
    try:
        networks = [ipaddress.ip_network(place, strict=False) for place in places]
    except ValueError as error:
        raise Unobservable(f"where the harness may listen is no address or network: {error}") from None
    for _ in range(_TRIES):
        network = random.choice(networks)  # noqa: S311  (which address is no secret)
        spare = 2 if network.num_addresses > 2 else 0
        yield str(network[spare // 2 + random.randrange(network.num_addresses - spare)])  # noqa: S311


def server_context(pem: str) -> ssl.SSLContext:
    """A TLS server's context with the certificate and key in this PEM text; raises Unobservable when they are not usable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="upheld-receiver-") as folder:
        path = Path(folder) / "receiver.pem"
        path.touch(mode=0o600)
        path.write_text(pem, encoding="ascii")
        try:
            context.load_cert_chain(path, password="")
        except (OSError, ValueError) as error:
            raise Unobservable(f"the receiver's certificate cannot be used: {error}") from None
    return context


def made_up_certificate(name: str) -> str:
    """A certificate for `name`, valid today, from an authority that was made up just now; with its key, as PEM text."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority made up by an audit")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (made.public_bytes(serialization.Encoding.PEM) + private).decode("ascii")


class Zone:
    """A file of names in the form of hosts(5), to which the harness adds names and from which it takes them away again.

    Every line of the harness names the process that wrote it, and a line that it sets aside stays there as a comment, so that
    whoever uses the file after a crash puts right what was left.
    """

    def __init__(self, path: Path) -> None:
        """Reads and writes nothing yet."""
        self._path = path

    @contextlib.contextmanager
    def names(self, name: str, *answers: str) -> Iterator[None]:
        """Inside the block `name` has these answers, each a line of its own, and none of those that it had before."""
        self.give(name, *answers)
        try:
            yield
        finally:
            self.take(name)

    def give(self, name: str, *answers: str) -> None:
        """Give `name` these answers in place of others; what it had before comes back with `take`."""

        def change(lines: list[str]) -> list[str]:
            mark = f"# upheld {os.getpid()}"
            kept = []
            for line in lines:
                if _names_in(line) != [name]:
                    kept.append(_without(line, name))
                if name in _names_in(line) and not _MARK.search(line):
                    kept.append(f"{mark} holds: {line}")
            return [*kept, *(f"{answer} {name} {mark}" for answer in answers)]

        self._change(change)

    def take(self, name: str) -> None:
        """Take the harness's answers for `name` away and give it back those that it had."""
        self._change(lambda lines: _restored(lines, lambda pid, names: pid == os.getpid() and name in names))

    def put_right(self) -> bool:
        """Put right what processes left that are gone; gives whether there was anything. Raises Unobservable when it cannot be changed."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise Unobservable(f"the zone file {self._path.name} cannot be read: {error.strerror}") from None
        if _restored(lines, lambda pid, _: not _alive(pid)) == lines:
            return False
        self._change(lambda unchanged: unchanged)
        return True

    def _change(self, change: Callable[[list[str]], list[str]]) -> None:
        try:
            # The folder is what is locked: the file itself is replaced, and a lock file would stay behind.
            with _locked(self._path.parent):
                before = self._path.read_text(encoding="utf-8").splitlines()
                lines = change(_restored(before, lambda pid, _: not _alive(pid)))
                status = self._path.stat()
                partial = self._path.with_name(f".{self._path.name}.upheld-{os.getpid()}")
                partial.touch(mode=0o600)
                partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                partial.chmod(status.st_mode & 0o777)
                with contextlib.suppress(PermissionError):
                    os.chown(partial, status.st_uid, status.st_gid)
                partial.replace(self._path)
        except OSError as error:
            raise Unobservable(
                f"the zone file {self._path.name} cannot be changed: {error.strerror or type(error).__name__}"
            ) from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _names_in(line: str) -> list[str]:
    return line.partition("#")[0].split()[1:]


def _without(line: str, name: str) -> str:
    """`line` without one of its names."""
    if name not in _names_in(line):
        return line
    before, _, comment = line.partition("#")
    words = [word for word in before.split() if word != name]
    return " ".join(words) + (f" #{comment}" if comment else "")


def _restored(lines: list[str], ours: Callable[[int, list[str]], bool]) -> list[str]:
    """The lines without those of the harness that are `ours`; a line that was held back replaces what is left of it."""
    held = []
    kept = []
    for line in lines:
        mark = _MARK.search(line)
        if mark and mark[2] is not None and ours(int(mark[1]), _names_in(mark[2])):
            held.append(mark[2])
        elif mark is None or mark[2] is not None or not ours(int(mark[1]), _names_in(line)):
            kept.append(line)
    for line in held:
        address, names = line.split()[0], set(_names_in(line))
        rest = [one for one in kept if one.split()[:1] == [address] and set(_names_in(one)) < names]
        if rest:
            kept[kept.index(rest[0])] = line
        else:
            kept.append(line)
    return kept


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
