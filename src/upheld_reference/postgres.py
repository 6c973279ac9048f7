"""One real PostgreSQL server of the deployment's own, on a Unix socket that others reach by the sidecar only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from upheld_reference import postgres_binaries
from upheld_reference.postgres_binaries import Account, PostgresError

DATABASE = "rivet"
SUPERUSER = "postgres"

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",  # the sidecar of this process, which brings others in by their certificates
    "max_connections": "60",
    "shared_buffers": "16MB",
    "fsync": "off",  # the data lives as long as the process
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "jit": "off",
    "timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # Segments are kept until they are archived; how, the part that owns the archive says later.
    "archive_mode": "on",
    "log_statement": "all",
    "log_connections": "on",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # Which statement ran is logged; what customers and credentials were in its parameters is not.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def url(role: str, password: str, socket_folder: Path, database: str = DATABASE) -> str:
    """A PostgreSQL URL over the Unix socket in ``socket_folder``, as libpq reads it."""
    return (
        f"postgresql://{quote(role)}:{quote(password, safe='')}@/{database}?host={quote(str(socket_folder), safe='')}"
    )


class Postgres:
    """A server that is made and started by ``start``, and whose every process ends with this one.

    Under root it runs as the account ``nobody``, because PostgreSQL refuses to run as root.
    """

    def __init__(self, folder: Path, log_file: Path) -> None:
        """Plans a server in ``folder``/postgres, or in a temporary folder if its account cannot work there."""
        self._account = postgres_binaries.account()
        self.home = postgres_binaries.home(folder, self._account)
        """The folder with the data and the socket."""
        self.log_file = log_file
        self._password = secrets.token_urlsafe(24)
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="postgres", daemon=True)
        self._settled = threading.Event()
        self._failure: BaseException | None = None
        self._stopping = False
        self.ended: Callable[[int], None] = lambda _code: None
        """Called, in another thread, with the exit code when PostgreSQL ends without having been stopped."""

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def superuser_url(self) -> str:
        """The URL of the superuser; its statements are not logged, for roles get their passwords by them."""
        return url(SUPERUSER, self._password, self.home)

    @property
    def facts(self) -> dict[str, Any]:
        """What deployment.json tells of it."""
        return {
            "pid": self._child.pid if self._child else None,
            "home": str(self.home),
            "data": str(self.data),
            "socket_folder": str(self.home),
            "database": DATABASE,
            "account": self._account.name if self._account else None,
            "log_file": str(self.log_file),
        }

    def start(self) -> None:
        """Begins to make and start the server; ``wait`` tells when it accepts connections."""
        # Linux ends PostgreSQL when the thread that started it ends, so that thread stays for as long as it runs.
        self._thread.start()

    def wait(self) -> None:
        """Returns once the server accepts connections; raises PostgresError when it does not come up."""
        if not self._settled.wait(_START_SECONDS):
            raise PostgresError(f"PostgreSQL did not come up within {_START_SECONDS:.0f} s; see {self.log_file}")
        if self._failure is not None:
            raise PostgresError(f"PostgreSQL did not start: {self._failure}") from self._failure

    def stop(self) -> None:
        """Stops the server, harder and harder, and removes its folder; does nothing to one that never started."""
        with self._lock:
            self._stopping = True
        if self._child is not None:
            for harder in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    self._child.send_signal(harder)
                try:
                    self._child.wait(_STOP_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
        shutil.rmtree(self.home, ignore_errors=True)

    def _keep(self) -> None:
        try:
            with self.log_file.open("ab") as log:
                self._create(log)
                server = self._run("postgres", ["-D", str(self.data)], log)
            self._await_ready(server)
            self._name_database()
        except BaseException as error:  # whatever it was, the waiting thread raises it
            self._failure = error
            return
        finally:
            self._settled.set()
        code = server.wait()
        if not self._stopping:
            self.ended(code)

    def _create(self, log: IO[bytes]) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        password_file = self.home / "password"
        password_file.write_text(self._password, encoding="ascii")
        if self._account:
            os.chown(self.home, self._account.uid, self._account.gid)
            os.chown(password_file, self._account.uid, self._account.gid)
        arguments = [
            *("--pgdata", str(self.data), "--username", SUPERUSER, "--pwfile", str(password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--wal-segsize", "1"),
            *("--no-sync", "--no-instructions"),
        ]
        initdb = self._run("initdb", arguments, log)
        if initdb.wait() != 0:
            raise PostgresError(f"initdb ended with {initdb.returncode}; see {self.log_file}")
        password_file.unlink()
        lines = [f"{name} = '{value}'\n" for name, value in _SETTINGS.items()]
        lines.append(f"unix_socket_directories = '{self.home}'\n")
        with (self.data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def _run(self, program: str, arguments: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        path = postgres_binaries.folder(self._account) / program
        with self._lock:
            if self._stopping:
                raise PostgresError("it is being stopped")
            # Its own session: a Ctrl-C in the terminal reaches this process, which then stops PostgreSQL in order.
            self._child = subprocess.Popen(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one prctl, no locks
                **_as_account(self._account),
            )
            return self._child

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        status = self.data / "postmaster.pid"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise PostgresError(f"postgres ended with {process.returncode}; see {self.log_file}")
            with contextlib.suppress(FileNotFoundError):
                lines = status.read_text(encoding="ascii").splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready":  # the eighth line, as pg_ctl reads it
                    return
            time.sleep(0.005)
        raise PostgresError(f"postgres is not ready after {_START_SECONDS:.0f} s; see {self.log_file}")

    def _name_database(self) -> None:
        # Imported late: it takes long, and PostgreSQL must not wait for it to begin.
        import psycopg  # noqa: PLC0415
        from psycopg import sql  # noqa: PLC0415

        address = url(SUPERUSER, self._password, self.home, "template1")
        with psycopg.connect(address, autocommit=True) as connection:
            superuser, database = sql.Identifier(SUPERUSER), sql.Identifier(DATABASE)
            connection.execute(sql.SQL("ALTER ROLE {} SET log_statement = 'none'").format(superuser))
            # initdb made this one already, empty; making another takes half as long as initdb itself.
            connection.execute(sql.SQL("ALTER DATABASE postgres RENAME TO {}").format(database))


def _as_account(account: Account | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


if sys.platform == "linux":
    _PR_SET_PDEATHSIG = 1
    _libc = ctypes.CDLL(None, use_errno=True)

    def _end_with_parent() -> None:
        """In the child, between fork and exec: has the kernel stop it at once when this process dies."""
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0)
else:

    def _end_with_parent() -> None:
        """No such thing here."""
