"""A MariaDB of its own: made anew in a folder of its own, on a port of this machine, as a user without privileges."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
SCRIPTS = (Path("/usr/share/mysql"), Path("/usr/share/mariadb"))
START_SECONDS = 60.0

_SMALL = (
    *("--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0"),
    *(
        "--innodb-flush-method=nosync",
        "--key-buffer-size=1M",
        "--aria-log-file-size=8M",
        "--aria-pagecache-buffer-size=8M",
    ),
    *("--skip-log-bin", "--skip-name-resolve"),
)


def missing() -> str:
    """What is not there that a server and its clients need; empty when all is."""
    if _program() is None:
        return "no mariadbd is installed (Debian: apt-get install mariadb-server-core)"
    if _scripts() is None:
        return "the scripts that make MariaDB's own tables are not there"
    if importlib.util.find_spec("pymysql") is None:
        return "PyMySQL is not installed (pip install 'upheld[mysql]')"
    return ""


@contextlib.contextmanager
def running(
    port: int,
    password: str,
    *,
    statements: Sequence[str] = (),
    certificate: Path | None = None,
    authority: Path | None = None,
    options: Sequence[str] = (),
) -> Iterator[None]:
    """A server that takes connections of 127.0.0.1 at that port, where its account root has that password; it ends with the block.

    `statements` are run by that account at first. `certificate` is a PEM file with the key, and
    `authority` one with who signs for its clients.
    """
    program, scripts = _program(), _scripts()
    if program is None or scripts is None:
        raise RuntimeError(missing())
    # Not below the folder of whoever starts it: the server runs as somebody who may not go there.
    with tempfile.TemporaryDirectory(prefix="mariadb-") as made:
        folder, data = Path(made), Path(made) / "data"
        data.mkdir()
        account: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        # What makes the tables runs before there are accounts; the server itself makes the only one, that has a password.
        first = folder / "first.sql"
        first.write_text(
            f"CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
            "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
            "DELETE FROM mysql.global_priv WHERE Host <> '127.0.0.1' AND User IN ('root', '', 'PUBLIC');\n"
            "FLUSH PRIVILEGES;\n",
            encoding="utf-8",
        )
        transport: list[str] = []
        if certificate is not None:
            shutil.copy(certificate, folder / "server.pem")
            transport = [f"--ssl-cert={folder / 'server.pem'}", f"--ssl-key={folder / 'server.pem'}"]
        if authority is not None:
            shutil.copy(authority, folder / "ca.pem")
            transport.append(f"--ssl-ca={folder / 'ca.pem'}")
        for one in (folder, *folder.iterdir()):
            if account:
                os.chown(one, account["user"], account["group"])
        common = [program, "--no-defaults", f"--datadir={data}", f"--tmpdir={folder}", *_SMALL]
        script = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"
        script += "\n".join((scripts / name).read_text(encoding="utf-8") for name in TABLES)
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
            network = [f"--init-file={first}", f"--port={port}", "--bind-address=127.0.0.1"]
            network += [f"--socket={folder / 's'}", f"--pid-file={folder / 'p'}", *transport, *options]
            process = subprocess.Popen([*common, *network], stdout=log, stderr=log, cwd=data, **account)
        try:
            encrypted = certificate is not None
            _wait(lambda: connect(port, password, encrypted=encrypted).close(), process, folder / "log")
            with (
                contextlib.closing(connect(port, password, encrypted=encrypted)) as connection,
                connection.cursor() as cursor,
            ):
                for statement in statements:
                    cursor.execute(statement)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def connect(port: int, password: str, database: str | None = None, *, encrypted: bool = False) -> Any:
    """A connection of the account root."""
    return importlib.import_module("pymysql").connect(
        host="127.0.0.1",
        port=port,
        user="root",
        password=password,
        database=database,
        autocommit=True,
        charset="utf8mb4",
        # Whose certificate it is does not matter on this machine.
        ssl={"check_hostname": False} if encrypted else None,
    )


def fresh_password() -> str:
    """A password of letters and digits only, for it stands in statements and URLs."""
    return secrets.token_hex(12)


def _program() -> str | None:
    return shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _scripts() -> Path | None:
    return next((folder for folder in SCRIPTS if all((folder / name).exists() for name in TABLES)), None)


def _wait(ask: Callable[[], None], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            ask()
        except importlib.import_module("pymysql").err.OperationalError:
            ended = process.poll() is not None
            if ended or time.monotonic() > until:
                said = log.read_text("utf-8", "replace")[-4000:]
                raise RuntimeError(f"mariadbd {'ended' if ended else 'does not answer'}:\n{said}") from None
            time.sleep(0.1)
        else:
            return
