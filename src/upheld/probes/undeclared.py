"""Properties that an operation shows and does not declare, and other values that they could have."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from upheld.probes.api_requests import generated

if TYPE_CHECKING:
    from upheld.probes.openapi import Operation
    from upheld.probes.schemas import Schemas
    from upheld.target.model import Target


def undeclared(
    operation: Operation, shown: Mapping[str, Any], schemas: Schemas, target: Target
) -> Iterator[tuple[str, Any, Any]]:
    """Properties that the object has and the body does not declare, each with its value and another that it could have."""
    properties = schemas.leaf(schemas.body(operation)).get("properties") or {}
    declared = {name for name, one in properties.items() if not schemas.leaf(one).get("readOnly")}
    for name, value in shown.items():
        if name in declared:
            continue
        other: Any
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, int | float):
            other = value + 1_000 + secrets.randbelow(100_000)  # No counter gets there by itself.
        elif isinstance(value, str):
            roles = dict.fromkeys(one.role for one in target.identities)
            known = schemas.choices(name) or (roles if value in roles else ())
            choices = [one for one in known if one != value]
            other = choices[0] if choices else _like(value)
        else:
            continue
        yield name, value, other


def _like(value: str) -> str:
    """Another text of the same kind: an identifier, a moment, an address or a word."""
    if len(value) == 36 and value.count("-") == 4:
        return generated()["uuid"]
    if value[:4].isdigit() and value[4:5] == "-":
        return f"2001{value[4:]}"
    if "@" in value:
        return f"upheld-{secrets.token_hex(6)}@example.com"
    return f"upheld-{secrets.token_hex(6)}"
