"""Cuts a database's connection on which an answer does not end, drips, or is without bounds.

The server is asked to bound its statements in time, and each statement in size. A server that does not keep to that, or a network that
swallowed it, would hold a driver for ever or fill the memory: drivers wait without a limit of their own, and take answers whole.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from upheld.probes.cutting import LATE, Watchdog, cut_after

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

ANSWER_LIMIT = 96 << 20
"""Bytes that a server may send in answer to what it was sent last."""
MEMORY_LIMIT = 768 << 20
"""Bytes by which this process may grow meanwhile."""
_ACTIVE = 1
"""libpq's PQTRANS_ACTIVE: a command is in progress."""
_LENGTH = 208
_RECEIVED, _SENT = 128, 200
"""Where Linux's struct tcp_info has the bytes that were received, and those that were sent."""


class Guard:
    """Watches one connection of a driver for as long as this object lives."""

    def __init__(self, connection: Any, seconds: float, on_cut: Callable[[str], None]) -> None:
        """`seconds` is what a statement may take by the server's own clock; `on_cut` is told why a connection was cut."""
        self.seconds = seconds
        """May be raised while it lives."""
        self.bounded = True
        """Whether an answer is bounded in size; not where it is read in pieces."""
        self._connection = weakref.ref(connection)
        self._on_cut = on_cut
        self._waiting: bool | None = None
        self._socket = _twin(connection)
        self._since = time.monotonic()
        self._sent, self._received = self._counted()
        self._memory = _memory()
        if self._socket is not None:
            _watchdog.add(self)

    def tells(self, *, waits: bool, asked: bool = False) -> None:
        """A driver that says when it waits for its server is believed from then on; `asked`: for the answer to something new."""
        if asked:
            self._begin()
        self._waiting = waits

    def look(self) -> None:
        """Cut the connection, if that is due."""
        if self._waiting is False or (self._waiting is None and self._idle()):
            self._begin()
            return
        limit, received = self.seconds * 1.25 + 2, self._counted()[1]
        if time.monotonic() - self._since > limit:
            self._cut(f"no answer within the time limit (the connection was cut after {limit:.0f} s)")
        elif self.bounded and received - self._received > ANSWER_LIMIT:
            self._cut(f"an answer is larger than {ANSWER_LIMIT >> 20} MiB")
        elif _memory() - self._memory > MEMORY_LIMIT:
            self._cut(f"an answer takes more than {MEMORY_LIMIT >> 20} MiB of memory")

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _begin(self) -> None:
        self._since, self._memory = time.monotonic(), _memory()
        self._sent, self._received = self._counted()

    def _idle(self) -> bool:
        """Whether a driver that does not tell has sent something since, or no statement is in progress by libpq.

        What is sent is no sign where the driver tells: within TLS a server can have an answer sent without end (RFC 8446 §4.6.3).
        """
        status = getattr(getattr(self._connection(), "pgconn", None), "transaction_status", None)
        return self._counted()[0] != self._sent or (status is not None and int(status) != _ACTIVE)

    def _counted(self) -> tuple[int, int]:
        """Bytes sent and received so far; zeroes where this system does not count them."""
        if self._socket is None or not hasattr(socket, "TCP_INFO"):
            return 0, 0
        with contextlib.suppress(OSError, struct.error):
            counts = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
            return struct.unpack_from("Q", counts, _SENT)[0], struct.unpack_from("Q", counts, _RECEIVED)[0]
        return 0, 0

    def _cut(self, why: str) -> None:
        self._on_cut(why)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self.close()


_guards: weakref.WeakKeyDictionary[Any, Guard] = weakref.WeakKeyDictionary()
"""The guard of each driver's connection."""


