"""Connections that stay open between requests, each of them one request's at a time.

They are httpcore's. Its own pool takes a queue of requests to them, and looks at each connection several times for every request; here a
thread that has a request takes a connection and brings it back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import httpcore

KEPT = 16
"""Connections that are kept at the most; of more, those go that were not used for longest."""

_Place = tuple[bytes, bytes, int | None]


class KeptConnections:
    """The open connections of a client, by where they lead. Safe to use from several threads."""

    def __init__(self, connect: Callable[[httpcore.Origin], httpcore.HTTPConnection]) -> None:
        """`connect` makes a connection that opens with its first request."""
        self._connect = connect
        self._idle: deque[tuple[_Place, httpcore.HTTPConnection]] = deque()
        self._lock = threading.Lock()

    def take(self, url: httpcore.URL) -> httpcore.HTTPConnection:
        """A connection to where the URL leads, the one that was used last or a new one; nobody else has it until it is brought back."""
        place = (url.scheme, url.host, url.port)
        while (kept := self._found(place)) is not None:
            if not kept.has_expired():
                return kept
            kept.close()
        return self._connect(url.origin)

    def bring_back(self, url: httpcore.URL, connection: httpcore.HTTPConnection) -> None:
        """Keep a connection that can serve another request, and close one that cannot."""
        surplus = connection
        # One that never came about is idle too, in httpcore's words.
        if connection.is_idle() and not connection.is_closed():
            with self._lock:
                self._idle.append(((url.scheme, url.host, url.port), connection))
                if len(self._idle) <= KEPT:
                    return
                surplus = self._idle.popleft()[1]
        surplus.close()

    def close(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            self._idle.pop()[1].close()

    def _found(self, place: _Place) -> httpcore.HTTPConnection | None:
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == place:
                    found = self._idle[index][1]
                    del self._idle[index]
                    return found
        return None
