"""TLS as a look: which versions an endpoint accepts, its certificates, and that the instrument could have seen it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from upheld.errors import TimedOut, Unobservable
from upheld.probes.base import Probe, Session, look
from upheld.probes.network import ca_file
from upheld.probes.sending import TLS, Sending, Sends
from upheld.target.endpoints import Endpoint

_FEW = 8
"""So many endpoints are scanned within the time that a single one may take."""
_HANDSHAKES = 400
"""Connections that the scan of one endpoint makes at the most."""
_SECONDS_FOR_ONE_MORE = 1.5


class TlsVersion(StrEnum):
    """A version of the protocol, oldest first."""

    SSL_2_0 = "SSL 2.0"
    SSL_3_0 = "SSL 3.0"
    TLS_1_0 = "TLS 1.0"
    TLS_1_1 = "TLS 1.1"
    TLS_1_2 = "TLS 1.2"
    TLS_1_3 = "TLS 1.3"

    def older(self) -> tuple[TlsVersion, ...]:
        """Every version before this one, oldest first."""
        versions = tuple(TlsVersion)
        return versions[: versions.index(self)]


@dataclass(frozen=True, slots=True)
class Handshake:
    """What became of handshakes offering one version only. `cipher` is one that was accepted, empty when none was."""

    completed: bool
    version: TlsVersion
    cipher: str
    summary: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was presented at one address, and what the auditor's OpenSSL says of its chain.

    `chain_error` is empty when `chain_verified`. Names are the subject alternative names; times are UTC.
    """

    address: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    chain_verified: bool
    chain_error: str
    name_matches: bool
    self_signed: bool
    key: str
    key_bits: int
    signature_algorithm: str
    fingerprint: str
    summary: str


