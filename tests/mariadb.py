"""A real MariaDB of the tests' own: in a folder of its own, on a free port of this machine, as a user without privileges."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
SCRIPTS = (Path("/usr/share/mysql"), Path("/usr/share/mariadb"))


class MariaDBServer:
    """A running server; each database is made fresh and belongs to one test."""

    def __init__(self, port: int, password: str) -> None:
        self.port, self.password = port, password

    def connect(self, database: str | None = None) -> Any:
        """A connection as root."""
        import pymysql

        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            password=self.password,
            database=database,
            autocommit=True,
            charset="utf8mb4",
        )

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


def missing() -> str:
    """What is not there that a server needs; empty when all is."""
    if _program() is None:
        return "no mariadbd is installed (Debian: mariadb-server-core)"
    if _scripts() is None:
        return "the scripts that make MariaDB's own tables are not there"
    try:
        import pymysql  # noqa: F401
    except ImportError:
        return "PyMySQL is not installed (upheld[mysql])"
    return ""


def _program() -> str | None:
    return shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _scripts() -> Path | None:
    return next((folder for folder in SCRIPTS if all((folder / name).exists() for name in TABLES)), None)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[MariaDBServer]:
    """A server whose data lie in the folder, which must be empty; it ends with the block."""
    program, scripts = _program(), _scripts()
    assert program
    assert scripts
    data = folder / "data"
    data.mkdir()
    common = [program, "--no-defaults", f"--datadir={data}", f"--tmpdir={folder}", "--innodb-buffer-pool-size=16M"]
    common += [
        "--innodb-log-file-size=8M",
        "--key-buffer-size=1M",
        "--innodb-flush-log-at-trx-commit=0",
        "--skip-log-bin",
        "--skip-name-resolve",
    ]
    common += ["--aria-log-file-size=8M", "--aria-pagecache-buffer-size=8M", "--innodb-flush-method=nosync"]
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for one in (folder, data):
            os.chown(one, nobody.pw_uid, nobody.pw_gid)
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    password = secrets.token_hex(12)
    script = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"
    script += "\n".join((scripts / name).read_text() for name in TABLES)
    # What makes the tables runs before there are accounts; the server itself makes the only one, that has a password.
    first = folder / "first.sql"
    first.write_text(
        f"CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
        "DELETE FROM mysql.global_priv WHERE Host <> '127.0.0.1' AND User IN ('root', '', 'PUBLIC');\n"
        "FLUSH PRIVILEGES;\n"
    )
    with (folder / "log").open("wb") as log:
        subprocess.run(
            [*common, "--bootstrap"],
            input=script.encode(),
            check=True,
            stdout=log,
            stderr=log,
            cwd=data,
            timeout=120,
            **account,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        network = [
            f"--init-file={first}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder / 's'}",
            f"--pid-file={folder / 'p'}",
        ]
        process = subprocess.Popen([*common, *network], stdout=log, stderr=log, cwd=data, **account)
    server = MariaDBServer(port, password)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: MariaDBServer, process: subprocess.Popen[bytes]) -> None:
    import pymysql

    until = time.monotonic() + 30
    while True:
        try:
            server.connect().close()
        except pymysql.err.OperationalError:
            assert process.poll() is None, "mariadbd ended at once"
            assert time.monotonic() < until, "mariadbd does not answer"
            time.sleep(0.1)
        else:
            return
