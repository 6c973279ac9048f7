"""The TLS instrument as a process of its own: `python -m upheld.probes.tls_scan`, JSON on stdin, JSON lines on stdout.

It stands on sslyze, which brings OpenSSL builds that can still offer the old versions; the system's cannot, and would
take their own refusal for the server's. It is a process so that its caller can end it: a server that drips its handshake
keeps sslyze busy in spite of sslyze's own time-outs. Every place is scanned in a thread of its own, ten at a time, and
reported as soon as it is done, so that one such server takes nothing from the others.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from upheld.errors import Unobservable
from upheld.probes import fence
from upheld.probes.meter import Meter

VERSIONS = {
    "SSL 2.0": ("SSL_2_0", 0x0002),
    "SSL 3.0": ("SSL_3_0", 0x0300),
    "TLS 1.0": ("TLS_1_0", 0x0301),
    "TLS 1.1": ("TLS_1_1", 0x0302),
    "TLS 1.2": ("TLS_1_2", 0x0303),
    "TLS 1.3": ("TLS_1_3", 0x0304),
}
CURRENT = ("TLS 1.2", "TLS 1.3")
"""Versions of which one handshake is enough when it succeeds: only of a refusal must it be known that no cipher helps."""
_SUPPORTED_VERSIONS = 43
_POLL = 0.02
_own: set[tuple[str, int]] = set()
"""The listeners of the instrument's own control."""
_lock = threading.Lock()
_spent: dict[str, str] = {}
"""Hosts that may be sent nothing more, with the reason."""
_AT_ONCE = threading.BoundedSemaphore(10)
"""So many places are scanned at a time: handshakes cost the processor, and where all go on at once none comes to its end."""


def main() -> None:
    """Scan what stdin asks for: `places` (key, host, port, address), `ca`, `seconds` for each network operation, `limits` and the run's `folder`."""
    order = json.load(sys.stdin)
    fence.stay(_permits(order), lambda _name, _port: None)
    try:
        _sslyze()
        _hurry()
    except ImportError as error:
        _say({"error": f"sslyze cannot be used ({error}); install it with: pip install sslyze"})
        return
    jobs = [threading.Thread(target=_place, args=(place, order), daemon=True) for place in order["places"]]
    jobs.append(threading.Thread(target=_control, args=(order["seconds"],), daemon=True))
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()


def _permits(order: dict[str, Any]) -> fence.Permits:
    """Lets through to the places that are asked for, each connection in its turn where the target limits the rate."""
    hosts = {(fence.canonical(place["address"]), place["port"]): place["host"] for place in order["places"]}
    limits = None
    if order["limits"] is not None:
        from upheld.target.manners import Limits  # noqa: PLC0415  (only where there are limits)

        limits = Limits.model_validate(order["limits"])
    meter = Meter(limits, Path(order["folder"]))

    def permits(address: str, port: int) -> bool:
        if (address, port) in _own:
            return True
        if (address, port) not in hosts:
            return False
        try:
            time.sleep(meter.take(hosts[address, port]))
        except Unobservable as error:
            # sslyze takes it for a fault of the network, as it does nothing else that could be raised here.
            _spent[hosts[address, port]] = error.reason
            raise fence.Fenced(error.reason) from error
        return True

    return permits


def _sslyze() -> Any:
    # It re-exports its names without declaring them exported, and takes a moment to import: so here, and untyped.
    return importlib.import_module("sslyze")


def _hurry() -> None:
    # It looks five times a second whether handshakes are done, which is most of the time that one endpoint takes.
    module: Any = importlib.import_module("sslyze.scanner._mass_scanner")
    if hasattr(module, "sleep"):
        module.sleep = lambda _seconds: time.sleep(_POLL)


def _say(line: dict[str, Any]) -> None:
    with _lock:
        print(json.dumps(line), flush=True)


def _place(place: dict[str, Any], order: dict[str, Any]) -> None:
    with _AT_ONCE:
        _scan_place(place, order)


def _scan_place(place: dict[str, Any], order: dict[str, Any]) -> None:
    from upheld.probes.tls_certificates import certificates  # noqa: PLC0415  (only where it is needed)

    host, port, address = place["host"], place["port"], place["address"]
    try:
        _say({"key": place["key"], "certificates": certificates(host, port, address, order["ca"], order["seconds"])})
    except Exception as error:  # Whatever goes wrong is this place's reason, and the other places go on.
        _say({"key": place["key"], "certificates_reason": f"{type(error).__name__}: {error}"[:300]})
    try:
        _say({"key": place["key"], **_versions(host, port, address, order["seconds"])})
    except Exception as error:
        _say({"key": place["key"], "reason": f"{type(error).__name__}: {error}"[:300]})


