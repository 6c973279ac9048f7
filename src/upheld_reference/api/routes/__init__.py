"""The operations of the API, a module for each kind of object."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

Limit = Annotated[int, Query(ge=1, le=500, description="How many to return at most, newest first")]
"""The length of a listing."""
DEFAULT_LIMIT = 500
"""The length of a listing that nobody asked for."""
WORKSPACE = "/v1/workspaces/{workspace_id}"
"""The path of everything that belongs to one workspace."""