class Tls(Probe):
    """Real handshakes with every version since SSL 2.0, through sslyze."""

    name: ClassVar[str] = "tls"
    detached: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("endpoints",)
    sends: ClassVar[Sending] = dict.fromkeys(
        ("offered", "handshake", "certificates", "certificate"),
        (
            Sends(
                TLS,
                "handshakes of each version and cipher with {url}, at each address, in one scan",
                most=400,
                each="endpoints.?public.?secure",
            ),
        ),
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._lock = threading.Lock()
        self._results: dict[str, dict[str, Any]] | None = None

    @look
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The public https endpoints that the target declares; raises Unobservable when there are none."""
        found = tuple(endpoint for endpoint in self.target.endpoints if endpoint.public and endpoint.secure)
        if not found:
            raise Unobservable("the target describes no public https endpoints")
        return found

    @look
    def offered(self, version: TlsVersion) -> bool:
        """Whether the instrument's own ClientHello, caught on a local listener, really offers that version."""
        offered = self._scanned().get("", {}).get("offered", {}).get(version.value)
        if not isinstance(offered, bool):
            raise Unobservable(f"the control of the instrument for {version.value} failed: {offered or 'no result'}")
        return offered

    @look
    def handshake(self, endpoint: Endpoint, version: TlsVersion) -> Handshake:
        """What became of handshakes offering only `version`, with every cipher, at every address of the endpoint.

        Raises Unobservable (TimedOut) when the scan did not come to its end, and when nothing at all was accepted: then
        a refusal of this version says nothing about the version.
        """
        refusals: dict[str, int] = {}
        for address in self._addresses(endpoint):
            versions = self._result(endpoint, address, "versions", "reason")
            if not any(one.get("accepted") for one in versions.values()):
                raise Unobservable(
                    f"{endpoint} at {address} accepted no TLS version at all, so no refusal can be told from a fault"
                )
            one = versions[version.value]
            if one.get("accepted"):
                cipher = one["accepted"][0]
                return Handshake(True, version, cipher, f"accepts {version.value} with {cipher} at {address}")
            if not one["completed"]:
                raise Unobservable(f"the {version.value} scan of {endpoint} at {address} failed: {one['reason']}")
            if one["late"]:
                raise TimedOut(
                    f"{one['late']} of the {version.value} handshakes with {endpoint} at {address} timed out"
                )
            for reason, count in one["reasons"].items():
                refusals[reason] = refusals.get(reason, 0) + count
        words = ", ".join(f"{reason.strip()} ({count})" for reason, count in refusals.items())
        return Handshake(
            False, version, "", f"refuses {version.value}: {words}" if words else f"refuses {version.value}"
        )

    @look
    def certificates(self, endpoint: Endpoint) -> tuple[Certificate, ...]:
        """Every certificate that the endpoint presents, to clients that ask for RSA or for ECDSA, at every address."""
        return tuple(
            _certificate(one)
            for address in self._addresses(endpoint)
            for one in self._result(endpoint, address, "certificates", "certificates_reason")
        )

    @look
    def certificate(self, endpoint: Endpoint) -> Certificate:
        """The certificate that the endpoint presents to a client that leaves the choice to it."""
        address = self._addresses(endpoint)[0]
        return _certificate(self._result(endpoint, address, "certificates", "certificates_reason")[0])

    def _addresses(self, endpoint: Endpoint) -> tuple[str, ...]:
        return self.session.scope.addresses(endpoint.host, endpoint.port)

    def _result(self, endpoint: Endpoint, address: str, part: str, reason: str) -> Any:
        result = self._scanned().get(_key(endpoint, address), {})
        if part in result:
            return result[part]
        if reason in result:
            raise Unobservable(f"{endpoint} at {address}: {result[reason]}")
        raise TimedOut(f"the TLS scan of {endpoint} at {address} did not end within {self._seconds():g} s")

    def _seconds(self) -> float:
        """The outside deadline of the whole scan in seconds: longer where many endpoints share one processor."""
        many = sum(1 for one in self.target.endpoints if one.public and one.secure) - _FEW
        return max(10.0, 6 * self.target.timeout_seconds) + max(0, many) * _SECONDS_FOR_ONE_MORE + self._waits()

    def _waits(self) -> float:
        """The seconds by which the target's own limits on the rate draw a scan out."""
        hosts = [one.host for one in self.target.endpoints if one.public and one.secure]
        return sum(_HANDSHAKES / rate for host in hosts if (rate := self.session.meter.rate(host)) is not None)

    def _scanned(self) -> dict[str, dict[str, Any]]:
        """The results by place, made at first need for all endpoints together; the instrument's control under ""."""
        with self._lock:
            if self._results is None:
                if self.session.recorder is not None:
                    self.session.recorder.grant(self._waits())
                self._results = self._scan()
            return self._results

    def _scan(self) -> dict[str, dict[str, Any]]:
        places = []
        for endpoint in self.target.endpoints:
            if not (endpoint.public and endpoint.secure):
                continue
            try:
                addresses = self._addresses(endpoint)
            except Unobservable:
                continue  # Asked for again, and raised, when this endpoint's turn comes.
            places += [
                {"key": _key(endpoint, address), "host": endpoint.host, "port": endpoint.port, "address": address}
                for address in addresses
            ]
        ca = ca_file(self.session)
        order: dict[str, object] = {
            "places": places,
            "ca": str(ca) if ca else None,
            "seconds": min(5.0, self.target.timeout_seconds),
            "folder": str(self.session.scratch),
        }
        limits = self.target.limits
        order["limits"] = limits.model_dump(mode="json") if limits is not None else None
        results: dict[str, dict[str, Any]] = {}
        for line in _run(order, self._seconds()).splitlines():
            try:
                said: dict[str, Any] = json.loads(line)
            except ValueError:
                continue  # The last line of a process that was ended may be cut.
            if "error" in said:
                raise Unobservable(str(said["error"]))
            results.setdefault(str(said.pop("key", "")), {}).update(said)
        return results


def _run(order: Mapping[str, object], seconds: float) -> str:
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    with subprocess.Popen(
        [sys.executable, "-m", "upheld.probes.tls_scan"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    ) as process:
        try:
            out, err = process.communicate(json.dumps(order), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        else:
            if process.returncode != 0:
                raise Unobservable(f"the TLS scan failed: {err.strip().splitlines()[-1:] or process.returncode}")
    return out


def _key(endpoint: Endpoint, address: str) -> str:
    return f"{endpoint.host}:{endpoint.port}@{address}"


def _certificate(one: Mapping[str, Any]) -> Certificate:
    until = datetime.fromisoformat(one["not_after"])
    return Certificate(
        address=one["address"],
        subject=one["subject"],
        issuer=one["issuer"],
        names=tuple(one["names"]),
        not_before=datetime.fromisoformat(one["not_before"]),
        not_after=until,
        chain_verified=not one["chain_error"],
        chain_error=one["chain_error"],
        name_matches=one["name_matches"],
        self_signed=one["self_signed"],
        key=one["key"],
        key_bits=one["key_bits"],
        signature_algorithm=one["signature_algorithm"],
        fingerprint=one["fingerprint"],
        summary=f"{one['key']} certificate for {', '.join(one['names']) or 'no name'}, valid until {until:%Y-%m-%d}",
    )
