"""Internal services as a caller sees them: what becomes of a connection with this certificate, with that one, and without."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from upheld.errors import Refused, TimedOut, Unobservable
from upheld.probes import internal_mysql
from upheld.probes.base import Probe, Session, look
from upheld.probes.cutting import cut_after
from upheld.probes.http_client import agent
from upheld.probes.sending import CONNECTS, Sending, Sends
from upheld.redaction import SHORTEST
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.target.network import ClientCertificate, InternalService
    from upheld.target.network import Internal as Description

NO_CERTIFICATE = ""
"""The name of the credential that is none."""
MADE_UP = "made up by the harness"
"""The name of the credential that looks like the right one and is signed by an authority that nobody knows."""

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_PROTOCOL_3 = 196608
_ALERT = 0x15
_READ = 16 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Outcome(StrEnum):
    """What became of a caller."""

    LET_IN = "let in"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Service:
    """An internal service; `client` names the certificate that must be let in."""

    name: str
    host: str
    port: int
    protocol: str
    client: str

    def __str__(self) -> str:
        """`name (host:port)`."""
        return f"{self.name} ({self.host}:{self.port})"


@dataclass(frozen=True, slots=True)
class Credential:
    """A client certificate that must be let in nowhere: what is wrong with it, and what the certificate itself says.

    `of_authority` is whether the internal authority signed it.
    """

    name: str
    kind: str
    subject: str
    not_before: datetime
    not_after: datetime
    of_authority: bool

    def __str__(self) -> str:
        """Its name and what is wrong with it."""
        return f"{self.kind} certificate ({self.name})"


@dataclass(frozen=True, slots=True)
class Greeting:
    """What became of one connection, and how the service said so."""

    outcome: Outcome
    how: str

    @property
    def let_in(self) -> bool:
        """Whether the caller came as far as the service itself."""
        return self.outcome is Outcome.LET_IN


class Internal(Probe):
    """Connects to the internal services with each certificate that the target gives, and with one made up on the spot."""

    name: ClassVar[str] = "internal"
    needs: ClassVar[tuple[str, ...]] = ("internal",)
    sends: ClassVar[Sending] = dict.fromkeys(
        ("greet", "greet_plain"),
        (
            Sends(
                CONNECTS,
                "{protocol} with {host}:{port}, its greeting",
                "each certificate of the target, or none",
                1,
                each="internal.services",
            ),
        ),
    )

    def __init__(self, session: Session) -> None:
        """Connects to nothing yet."""
        super().__init__(session)
        self._made_up: dict[str, tuple[bytes, bytes]] = {}

    @look
    def services(self) -> tuple[Service, ...]:
        """Every internal service that the target declares."""
        return tuple(
            Service(one.name, one.host, one.port, one.protocol, one.client.name) for one in self._description.services
        )

    @look
    def refused_credentials(self) -> tuple[Credential, ...]:
        """The certificates that the target names as such that nobody may accept, read and compared with the authority."""
        authority = _certificate(self._read(self._description.ca), self._description.ca)
        found = []
        for one in self._description.refused:
            certificate = _certificate(self._read(one.certificate), one.certificate)
            found.append(
                Credential(
                    one.name,
                    one.kind,
                    certificate.subject.rfc4514_string(),
                    certificate.not_valid_before_utc,
                    certificate.not_valid_after_utc,
                    _signed_by(certificate, authority),
                )
            )
        return tuple(found)

    @look
    def greet(self, service: Service, credential: str) -> Greeting:
        """What becomes of a connection over TLS with that certificate, to the first answer of the service's own protocol.

        A TLS 1.3 server refuses a client's certificate only after the handshake, so that it takes an answer to know. Raises
        Unobservable when there is no connection, no TLS, or the service's own certificate is not of the internal authority.
        """
        described = self._service(service.name)
        context = self._context(described, credential)
        with self._in_time(described) as plain:
            try:
                return self._over_tls(described, plain, context, str(service))
            except TimeoutError:
                raise
            except ssl.SSLCertVerificationError as error:
                raise Unobservable(f"the certificate of {service} is not accepted: {error.verify_message}") from None
            except ssl.SSLEOFError:
                return Greeting(Outcome.REFUSED, "the connection was closed")
            except ssl.SSLError as error:
                reason = (error.reason or str(error)).replace("_", " ").lower()
                if "alert" in reason:
                    return Greeting(Outcome.REFUSED, f"TLS: {reason}")
                raise Unobservable(f"no TLS connection with {service}: {reason}") from None
            except (ConnectionResetError, BrokenPipeError):
                return Greeting(Outcome.REFUSED, "the connection was reset")
            except OSError as error:
                raise Unobservable(f"no answer from {service}: {(error.strerror or str(error)).lower()}") from None

    @look
    def greet_plain(self, service: Service) -> Greeting:
        """What becomes of a connection without TLS that speaks the service's protocol at once."""
        described = self._service(service.name)
        with self._in_time(described) as plain:
            try:
                if described.protocol == "mysql":
                    asked = internal_mysql.ask_plainly(plain, described.user, str(service))
                    return _greeting(asked or self._denied_plainly(service, described))
                plain.sendall(_opening(described, agent(self.target.contact)))
                return _read(described, plain.recv(_READ), str(service))
            except TimeoutError:
                raise
            except (ConnectionResetError, BrokenPipeError):
                return Greeting(Outcome.REFUSED, "the connection was reset")
            except OSError as error:
                raise Unobservable(f"no answer from {service}: {(error.strerror or str(error)).lower()}") from None

    @property
    def _description(self) -> Description:
        if self.target.internal is None:
            raise Unobservable("the target describes no internal services")
        return self.target.internal

    def _service(self, name: str) -> InternalService:
        return next(one for one in self._description.services if one.name == name)

    def _read(self, path: str) -> bytes:
        try:
            return (self.session.target_folder / path).read_bytes()
        except OSError as error:
            raise Unobservable(
                f"the certificate {path} cannot be read: {error.strerror or type(error).__name__}"
            ) from None

    @contextmanager
    def _in_time(self, service: InternalService) -> Iterator[socket.socket]:
        """A connection on which all that the block does ends within the target's time limit, whatever the service sends meanwhile."""
        limit = self.target.timeout_seconds
        late = TimedOut(f"{service.name} ({service.host}:{service.port}) gave no answer within {limit:g} s")
        with self._connected(service) as plain, cut_after(plain, limit) as watched:
            try:
                yield plain
            except (TimeoutError, Unobservable) as error:
                if isinstance(error, TimeoutError) or watched.cut:
                    raise late from None
                raise
            if watched.cut:
                raise late

    def _connected(self, service: InternalService) -> socket.socket:
        scope, limit = self.session.scope, self.target.timeout_seconds
        place = scope.describe(service.host, service.port)
        address = scope.addresses(service.host, service.port)[0]
        self.session.pace(service.host)
        try:
            return socket.create_connection((address, service.port), timeout=limit)
        except ConnectionRefusedError:
            raise Refused(f"connection refused by {place}") from None
        except TimeoutError:
            raise TimedOut(f"no connection to {place} within {limit:g} s") from None
        except OSError as error:
            raise Unobservable(f"no connection to {place}: {(error.strerror or str(error)).lower()}") from None

    def _over_tls(
        self, service: InternalService, plain: socket.socket, context: ssl.SSLContext, shown: str
    ) -> Greeting:
        if service.protocol == "mysql":
            return _greeting(self._log_in(service, plain, context))
        if service.protocol == "postgresql" and not service.direct:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise Unobservable(f"{shown} offers no TLS")
        with context.wrap_socket(plain, server_hostname=service.host) as secure:
            secure.sendall(_opening(service, agent(self.target.contact)))
            return _read(service, secure.recv(_READ), shown)

    def _log_in(self, service: InternalService, plain: socket.socket, context: ssl.SSLContext) -> internal_mysql.Login:
        password, limit = self._password(service), self.target.timeout_seconds
        return internal_mysql.log_in(plain, context, service.host, service.user, password, limit)

    def _denied_plainly(self, service: Service, described: InternalService) -> internal_mysql.Login:
        """What a denied login in plain text means: the server says over TLS whether it would take a right one there."""
        with self._in_time(described) as plain:
            login = self._log_in(described, plain, self._context(described, service.client))
        if not login.let_in or login.only_encrypted is None:
            reason = "does not say whether it would take a right one" if login.let_in else "refuses one over TLS too"
            raise Unobservable(f"{service} denies a login in plain text as it would any, and {reason}")
        how = "denied, as every login in plain text is (require_secure_transport)"
        return internal_mysql.Login(
            not login.only_encrypted, how if login.only_encrypted else "took a login in plain text, and denied it"
        )

    def _password(self, service: InternalService) -> str:
        if service.password is None:
            return ""
        password = resolve(service.password, self.session.target_folder)
        if len(password) >= SHORTEST:
            self.session.redactor.add(password, f"password of {service.name}")
        return password

    def _context(self, service: InternalService, credential: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if service.protocol != "mysql":  # Its TLS begins in the middle of its own protocol, which needs no other name.
            context.set_alpn_protocols(["postgresql" if service.protocol == "postgresql" else "http/1.1"])
        try:
            context.load_verify_locations(cafile=str(self.session.target_folder / self._description.ca))
        except OSError as error:
            raise Unobservable(
                f"the internal CA {self._description.ca} cannot be read: {error.strerror or error}"
            ) from None
        if credential != NO_CERTIFICATE:
            self._load(context, service, credential)
        return context

    def _load(self, context: ssl.SSLContext, service: InternalService, credential: str) -> None:
        if credential == MADE_UP:
            certificate, key = self._impostor(service)
        else:
            known: list[ClientCertificate] = [service.client, *self._description.refused]
            one = next((each for each in known if each.name == credential), None)
            if one is None:
                raise Unobservable(f"the target names no client certificate {credential}")
            certificate = self._read(one.certificate)
            key = resolve(one.key, self.session.target_folder).encode("utf-8", "surrogateescape")
        with tempfile.TemporaryDirectory(prefix="upheld-client-") as folder:
            pair = Path(folder) / "client.pem"
            pair.touch(mode=0o600)
            pair.write_bytes(certificate + b"\n" + key + b"\n")
            try:
                # Without a password given, OpenSSL would ask for one at the terminal.
                context.load_cert_chain(pair, password="")
            except (OSError, ValueError) as error:
                raise Unobservable(f"the client certificate {credential} cannot be used: {error}") from None

    def _impostor(self, service: InternalService) -> tuple[bytes, bytes]:
        """A certificate with the names of the right one, from an authority that was made up just now."""
        if service.client.name not in self._made_up:
            right = _certificate(self._read(service.client.certificate), service.client.certificate)
            authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
            now = datetime.now(UTC)
            builder = (
                x509.CertificateBuilder()
                .subject_name(right.subject)
                .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority made up by an audit")]))
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(hours=1))
                .not_valid_after(now + timedelta(days=1))
            )
            for extension in right.extensions:
                if not isinstance(extension.value, x509.AuthorityKeyIdentifier | x509.SubjectKeyIdentifier):
                    builder = builder.add_extension(extension.value, extension.critical)
            made = builder.sign(authority, hashes.SHA256())
            self._made_up[service.client.name] = (
                made.public_bytes(serialization.Encoding.PEM),
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
            )
        return self._made_up[service.client.name]


