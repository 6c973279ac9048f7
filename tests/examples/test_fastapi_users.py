"""fastapi-users: roles and tokens hold, but logging out ends nothing. Its accounts can be put back as they were made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from processes import inside


def resets(place: Any) -> None:
    """Put the accounts back under the running server, after some were changed and some were lost."""

    def rows() -> list[Any]:
        with closing(sqlite3.connect(place.folder / "accounts.sqlite3")) as accounts:
            return accounts.execute('SELECT email, is_superuser FROM "user" ORDER BY email').fetchall()

    assert len(rows()) == 4, "what the audit registered without a login is gone again"
    with closing(sqlite3.connect(place.folder / "accounts.sqlite3")) as accounts, accounts:
        accounts.execute("UPDATE user SET is_superuser = 1 WHERE email LIKE 'ada%'")
        accounts.execute("DELETE FROM user WHERE email LIKE 'kim%'")
    assert ("ada@example.com", 1) in rows()
    done = inside(place.folder, "clean", "--target", "target.yaml", "--state", str(place.folder / "state"), "--reset")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "reset  python3 ended with 0, and GET /openapi.json answers 200; the state is: the four accounts" in done.stdout
    )
    assert rows() == [("ada@example.com", 0), ("eve@example.com", 1), ("kim@example.com", 0), ("root@example.com", 1)]


def test_fastapi_users(as_expected: Callable[..., None]) -> None:
    as_expected("fastapi_users", resets)