def _versions(host: str, port: int, address: str, seconds: float) -> dict[str, Any]:
    sslyze = _sslyze()
    location = sslyze.ServerNetworkLocation(hostname=host, port=port, ip_address=address)
    settings = sslyze.ServerNetworkConfiguration(
        tls_server_name_indication=host, network_timeout=max(1, round(seconds)), network_max_retries=2
    )
    spoken = {label: cipher for label in CURRENT if (cipher := _spoken(location, settings, label))}
    request = sslyze.ServerScanRequest(
        server_location=location,
        network_configuration=settings,
        scan_commands={
            sslyze.ScanCommand[f"{name}_CIPHER_SUITES"] for label, (name, _) in VERSIONS.items() if label not in spoken
        },
    )
    scanner = sslyze.Scanner(per_server_concurrent_connections_limit=3, concurrent_server_scans_limit=1)
    scanner.queue_scans([request])
    result = next(iter(scanner.get_results()))
    if host in _spent:
        return {"reason": _spent[host]}
    if result.scan_result is None:
        trace = result.connectivity_error_trace
        why = str(trace.exc_type.__name__ if trace and trace.exc_type else "no connectivity")
        last = "".join(trace.format_exception_only()).strip().rpartition(": ")[2] if trace else ""
        return {"reason": f"no TLS connection could be made ({why}: {last})"[:300]}
    versions: dict[str, Any] = {}
    for label, (name, _) in VERSIONS.items():
        if label in spoken:
            versions[label] = {"completed": True, "accepted": [spoken[label]], "reasons": {}, "late": 0}
            continue
        attempt = getattr(result.scan_result, f"{name.lower()}_cipher_suites")
        if attempt.status is not sslyze.ScanCommandAttemptStatusEnum.COMPLETED:
            versions[label] = {"completed": False, "reason": str(attempt.error_reason)}
            continue
        reasons = Counter(str(one.error_message) for one in attempt.result.rejected_cipher_suites)
        versions[label] = {
            "completed": True,
            "accepted": [one.cipher_suite.name for one in attempt.result.accepted_cipher_suites],
            "reasons": dict(reasons.most_common(5)),
            # sslyze files a time-out under the refusals; it is none.
            "late": sum(count for reason, count in reasons.items() if "timed out" in reason.lower()),
        }
    return {"versions": versions}


def _spoken(location: Any, settings: Any, label: str) -> str:
    """The cipher of one handshake with this version only, whichever the server chose; empty when it came to nothing."""
    try:
        connection = _connection()(location, settings, _version(label), should_ignore_client_auth=True)
        connection.connect()
    except Exception:  # Whatever it was: every cipher is tried then, one by one, which also tells the reason.
        return ""
    try:
        return str(connection.ssl_client.get_current_cipher_name())
    finally:
        connection.close()


def _connection() -> Any:
    return importlib.import_module("sslyze.connection_helpers.tls_connection").SslConnection


def _version(label: str) -> Any:
    return _sslyze().TlsVersionEnum[VERSIONS[label][0]]


def _control(seconds: float) -> None:
    """Show that the instrument really offers each version: catch its ClientHello and read what it says."""
    offered: dict[str, Any] = {}
    for label in VERSIONS:
        try:
            offered[label] = offers(_client_hello(label, seconds), label)
        except Exception as error:
            offered[label] = f"{type(error).__name__}: {error}"[:200]
    _say({"offered": offered})


def _client_hello(label: str, seconds: float) -> bytes:
    sslyze = _sslyze()
    caught = b""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(seconds)
        _own.add(("127.0.0.1", listener.getsockname()[1]))

        def connect() -> None:
            location = sslyze.ServerNetworkLocation("localhost", listener.getsockname()[1], "127.0.0.1")
            settings = sslyze.ServerNetworkConfiguration(
                "localhost", network_timeout=max(1, round(seconds)), network_max_retries=1
            )
            # Nobody answers, so it always fails; what counts is what was sent.
            with contextlib.suppress(Exception):
                _connection()(location, settings, _version(label), should_ignore_client_auth=True).connect()

        thread = threading.Thread(target=connect, daemon=True)
        thread.start()
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(seconds)
            while len(caught) < 5 or len(caught) < _hello_length(caught):
                data = peer.recv(4096)
                if not data:
                    break
                caught += data
        thread.join(seconds)
    return caught


def _hello_length(data: bytes) -> int:
    if data[0] & 0x80:
        return 2 + int.from_bytes(data[:2], "big") % 0x8000
    return 5 + int.from_bytes(data[3:5], "big")


def offers(hello: bytes, label: str) -> bool:
    """Whether a ClientHello offers the version; raises IndexError when it is cut short."""
    code = VERSIONS[label][1]
    if hello[0] & 0x80:
        return hello[2] == 1 and int.from_bytes(hello[3:5], "big") == code
    if hello[0] != 22 or hello[5] != 1:
        return False
    client_version = int.from_bytes(hello[9:11], "big")
    at = 43 + 1 + hello[43]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at + 4 <= end and at + 4 <= len(hello):
        kind, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == _SUPPORTED_VERSIONS:
            listed = hello[at + 5 : at + 4 + size]
            return code in {int.from_bytes(listed[i : i + 2], "big") for i in range(0, len(listed), 2)}
        at += 4 + size
    return client_version == code


if __name__ == "__main__":
    main()
    # Threads that sslyze leaves behind must not keep the process.
    os._exit(0)
