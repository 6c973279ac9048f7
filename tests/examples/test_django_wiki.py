"""django-wiki: sessions and forms hold, what revisions changed is shown to everybody, and a deleted account leaves its articles."""

from __future__ import annotations

from collections.abc import Callable


def test_django_wiki(as_expected: Callable[[str], None]) -> None:
    as_expected("django_wiki")