def _greeting(login: internal_mysql.Login) -> Greeting:
    return Greeting(Outcome.LET_IN if login.let_in else Outcome.REFUSED, login.how)


def _opening(service: InternalService, who: str) -> bytes:
    if service.protocol == "postgresql":
        words = b"".join(
            f"{name}\0{value}\0".encode()
            for name, value in (("user", service.user), ("database", service.database))
            if value
        )
        return struct.pack("!II", len(words) + 9, _PROTOCOL_3) + words + b"\0"
    fields = f"Host: {service.host}\r\nUser-Agent: {who}\r\nConnection: close"
    return f"GET {service.path} HTTP/1.1\r\n{fields}\r\n\r\n".encode("ascii")


def _read(service: InternalService, answer: bytes, shown: str) -> Greeting:
    """What the first bytes of an answer mean."""
    if not answer:
        return Greeting(Outcome.REFUSED, "the connection was closed")
    if answer[0] == _ALERT:
        return Greeting(Outcome.REFUSED, "a TLS alert")
    return _read_postgresql(answer, shown) if service.protocol == "postgresql" else _read_http(service, answer, shown)


def _read_http(service: InternalService, answer: bytes, shown: str) -> Greeting:
    line = _STATUS_LINE.match(answer)
    if line is None:
        raise Unobservable(f"{shown} gave an answer that is not HTTP")
    status = int(line[1])
    text = answer.decode("latin-1")
    location = re.search(r"(?im)^location:\s*(\S+)", text)
    if status // 100 == 3 and location and urlsplit(location[1]).scheme == "https":
        return Greeting(Outcome.REFUSED, f"answered {status}, to https")
    return Greeting(Outcome.REFUSED if service.refused.match(status, text) else Outcome.LET_IN, f"answered {status}")


def _read_postgresql(answer: bytes, shown: str) -> Greeting:
    """An authentication request lets the caller in as far as the password; an error of class 28 does not (PostgreSQL 18, 54.7)."""
    if answer[:1] == b"R":
        return Greeting(Outcome.LET_IN, "asked for the login")
    if answer[:1] == b"E":
        fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in answer[5:].split(b"\0") if part}
        state, message = fields.get(b"C", ""), fields.get(b"M", "")
        if state.startswith("28") or not state:
            return Greeting(Outcome.REFUSED, f"error {state or 'without a code'}: {message[:120]}")
        raise Unobservable(f"{shown} answered with the error {state}: {message[:120]}")
    raise Unobservable(f"{shown} gave an answer that is not PostgreSQL's")


def _certificate(pem: bytes, path: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise Unobservable(f"{path} is no certificate in PEM") from None


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
