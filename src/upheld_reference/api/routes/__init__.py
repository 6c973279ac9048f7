"""The operations of the API, a module for each kind of object."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from upheld_reference.database.rows import Page as RowPage

Limit = Annotated[int, Query(ge=1, le=500, description="How many to return at most, newest first")]
"""The length of a listing."""
Offset = Annotated[int, Query(ge=0, le=100_000, description="How many of the newest to pass over")]
"""Where in a listing to begin."""
DEFAULT_LIMIT = 500
"""The length of a listing that nobody asked for."""
WORKSPACE = "/v1/workspaces/{workspace_id}"
"""The path of everything that belongs to one workspace."""


async def page(limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> RowPage:
    """The part of a listing that the query asks for."""
    return RowPage(limit, offset)


Page = Annotated[RowPage, Depends(page)]
"""The part of a listing that the query asks for."""
