"""A fence inside Python: while it is up, no connection of this process goes to a place that was not vetted.

It stands under libraries that bring a network of their own (object storage, database drivers, SSH) and follow redirects,
look names up again or find credentials elsewhere. It holds what passes through Python's sockets; what a library written
in C does by itself it cannot hold, so those are given addresses and never names. It imports nothing of this project, so
that the Pythons of other tools can load it by its path.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

Permits = Callable[[str, int], bool]
"""Whether an IP address and port may be connected to."""
Addresses = Callable[[str, int], "tuple[str, ...] | None"]
"""The vetted IP addresses of a host name, None for one that must not be looked up."""

_CONTACTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"})
_STARTS = frozenset({"subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"})
_up: list[Fence] = []
_lock = threading.Lock()
_gate = threading.local()
_system_getaddrinfo = socket.getaddrinfo
_hooked = False


class Fenced(PermissionError):
    """The fence kept a connection or a look-up from being made; nothing was sent."""


class Fence:
    """What may be contacted while it is up. Several may be up at once; what one of them permits is permitted."""

    def __init__(self, permits: Permits, addresses: Addresses, *, processes: bool = True) -> None:
        """Without `processes` no other program may be started either, which could connect on its own."""
        self.permits = permits
        self.addresses = addresses
        self.processes = processes

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Hold every thread of this process within the fence for the block."""
        _put_up(self)
        try:
            yield
        finally:
            with _lock:
                _up.remove(self)
                if not _up:
                    _replace(_system_getaddrinfo)


def stay(permits: Permits, addresses: Addresses) -> None:
    """Put up a fence that stays until the process ends."""
    _put_up(Fence(permits, addresses))


@contextlib.contextmanager
def gate() -> Iterator[None]:
    """Let this thread through for the block: for the one place that looks names up in order to vet them."""
    before = getattr(_gate, "open", False)
    _gate.open = True
    try:
        yield
    finally:
        _gate.open = before


def canonical(address: str) -> str:
    """An IP address in one spelling; raises ValueError for what is none."""
    bare = address.partition("%")[0]
    ip = ipaddress.ip_address(bare)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def _put_up(one: Fence) -> None:
    global _hooked  # noqa: PLW0603  (a hook of the interpreter can be set only once, and never be taken away)
    with _lock:
        if not _hooked:
            sys.addaudithook(_hook)
            _hooked = True
        if not _up:
            _replace(_pinned_getaddrinfo)
        _up.append(one)


def _replace(function: Any) -> None:
    global _system_getaddrinfo  # noqa: PLW0603
    if function is _pinned_getaddrinfo:
        _system_getaddrinfo = socket.getaddrinfo
    socket.getaddrinfo = function


def _pinned_getaddrinfo(
    host: Any,
    port: Any,
    family: int = 0,
    type: int = 0,  # noqa: A002
    proto: int = 0,
    flags: int = 0,
) -> Any:
    """Answer like getaddrinfo from vetted addresses only, so that a name cannot move between check and use."""
    fences = list(_up)
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if not fences or getattr(_gate, "open", False) or name is None or _literal(name) or name == "localhost":
        return _system_getaddrinfo(host, port, family, type, proto, flags)
    number = port if isinstance(port, int) else int(port) if str(port).isdigit() else 0
    for one in fences:
        found = one.addresses(name, number)
        if not found:
            continue
        answer: list[Any] = []
        for address in found:
            with contextlib.suppress(socket.gaierror):  # An address of the other family than was asked for.
                answer += _system_getaddrinfo(address, port, family, type, proto, socket.AI_NUMERICHOST)
        if answer:
            return answer
    raise socket.gaierror(socket.EAI_NONAME, f"{name} is not declared by the target, and was not looked up")


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _up or not (event.startswith("socket.") or event in _STARTS):
        return
    if getattr(_gate, "open", False):
        return
    if event in _CONTACTS:
        _contact(arguments[0], arguments[1])
    elif event in _LOOKUPS:
        name = arguments[0][0] if event == "socket.getnameinfo" and arguments[0] else arguments[0]
        name = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        looks_up = event in {"socket.gethostbyaddr", "socket.getnameinfo"}
        if name and name != "localhost" and (looks_up or not _literal(str(name))):
            raise Fenced(f"{name} was not looked up: the target does not declare it")
    elif event in _STARTS and not all(one.processes for one in list(_up)):
        raise Fenced(f"{arguments[0]} was not started: it could connect past the target's scope")


def _contact(sock: Any, address: Any) -> None:
    if address is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return  # A connected socket was checked when it was connected; other families do not leave this machine.
    host, port = str(address[0]), int(address[1])
    if host == "localhost":
        host = "::1" if sock.family == socket.AF_INET6 else "127.0.0.1"
    try:
        host = canonical(host)
    except ValueError:
        # The C library would look it up by itself.
        raise Fenced(f"{host}:{port} was not contacted: only vetted addresses are") from None
    if not any(one.permits(host, port) for one in list(_up)):
        raise Fenced(f"{host}:{port} was not contacted: the target does not declare it")


def _literal(host: str) -> bool:
    try:
        canonical(host)
    except ValueError:
        # What inet_aton(3) takes is an address too: 127.1, 0x7f000001.
        try:
            socket.inet_aton(host)
        except (OSError, UnicodeError):
            return not host
    return True
