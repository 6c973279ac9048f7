"""What tests in several folders share: a real PostgreSQL, and a session over a target that a test describes."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

from .mariadb import MariaDBServer
from .mariadb import missing as missing_mariadb
from .mariadb import running as running_mariadb

# The machine may be busy: how long an example takes decides nothing.
settings.register_profile("unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


class PostgresServer:
    """A running PostgreSQL server; each database is made fresh and belongs to one test."""

    def __init__(self, superuser_url: str) -> None:
        self.superuser_url = superuser_url

    def database(self, *scripts: str) -> str:
        """A new database on which the superuser ran `scripts`; gives the superuser's URL of it."""
        import psycopg

        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = make_url(self.superuser_url).set(database=name).render_as_string(hide_password=False)
        self.run(url, *scripts)
        return url

    def run(self, url: str, *scripts: str) -> None:
        """Run scripts as whoever `url` names."""
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            for script in scripts:
                connection.execute(script)

    def role(self, url: str, *grants: str) -> str:
        """A new role that may log in, with `grants` in which {role} is its name; gives its URL of the database."""
        name, password = f"role_{secrets.token_hex(6)}", secrets.token_hex(12)
        self.run(
            url, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", *(grant.replace("{role}", name) for grant in grants)
        )
        return make_url(url).set(username=name, password=password).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole test session."""
    from upheld_reference.postgres import Postgres

    with tempfile.TemporaryDirectory(prefix="upheld-tests-") as folder:
        server = Postgres(Path(folder), Path(folder) / "postgres.log")
        server.start()
        try:
            server.wait()
            yield PostgresServer(server.superuser_url)
        finally:
            server.stop()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    """A MariaDB server for the whole test session."""
    reason = missing_mariadb()
    if reason:
        pytest.skip(reason)
    with running_mariadb() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps what runs note for good out of the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPHELD_STATE", str(tmp_path_factory.mktemp("state")))
        patch.setenv("UPHELD_LEDGER", "none")  # The tests of the ledger name one.
        yield


@pytest.fixture
def session_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes a session over the target that the keyword arguments describe; `secrets` become environment variables."""
    from upheld.probes.base import Session
    from upheld.probes.scope import Scope
    from upheld.redaction import Redactor
    from upheld.target.model import Target

    sessions: list[Session] = []

    def make(*, secret_values: dict[str, str] | None = None, **parts: Any) -> Session:
        for name, value in (secret_values or {}).items():
            monkeypatch.setenv(name, value)
        target = Target.model_validate({"name": "test", "environment": "reference", **parts})
        sessions.append(Session(target, Redactor(), Scope(target), tmp_path / "scratch", target_folder=tmp_path))
        sessions[-1].strict = True
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()
