"""Which addresses a name has: the sandbox's DNS, which is one file.

A deployment has no internet. Its names stand in a zone file that is read at every look-up, so that whoever may write to the
file (an auditor, for instance) has a domain to put names in, as everybody has on the internet.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from upheld_reference.logs import app_log

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
"""An IP address of either version."""
Answer = tuple[Address, ...]
"""What one look-up of a name gives."""

_LOOPBACK: Answer = (ipaddress.IPv4Address("127.0.0.1"),)


class NameNotFoundError(Exception):
    """Nobody knows an address of the name."""

    def __init__(self, name: str) -> None:
        """Carries the name."""
        self.name = name
        super().__init__(f"{name!r} has no address")


class Resolver:
    """Looks names up as getaddrinfo does: literals first, in all their spellings, then localhost, then the zone file.

    The file has the form of hosts(5): an address and its names on a line, ``#`` before a comment. Two things are more
    than a hosts file can say. Several addresses with commas between them are one answer. Several lines for one name are
    several answers, given in turn: a name whose owner changes it between two look-ups.
    """

    def __init__(self, zone: Path) -> None:
        """Reads the file ``zone``; as long as it does not exist, no name is in it."""
        self.zone = zone
        self._turns: dict[str, tuple[list[Answer], int]] = {}

    def look_up(self, name: str) -> Answer:
        """The addresses of ``name``, at least one; raises NameNotFoundError."""
        known = name.removesuffix(".").lower()
        if literal := address_literal(known):
            return (literal,)
        if known == "localhost" or known.endswith(".localhost"):  # RFC 6761 §6.3
            return _LOOPBACK
        answers = self._answers(known)
        if not answers:
            raise NameNotFoundError(name)
        before, turn = self._turns.get(known, ([], 0))
        turn = turn if before == answers else 0
        self._turns[known] = (answers, turn + 1)
        return answers[turn % len(answers)]

    def _answers(self, name: str) -> list[Answer]:
        if not self.zone.exists():
            return []
        found = []
        for line in self.zone.read_text(encoding="utf-8", errors="replace").splitlines():
            addresses, *names = line.partition("#")[0].split() or [""]
            if name in (one.removesuffix(".").lower() for one in names):
                try:
                    found.append(tuple(ipaddress.ip_address(one) for one in addresses.split(",")))
                except ValueError:
                    app_log.warning("the zone file has no address at the start of a line for %r", name)
        return found


def address_literal(host: str) -> Address | None:
    """The address that ``host`` spells, and None for a name.

    Taken are the spellings of inet_aton too (127.1, 0x7f.0.0.1, 017700000001, 2130706433), because getaddrinfo takes them.
    """
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):  # ValueError: a character that is not ASCII
        return None