def watch(engine: Engine, seconds: float, on_cut: Callable[[str], None]) -> None:
    """Have every connection of the engine guarded, from before the first statement on, which is SQLAlchemy's own."""

    def opened(connection: Any, _record: Any) -> None:
        guard = _guards[connection] = Guard(connection, seconds, on_cut)
        for name, asks in _WAITS.get(type(connection).__module__.partition(".")[0], {}).items():
            setattr(connection, name, _telling(guard, getattr(connection, name), asks=asks))

    def closed(connection: Any, _record: Any) -> None:
        if (guard := _guards.pop(connection, None)) is not None:
            guard.close()

    def connects(dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> Any:
        if dialect.driver == "psycopg":
            return _through_libpq(dialect, arguments, named, seconds, on_cut)
        if dialect.driver != "pymysql" or "unix_socket" in named:
            return None
        return _connected(dialect, arguments, named, seconds, on_cut)

    sa.event.listen(engine, "do_connect", connects)
    sa.event.listen(engine, "connect", opened, insert=True)
    sa.event.listen(engine, "close", closed)


_WAITS = {"psycopg": {"wait": True}, "pymysql": {"_execute_command": True, "_read_bytes": False}}
"""The methods of each driver's connection in which it waits for its server, and whether that is for the answer to something new."""


def _telling(guard: Guard, method: Callable[..., Any], *, asks: bool) -> Callable[..., Any]:
    def tells(*arguments: Any, **named: Any) -> Any:
        guard.tells(waits=True, asked=asks)
        try:
            return method(*arguments, **named)
        finally:
            guard.tells(waits=False)

    return tells


class _Connecting:
    """Watches a connection that libpq is making: its own time limit ends no flood that its TLS never comes back from."""

    def __init__(self, seconds: float, on_cut: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._on_cut = on_cut
        self._until = time.monotonic() + seconds + LATE
        self._memory = _memory()
        self._socket: socket.socket | None = None

    def over(self, number: int) -> None:
        """Watch the socket of that file number, which may be another one each time."""
        before, self._socket = self._socket, socket.socket(fileno=os.dup(number))
        if before is not None:
            before.close()
        _watchdog.add(self)

    def look(self) -> None:
        """Cut the connection, if that is due."""
        why = ""
        if time.monotonic() > self._until:
            why = f"no answer within the time limit (the connection was cut after {self._seconds:.0f} s)"
        elif _memory() - self._memory > MEMORY_LIMIT:
            why = f"connecting takes more than {MEMORY_LIMIT >> 20} MiB of memory"
        sock = self._socket
        if why and sock is not None:
            self._until = math.inf
            self._on_cut(why)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Watch it no more."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()


def _through_libpq(
    dialect: Any, arguments: Any, named: dict[str, Any], seconds: float, on_cut: Callable[[str], None]
) -> Any:
    """A connection of psycopg, made under the eyes of the watchdog."""
    made: Any = dialect.loaded_dbapi.Connection
    limit = max(2.0, seconds)

    class Watched(made):  # type: ignore[misc]
        @classmethod
        def _connect_gen(cls, *given: Any, **more: Any) -> Any:
            steps = made._connect_gen(*given, **more)  # noqa: SLF001  (where the driver tells which socket it waits for)
            watched = _Connecting(limit, on_cut)
            try:
                step = next(steps)
                while True:
                    watched.over(step[0])
                    try:
                        ready = yield step
                    except Exception as error:  # What the driver means to stop it by.
                        step = steps.throw(error)
                    else:
                        step = steps.send(ready)
            except StopIteration as end:
                return end.value
            finally:
                watched.close()
                steps.close()

    return Watched.connect(*arguments, **named)


def _connected(
    dialect: Any, arguments: Any, named: dict[str, Any], seconds: float, on_cut: Callable[[str], None]
) -> Any:
    """A connection of PyMySQL, whose own limits are for each single read."""
    limit = max(2.0, seconds)
    connection = dialect.loaded_dbapi.connect(*arguments, **named, defer_connect=True)
    sock = socket.create_connection((connection.host, connection.port), timeout=limit)
    with cut_after(sock, limit) as watched:
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.connect(sock)
        except Exception:
            sock.close()
            if watched.cut:
                on_cut(f"no answer within the time limit (the connection was cut after {limit:.0f} s)")
            raise
    return connection


def allow(connection: sa.Connection, seconds: float) -> None:
    """Let statements on this connection take so long, and answers that are read in pieces be of any size."""
    guard = _guards.get(connection.connection.dbapi_connection)
    if guard is not None:
        guard.seconds, guard.bounded = seconds, False


_watchdog = Watchdog("database guard", 0.1)


def _twin(connection: Any) -> socket.socket | None:
    """A socket object of our own over the driver's TCP connection; None for what is none."""
    found = getattr(connection, "_sock", None)
    try:
        number = found.fileno() if found is not None else connection.fileno()
        twin = socket.socket(fileno=os.dup(number))
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    if twin.family not in {socket.AF_INET, socket.AF_INET6}:
        twin.close()
        return None
    return twin


def _memory() -> int:
    """Bytes that this process has in memory; 0 where that is not told."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
