"""Radicale: accounts and rights hold; what it does not have is refuted."""

from __future__ import annotations

from collections.abc import Callable


def test_radicale(as_expected: Callable[[str], None]) -> None:
    as_expected("radicale")
