"""json-server with json-server-auth: what breaks is found, and what holds is upheld."""

from __future__ import annotations

from collections.abc import Callable


def test_json_server(as_expected: Callable[[str], None]) -> None:
    as_expected("json_server")
