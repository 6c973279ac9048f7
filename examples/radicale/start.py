"""Radicale of PyPI, with four accounts in a file of bcrypt hashes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from examples.certificates import one_server
from examples.running import Place, listens

_HASH = "import bcrypt, sys; print(bcrypt.hashpw(sys.stdin.read().encode(), bcrypt.gensalt(10)).decode())"


@contextlib.contextmanager
def start(place: Place) -> Iterator[None]:
    """The server, over TLS."""
    one_server(place.folder, "Calendar CA", "calendar.example")
    lines = []
    for name in ("ada", "bob", "eve", "kim"):
        hashed = place.run(place.program("python"), "-c", _HASH, given=place.secret(name)).strip()
        lines.append(f"{name}:{hashed}\n")
    (place.folder / "users").write_text("".join(lines), encoding="utf-8")
    with place.process(place.program("radicale"), "--config", "radicale.config", ready=listens(place.port(18200))):
        yield
