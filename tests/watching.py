"""Places that nobody may contact: listeners that record every contact, and a name server that changes its answers."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from upheld.probes import fence


class Watch:
    """A TCP listener that writes down who connected and what they said first, and a UDP one at the same place."""

    def __init__(self, address: str = "127.0.0.2", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.contacts: list[bytes] = []
        self._stop = threading.Event()
        self._tcp = socket.create_server((address, port), family=family, backlog=64)
        self.address, self.port = address, int(self._tcp.getsockname()[1])
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.bind((address, self.port))
        self._tcp.settimeout(0.05)
        self._udp.settimeout(0.05)
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._accept, self._receive)]
        for thread in self._threads:
            thread.start()

    @property
    def place(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def _accept(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._tcp.accept()
                with connection:
                    connection.settimeout(0.1)
                    first = b""
                    with contextlib.suppress(OSError):
                        first = connection.recv(4096)
                    self.contacts.append(b"TCP " + first)

    def _receive(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                self.contacts.append(b"UDP " + self._udp.recv(4096))

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
        self._tcp.close()
        self._udp.close()


@contextlib.contextmanager
def watched(address: str = "127.0.0.2", port: int = 0) -> Iterator[Watch]:
    """A place that is watched for the block."""
    watch = Watch(address, port)
    try:
        yield watch
    finally:
        watch.close()


class NameServer:
    """A DNS server on the loopback address. Each name has answers, one list of addresses a question, the last one for ever."""

    def __init__(self, names: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._names = {name: [list(answer) for answer in answers] for name, answers in names.items()}
        self._asked: dict[tuple[str, int], int] = {}
        self.questions: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            # In truth it is somebody else's process, which no fence of this one holds.
            with contextlib.suppress(OSError), fence.gate():
                question, peer = self._socket.recvfrom(512)
                self._socket.sendto(self._answer(question), peer)

    def _answer(self, question: bytes) -> bytes:
        name, end = _name_at(question, 12)
        kind = struct.unpack(">H", question[end : end + 2])[0]
        self.questions.append(name)
        answers = self._names.get(name)
        number = self._asked[name, kind] = self._asked.get((name, kind), 0) + 1
        addresses = [ipaddress.ip_address(one) for one in answers[min(number, len(answers)) - 1]] if answers else []
        wanted = [one for one in addresses if (one.version, kind) in {(4, 1), (6, 28)}]
        head = question[:2] + struct.pack(">HHHHH", 0x8180 if answers else 0x8183, 1, len(wanted), 0, 0)
        body = question[12 : end + 4]
        for one in wanted:
            body += struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(one.packed)) + one.packed
        return head + body

    def getaddrinfo(self, system: Callable[..., Any]) -> Callable[..., Any]:
        """A `socket.getaddrinfo` that asks this server for names, with a look-up over the wire for each call."""

        def ask(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:  # noqa: A002
            name = host.decode() if isinstance(host, bytes) else host
            if name is None or name == "localhost" or _literal(name):
                return system(host, port, family, type, proto, flags)
            found: list[Any] = []
            for kind, wanted in ((28, socket.AF_INET6), (1, socket.AF_INET)):
                if family in {0, wanted}:
                    for address in self._ask(name, kind):
                        found += system(address, port, wanted, type, proto, socket.AI_NUMERICHOST)
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return found

        return ask

    def _ask(self, name: str, kind: int) -> list[str]:
        labels = b"".join(bytes([len(one)]) + one.encode() for one in name.rstrip(".").split("."))
        question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.connect(("127.0.0.1", self.port))
            asking.send(question)
            answer = asking.recv(2048)
        at, found = len(question), []
        for _ in range(struct.unpack(">H", answer[6:8])[0]):
            size = struct.unpack(">H", answer[at + 10 : at + 12])[0]
            found.append(str(ipaddress.ip_address(answer[at + 12 : at + 12 + size])))
            at += 12 + size
        return found


def _name_at(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode().lower())
        at += message[at] + 1
    return ".".join(labels), at + 1


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
