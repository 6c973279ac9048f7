"""The guard against server-side request forgery: where a URL that a customer wrote may lead.

It has two halves. ``destination`` reads the URL, and takes nothing that two programs could read in two ways. ``choose`` looks
at the addresses that the name has, and is called by the transport for the very answer that it connects to: what it has let
pass cannot change before the connection (DNS rebinding). The first half is for friendly errors, the second has the say.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import idna

from upheld_reference.network.transport import AddressRefusedError
from upheld_reference.network.zone import Address, Answer, NameNotFoundError, Resolver

SCHEMES: Mapping[str, int] = MappingProxyType({"https": 443})
"""The schemes that are taken, with their default ports."""

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<rest>[!-~]*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>[^:]*)(?::(?P<port>[0-9]{1,5}))?", re.DOTALL)
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes a host an IPv4 address in some spelling (WHATWG URL, "ends in a number")."""
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_SPECIAL = tuple(
    ipaddress.ip_network(one)
    for one in (
        # What the registries of RFC 6890 hold and some versions of ipaddress call global.
        "192.0.0.0/24",
        "192.88.99.0/24",
        # IPv6 that carries an IPv4 address: Teredo and its neighbours, 6to4. IPv4-mapped and NAT64 lie outside of 2000::/3.
        "2001::/23",
        "2002::/16",
        # Documentation.
        "2001:db8::/32",
        "3fff::/20",
    )
)


class UrlRefusedError(ValueError):
    """A URL is not one that webhooks are delivered to; the message says why and repeats nothing of it."""


@dataclass(frozen=True)
class Destination:
    """A URL that can be read in one way only."""

    url: str
    """The URL with its host in lower-case ASCII; what remains is as it was written."""
    host: str
    """The host name, in ASCII (RFC 5891)."""
    port: int
    """The TCP port."""


class Guard:
    """Lets customers' URLs lead to the public internet and nowhere else."""

    def __init__(self, resolver: Resolver, public_network: str, ports: Sequence[int]) -> None:
        """``public_network`` counts as public although it is not; ``ports`` are all that may be named."""
        self.resolver = resolver
        self.public_network = ipaddress.ip_network(public_network)
        self.ports = tuple(ports)

    def destination(self, url: str) -> Destination:
        """Where ``url`` leads; raises UrlRefusedError unless it is plainly an https URL of a host name."""
        found = _URL.fullmatch(url)
        if found is None or "\\" in url or "#" in url:
            raise UrlRefusedError("must be an https URL, written in ASCII but for its host name, without a fragment")
        scheme = found["scheme"].lower()
        if scheme not in SCHEMES:
            raise UrlRefusedError("must start with https://")
        if "@" in found["authority"]:
            raise UrlRefusedError("must carry no user name or password")
        authority = _AUTHORITY.fullmatch(found["authority"])
        if authority is None or "[" in found["authority"]:
            raise UrlRefusedError("must name a host, not an address")
        host = host_name(authority["host"])
        port = int(authority["port"] or SCHEMES[scheme])
        if port not in self.ports:
            raise UrlRefusedError(f"must use one of the ports {', '.join(map(str, self.ports))}")
        shown_port = f":{authority['port']}" if authority["port"] else ""
        return Destination(f"{scheme}://{host}{shown_port}{found['rest']}", host, port)

    def choose(self, _host: str, answer: Answer) -> Address:
        """The first address of ``answer``; raises AddressRefusedError unless all of them are public.

        One bad address among good ones is refused too: a name that leads inside at times is no receiver's.
        """
        for address in answer:
            if not self.is_public(address):
                raise AddressRefusedError(address)
        return answer[0]

    def is_public(self, address: Address) -> bool:
        """Whether ``address`` is one of the public internet: global unicast by the registries of RFC 6890.

        Left out with the rest are IPv6 addresses that carry IPv4 ones (RFC 4291 §2.5.5, RFC 3056, RFC 6052): they lead where
        the gateways of this network take them.
        """
        if address in self.public_network:
            return True
        if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address not in _GLOBAL_UNICAST):
            return False
        return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL)

    def check(self, url: str) -> Destination:
        """The early look, when a webhook is registered; raises UrlRefusedError.

        A name that has no address yet is let through, as DNS may come later. It cannot promise anything: names change.
        """
        found = self.destination(url)
        try:
            self.choose(found.host, self.resolver.look_up(found.host))
        except NameNotFoundError:
            pass
        except AddressRefusedError:
            raise UrlRefusedError("must lead to a host on the public internet") from None
        return found


def host_name(written: str) -> str:
    """The host name ``written``, in lower-case ASCII; raises UrlRefusedError for what is no full host name.

    Letters that look like others are mapped first (UTS #46), so that digits in circles or of full width are digits.
    """
    try:
        host = idna.encode(written, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError:
        raise UrlRefusedError("must have a valid host name (RFC 5891)") from None
    labels = host.split(".")
    if not labels[-1]:
        raise UrlRefusedError("must have a host name without a dot at its end")
    if _NUMERIC.fullmatch(labels[-1]):
        raise UrlRefusedError("must name a host, not an address")
    if len(labels) < 2:
        raise UrlRefusedError("must have a full host name, with its domain")
    return host
