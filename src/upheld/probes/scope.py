"""The border that no probe crosses: which hosts and ports may be contacted, and at which addresses."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from upheld.errors import OutOfScope, Refused, TimedOut
from upheld.probes import fence
from upheld.target.model import Target

PLAIN_HTTP_PORT = 80
HTTPS_PORT = 443
_METADATA = frozenset({"100.100.100.200", "192.0.0.192", "fd00:ec2::254"})
"""Where clouds serve credentials to their machines, apart from the link-local address that most of them use."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    pinned: str | None


class Scope:
    """What the target declares. Names are resolved once in a run and stay pinned, so that they cannot move out of it.

    What may be spoken HTTP and TLS to is `in` the scope. What the target names besides (a database, a store of backups, a
    host) is reached by `reach`, and by nothing that a server says: no redirect leads there.
    """

    def __init__(self, target: Target, folder: Path | None = None) -> None:
        """With `folder`, the run's scratch folder, all processes of a run share what a name resolved to."""
        self._seconds = target.timeout_seconds
        self._folder = folder / "addresses" if folder else None
        self._networks = tuple(ipaddress.ip_network(one, strict=False) for one in target.networks)
        self._places: dict[tuple[str, int], _Place] = {}
        self._resolved: dict[str, tuple[str, ...]] = {}
        self._vetted: set[tuple[str, int]] = set()
        self._reached: dict[tuple[str, int], tuple[str, str | None]] = {}
        self._below: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()
        for endpoint in target.endpoints:
            self._places[fold(endpoint.host), endpoint.port] = _Place(endpoint.name, endpoint.address)
        for service in target.internal.services if target.internal else ():
            self._places[fold(service.host), service.port] = _Place(service.name, service.address)
        for described in (target.forge, target.advisories):
            if described is not None and (where := described.endpoint) is not None:
                self._places.setdefault((fold(where.host), where.port), _Place(where.name, where.address))
        for endpoint in target.endpoints:
            # A browser that is given only the name tries port 80 first, so that port belongs to a web endpoint at 443.
            if endpoint.public and endpoint.secure and endpoint.port == HTTPS_PORT:
                place = _Place(f"{endpoint.name}, plain HTTP", endpoint.address)
                self._places.setdefault((fold(endpoint.host), PLAIN_HTTP_PORT), place)

    def __contains__(self, place: object) -> bool:
        """Whether a (host, port) is declared."""
        if not (isinstance(place, tuple) and len(place) == 2):
            return False
        host, port = place
        return isinstance(host, str) and (fold(host), port) in self._places

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Every (host, port) that may be contacted."""
        return iter(self._places)

    def describe(self, host: str, port: int) -> str:
        """`name (host:port)` for a declared place, `host:port` for any other."""
        shown = f"[{host}]" if ":" in host else host
        place = self._places.get((fold(host), port))
        return f"{place.name} ({shown}:{port})" if place else f"{shown}:{port}"

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The IP addresses of a declared place; pinned, or as the name resolved the first time in this run.

        Raises OutOfScope when the target does not declare it or its name leads to an address that cannot be meant, Refused
        when the name does not resolve, TimedOut when the resolver does not answer within the target's time limit.
        """
        place = self._places.get((fold(host), port))
        if place is None:
            raise OutOfScope(
                f"{self.describe(host, port)} is not an endpoint that the target declares; nothing was sent to it"
            )
        return self._allowed(host, port, place.pinned)

    def reach(self, what: str, host: str, port: int, pinned: str | None = None) -> tuple[str, ...]:
        """The IP addresses of something else that the target names, to be connected to by its own means.

        From then on the fence lets connections to them through. `what` names it in reasons. Raises as `addresses` does.
        """
        self._reached[fold(host), port] = (what, pinned)
        return self._allowed(host, port, pinned)

    def reach_below(self, what: str, domain: str, port: int) -> None:
        """Let the fence through to every name below a domain that the target names, at one port."""
        self._below[fold(domain), port] = what

    @cached_property
    def fence(self) -> fence.Fence:
        """The fence around what was declared and vetted."""
        return fence.Fence(self.permits, self._known)

    def permits(self, address: str, port: int) -> bool:
        """Whether this IP address and port are those of a place that was vetted in this run."""
        return (address, port) in self._vetted

    def _known(self, host: str, port: int) -> tuple[str, ...] | None:
        """The vetted addresses of a name that a library looks up; None for one that the target does not name."""
        folded = fold(host)
        ports = [port] if port else [each for name, each in (*self._places, *self._reached) if name == folded]
        with contextlib.suppress(OutOfScope, Refused, TimedOut):
            for each in ports:
                if (folded, each) in self._places:
                    return self.addresses(host, each)
                if (folded, each) in self._reached:
                    return self._allowed(host, each, self._reached[folded, each][1])
            for domain, each in self._below:
                if folded.endswith(f".{domain}") and port in {0, each}:
                    return self._allowed(host, each, None)
        return None

    def _allowed(self, host: str, port: int, pinned: str | None) -> tuple[str, ...]:
        if pinned:
            found: tuple[str, ...] = (pinned,)
        else:
            name = fold(host)
            with self._lock:
                if name not in self._resolved:
                    self._resolved[name] = self._once(name, port)
                found = self._resolved[name]
        self._vetted.update((fence.canonical(one), port) for one in found)
        return found

    def _once(self, host: str, port: int) -> tuple[str, ...]:
        """What the name resolved to when it was first asked for in this run, by whichever process."""
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        if self._folder is None:
            return self._vet(host, self._resolve(host, port))
        path = self._folder / f"{hashlib.sha256(host.encode()).hexdigest()}.json"
        if not path.exists():
            found = self._vet(host, self._resolve(host, port))
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mine = self._folder / f"{secrets.token_hex(8)}.new"
            mine.write_text(json.dumps(found), encoding="utf-8")
            # Whoever is first decides for all; a link is made whole or not at all.
            with contextlib.suppress(FileExistsError):
                os.link(mine, path)
            mine.unlink()
        return tuple(json.loads(path.read_text(encoding="utf-8")))

    def _vet(self, host: str, found: tuple[str, ...]) -> tuple[str, ...]:
        """`found`, when it may be meant; raises OutOfScope for addresses that a public name has no business with."""
        plain = [_bare(one) for one in found]
        for ip in plain:
            special = (
                ip.is_link_local or ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback)
            )
            if special or str(ip) in _METADATA:
                raise OutOfScope(
                    f"{host} resolves to {ip}, an address for special purposes; nothing was sent to it (pin the address in "
                    "the target where it is meant)"
                )
            if self._networks and not any(ip in network for network in self._networks):
                raise OutOfScope(
                    f"{host} resolves to {ip}, which is in none of the networks that the target declares; nothing was "
                    "sent to it"
                )
        if len({ip.is_global for ip in plain}) > 1:
            shown = ", ".join(map(str, plain))
            raise OutOfScope(
                f"{host} resolves to public and to private addresses at once ({shown}); nothing was sent to them (pin the "
                "address in the target)"
            )
        return found

    def _resolve(self, host: str, port: int) -> tuple[str, ...]:
        outcome: list[tuple[str, ...] | OSError] = []

        def ask() -> None:
            try:
                with fence.gate():
                    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                outcome.append(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
            except (OSError, UnicodeError) as error:
                outcome.append(error if isinstance(error, OSError) else OSError(str(error)))

        # The system's resolver has no time limit of its own that can be set, so it is asked beside.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(self._seconds)
        if not outcome:
            raise TimedOut(f"the name {host} did not resolve within {self._seconds:g} s")
        answer = outcome[0]
        if isinstance(answer, OSError) or not answer:
            raise Refused(f"the name {host} does not resolve")
        return answer


def fold(host: str) -> str:
    """A host name as it is compared: lower case, without the root's final dot."""
    return host.lower().rstrip(".")


def _bare(address: str) -> Address:
    """The address that packets really go to: of IPv4 within IPv6 the IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip
