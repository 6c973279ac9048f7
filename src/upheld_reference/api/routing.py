"""Routes that are found quickly among dozens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Match

from upheld_reference.platform import Scope

_SPLIT = "rivet.path"
"""The key of an ASGI scope under which its path is, with its segments."""


class PathRoute(APIRoute):
    """A route that looks closer only at paths of as many segments as its own, with its last fixed one in its place."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """As FastAPI's; a parameter of ``path`` is one segment."""
        super().__init__(path, endpoint, **options)
        segments = path.split("/")
        self._segments = len(segments)
        self._place = max(place for place, segment in enumerate(segments) if "{" not in segment)
        self._word = segments[self._place]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it serves what ``scope`` asks for."""
        split = scope.get(_SPLIT)
        if split is None or split[0] != scope["path"]:
            split = scope[_SPLIT] = (scope["path"], scope["path"].split("/"))
        segments = split[1]
        if len(segments) != self._segments or segments[self._place] != self._word:
            return Match.NONE, {}
        return super().matches(scope)
