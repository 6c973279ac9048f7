"""nginx with good and bad configurations: each verdict is the one that its configuration deserves."""

from __future__ import annotations

from collections.abc import Callable


def test_nginx(as_expected: Callable[[str], None]) -> None:
    as_expected("nginx")
