"""Where a database's URL leads, and the arguments by which its driver connects there and nowhere else.

A driver looks names up by itself, and PostgreSQL's library takes a place from a dozen of environment variables and files
besides. So names are resolved once by the scope, and what the driver gets are addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

Reach = Callable[[str, int], tuple[str, ...]]
"""Gives the vetted IP addresses of a host and port, or raises Unobservable."""

_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
_IN_PYTHON = frozenset({"pymysql"})
"""Drivers that connect through Python's sockets, which the fence holds to vetted addresses."""
_ELSEWHERE = frozenset({"service", "servicefile", "odbc_connect", "read_default_file", "dsn"})
"""Parameters of URLs that take the place from somewhere else."""


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """One place that a URL names: a host and port, or the folder of a socket. `address` is what the URL pins itself."""

    host: str
    port: int
    address: str = ""

    @property
    def local(self) -> bool:
        """Whether it is a socket of this machine, and no network is used."""
        return not self.address and (not self.host or self.host[0] in "/@")


def places(url: URL) -> tuple[DatabasePlace, ...]:
    """Every place that the URL lets its driver try; raises Unobservable for one that leaves that to something else."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        return ()
    for name in _ELSEWHERE & set(url.query):
        raise Unobservable(f"the database's URL takes its place from {name}; let it name the host itself")
    if url.query.get("unix_socket"):
        return ()
    given, ports = _listed(url, "host"), _listed(url, "port")
    if not given:
        given = (url.host or "").split(",")
    pinned = _listed(url, "hostaddr")
    if pinned and len(given) == 1 and len(pinned) > 1:
        given = given * len(pinned)
    if pinned and len(pinned) != len(given):
        raise Unobservable("the database's URL names another number of hosts than of addresses")
    default = url.port or _PORTS.get(backend, 0)
    found = []
    for index, one in enumerate(given):
        host, port = _host_and_port(one)
        named = ports[index] if len(ports) == len(given) else ports[0] if ports else ""
        if named and not named.isdigit():
            raise Unobservable("the database's URL names a port that is none")
        if not host and backend != "postgresql":
            host = "localhost"
        found.append(DatabasePlace(host, port or int(named or default), pinned[index] if pinned else ""))
    return tuple(found)


def pinned(url: URL, reach: Reach) -> tuple[URL, dict[str, Any]]:
    """The URL and further arguments of the driver, with names resolved by `reach`."""
    found = places(url)
    if url.get_backend_name() == "postgresql":
        return _postgresql(url, found, reach)
    for one in found:
        addresses = (one.address,) if one.address else reach(one.host, one.port)
        if url.get_driver_name() not in _IN_PYTHON:
            return url.set(host=addresses[0], port=one.port), {}
    return url, {}


def in_python(url: URL) -> bool:
    """Whether the driver connects through Python's sockets."""
    return url.get_driver_name() in _IN_PYTHON


def _postgresql(url: URL, found: tuple[DatabasePlace, ...], reach: Reach) -> tuple[URL, dict[str, Any]]:
    hosts, addresses, ports = [], [], []
    for one in found:
        # An address that the URL itself gives is vetted too, so that it counts as declared.
        each = ("",) if one.local else reach(one.address or one.host, one.port)
        for address in each:
            hosts.append(one.host)
            addresses.append(address)
            ports.append(str(one.port))
    query = {name: value for name, value in url.query.items() if name not in {"host", "port", "hostaddr"}}
    bare = type(url).create(url.drivername, url.username, url.password, database=url.database, query=query)
    # All three are always given, empty where nothing is meant: what is missing would be taken from the environment.
    arguments: dict[str, Any] = {"host": ",".join(hosts), "hostaddr": ",".join(addresses), "port": ",".join(ports)}
    if "gssencmode" not in url.query:
        # Its default asks the key distribution centre of whoever runs the audit.
        arguments["gssencmode"] = "disable"
    return bare, arguments


def _listed(url: URL, name: str) -> list[str]:
    value = url.query.get(name, ())
    return [each for one in ((value,) if isinstance(value, str) else value) for each in one.split(",")]


def _host_and_port(text: str) -> tuple[str, int]:
    if text.startswith(("/", "@")):
        return text, 0
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, _number(rest.removeprefix(":"))
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, _number(port)
    return text, 0


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def hosts(url: URL) -> Iterator[str]:
    """The hosts and addresses that a URL names, for whoever allows only some."""
    for one in places(url):
        if not one.local:
            yield one.address or one.host
            if one.address and one.host:
                yield one.host
