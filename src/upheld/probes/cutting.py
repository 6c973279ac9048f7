"""Cuts connections in which a library is kept beyond its time.

A time limit of a socket ends a wait for something. It ends no work: OpenSSL passes over some messages without coming back, and a peer
that sends them faster than they are passed over keeps it for ever; so does one that drips the answer of a database byte by byte. A
connection that is cut gives the library its end.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LATE = 0.5
"""Seconds after the time limit at which a connection is cut: whoever ends by itself is left to say so."""


class Guarded(Protocol):
    """What a watchdog looks at."""

    def look(self) -> None:
        """Cut the connection, if that is due."""


class Watched:
    """A connection that is cut once `until` (monotonic) is over; nothing happens before it is set."""

    __slots__ = ("__weakref__", "_sock", "cut", "until")

    def __init__(self, sock: socket.socket) -> None:
        """Watches the socket for as long as this object lives."""
        self._sock = sock
        self.until = math.inf
        self.cut = False
        _watchdog.add(self)

    def look(self) -> None:
        """Cut it, if that is due."""
        if self.until + LATE < time.monotonic():
            self.until = math.inf
            self.end()

    def end(self) -> None:
        """Cut it now."""
        self.cut = True
        # Not the method of a TLS socket, which would let go of what another thread is reading with.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


class Watchdog:
    """Looks at all that it was given every so often, in a thread that lives as long as there is something to look at."""

    def __init__(self, name: str, every_seconds: float) -> None:
        """Starts nothing yet; `name` is the thread's."""
        self._name = name
        self._every = every_seconds
        self._watched: weakref.WeakSet[Guarded] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, one: Guarded) -> None:
        """Look at `one` for as long as it lives."""
        with self._lock:
            self._watched.add(one)
            # A process that was forked from another has its threads no more.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name=self._name, daemon=True)
                self._thread.start()

    def _look(self) -> None:
        while True:
            time.sleep(self._every)
            with self._lock:
                watched = list(self._watched)
                if not watched:
                    self._thread = None
                    return
            for one in watched:
                # A connection that is closed while it is looked at needs no guard any more.
                with contextlib.suppress(Exception):
                    one.look()
            watched.clear()  # Nor does what is gone; it must not live on here, and neither must the last of them.
            del one


_watchdog = Watchdog("cutting", 0.25)


@contextmanager
def cut_after(sock: socket.socket, seconds: float) -> Iterator[Watched]:
    """What goes on in the block over this connection, by whichever socket object, is cut after so many seconds."""
    with sock.dup() as twin:
        watched = Watched(twin)
        watched.until = time.monotonic() + seconds
        try:
            yield watched
        finally:
            watched.until = math.inf
