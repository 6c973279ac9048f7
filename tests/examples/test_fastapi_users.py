"""fastapi-users: roles and tokens hold, but logging out ends nothing."""

from __future__ import annotations

from collections.abc import Callable


def test_fastapi_users(as_expected: Callable[[str], None]) -> None:
    as_expected("fastapi_users")
