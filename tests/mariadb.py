"""A real MariaDB of the tests' own, in which each database is made fresh and belongs to one test."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator
from typing import Any

from examples import mariadb

missing = mariadb.missing


class MariaDBServer:
    """A running server; each database is made fresh and belongs to one test."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.password = port, password

    def connect(self, database: str | None = None) -> Any:
        """A connection as root."""
        return mariadb.connect(self.port, self.password, database)

    def database(self, *statements: str) -> str:
        """A new database in which root ran the statements; gives its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(None, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self.run(name, *statements)
        return name

    def run(self, database: str | None, *statements: str) -> None:
        """Run statements as root."""
        with contextlib.closing(self.connect(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def url(self, database: str, user: str = "root", password: str = "") -> str:
        """The URL of a database."""
        return f"mysql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def account(self, database: str, *grants: str) -> str:
        """A new account with grants, in which {account} stands for it; gives its URL."""
        name, password = f"u_{secrets.token_hex(6)}", secrets.token_hex(12)
        full = f"'{name}'@'127.0.0.1'"
        self.run(
            database,
            f"CREATE USER {full} IDENTIFIED BY '{password}'",
            *(grant.replace("{account}", full) for grant in grants),
        )
        return self.url(database, name, password)


@contextlib.contextmanager
def running(**more: Any) -> Iterator[MariaDBServer]:
    """A server that ends with the block; `more` is for `examples.mariadb.running`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = MariaDBServer(port, mariadb.fresh_password())
    with mariadb.running(port, server.password, **more):
        yield server
