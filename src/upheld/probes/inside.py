"""Ways by which a customer's URL could lead inside, from a file that says where they are from."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from upheld.inputs import FOLDER

FILE = FOLDER / "inside-addresses.txt"
"""The file with the ways, one a line."""
KINDS = ("url", "name", "turn", "redirect")
"""The kinds of ways; the file says what they are."""
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


@dataclass(frozen=True, slots=True)
class Way:
    """One way inside: its kind and its value with placeholders."""

    kind: str
    value: str

    def __str__(self) -> str:
        """What it is, as findings show it."""
        words = {
            "url": "the URL",
            "name": "a name that resolves to",
            "turn": "a name that resolves by turns to",
            "redirect": "a redirect to",
        }
        return f"{words[self.kind]} {self.value}"

    def filled(self, inside: str, port: int, allowed: str, name: str) -> str:
        """The value for an IPv4 address inside, and one where deliveries may go; `name` is a host name that leads there."""
        address = ipaddress.IPv4Address(inside)
        number = int(address)
        a, b, c, d = address.packed
        return self.value.format(
            ip=inside,
            a=a,
            b=b,
            c=c,
            d=d,
            n=number,
            hi=number >> 16,
            lo=number & 0xFFFF,
            circled=inside.translate(_CIRCLED),
            wide=inside.translate(_WIDE),
            percent="".join(f"%{ord(digit):02x}" for digit in str(a)),
            port=port,
            ok=allowed,
            name=name,
        )


def make_ways() -> tuple[Way, ...]:
    """Every way of the file, in its order."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    return tuple(Way(kind, value) for kind, value in pairs)
