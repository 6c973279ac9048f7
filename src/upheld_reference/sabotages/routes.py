"""Putting another function behind one operation of the API, for defects in what an operation takes."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from fastapi.routing import APIRoute

from upheld_reference.platform import Platform


def answer_by(
    platform: Platform, module: ModuleType, operation: str, function: Callable[..., Any], *, narrowed: bool = True
) -> None:
    """Has ``function`` answer ``operation`` of a module of routes, with all else as it was; raises LookupError without it.

    Its answer is ``narrowed`` to what the operation shows, or goes out as it is.
    """
    routes = list(module.router.routes)
    for index, route in enumerate(routes):
        if isinstance(route, APIRoute) and route.operation_id == operation:
            routes[index] = APIRoute(
                route.path,
                function,
                methods=route.methods,
                operation_id=operation,
                response_model=route.response_model if narrowed else None,
                status_code=route.status_code,
                responses=route.responses,
                description=route.description,
            )
            platform.replace(module.router, "routes", routes)
            return
    raise LookupError(f"{module.__name__} has no operation {operation}")
