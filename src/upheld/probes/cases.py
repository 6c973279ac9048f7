"""What the OpenAPI document and the target say together of one operation: how it can be called, and what keeps it from that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upheld.probes.api_requests import SAFE_METHODS, TENANT, body_template, kind_of, kinds_in, makers
from upheld.probes.openapi import Operation

if TYPE_CHECKING:
    from upheld.target.api import Api


@dataclass(frozen=True, slots=True)
class Reference:
    """One place of an operation in which an identifier stands, and the kind of object that it names (`tenant` for a tenant).

    An `optional` place is empty unless a call fills it on purpose.
    """

    where: str
    name: str
    kind: str
    optional: bool = False

    def __str__(self) -> str:
        """`path contact_id`, `body steps[].template_id`."""
        return f"{self.where} {self.name}"


@dataclass(frozen=True, slots=True)
class Case:
    """One operation as it can be called.

    `obstacle` says why it cannot be called validly, `unclear` which identifiers the target does not explain, `left_out` why
    no check may call it, `shared` why its answer is meant for every tenant. `creates`, `reads` and `deletes` name the kind
    of object, `object` the kind that the end of the path names, `existing` the kinds of which an object that is there already
    is used, `read_back` the operation that shows what it changed.
    """

    operation: Operation
    references: tuple[Reference, ...] = ()
    obstacle: str = ""
    unclear: tuple[str, ...] = ()
    left_out: str = ""
    shared: str = ""
    creates: str = ""
    reads: str = ""
    deletes: str = ""
    object: str = ""
    existing: tuple[str, ...] = ()
    read_back: str = ""

    @property
    def id(self) -> str:
        """The operation's id."""
        return self.operation.id

    @property
    def changes(self) -> bool:
        """Whether it is meant to change something, by its method."""
        return self.operation.method not in SAFE_METHODS

    def __str__(self) -> str:
        """`id (METHOD /path)`, as findings show it."""
        return str(self.operation)


def make_case(operation: Operation, api: Api) -> Case:
    """What the target says of `operation`."""
    references: list[Reference] = []
    unclear: list[str] = list(operation.unread)
    missing: list[str] = []
    chosen = {name for name, one in makers(api, operation.id) if one.chosen is not None}
    for parameter in operation.parameters:
        if parameter.where not in {"path", "query", "header"}:
            continue
        kind = kind_of(operation.id, parameter.name, api)
        if kind in chosen:
            continue  # It names nothing that is there: whoever makes an object gives it its identifier.
        if kind:
            references.append(
                Reference(parameter.where, parameter.name, kind, parameter.where != "path" and not parameter.required)
            )
        elif parameter.name in api.values:
            continue
        elif parameter.where == "path":
            missing.append(
                f"the target does not say what {parameter.name} in the path names (api.parameters or api.values)"
            )
        elif parameter.identifier:
            unclear.append(
                f"the target does not say what {parameter.where} {parameter.name} names (api.parameters or api.values)"
            )
    template = body_template(operation, api)
    in_template = {
        path: kind
        for path, kind in kinds_in(template, "")
        if (kind in api.objects and kind not in chosen) or kind == TENANT
    }
    for one in operation.body:
        kind = (
            kind_of(operation.id, one.path, api)
            or kind_of(operation.id, one.name, api)
            or in_template.get(one.path, "")
        )
        if kind in chosen:
            continue
        if kind:
            references.append(Reference("body", one.path, kind, one.path not in in_template))
        elif one.identifier and one.name not in api.values:
            unclear.append(f"the target does not say what body {one.path} names (api.parameters or api.values)")
    known = {one.name for one in references if one.where == "body"}
    references += [Reference("body", path, kind) for path, kind in in_template.items() if path not in known]
    if operation.has_body and template is None:
        missing.append(f"the target gives no recipe for its body (api.operations.{operation.id}.json)")
    existing = api.operations[operation.id].existing if operation.id in api.operations else {}
    strangers = sorted({one.kind for one in references} - set(api.objects) - set(existing) - {TENANT})
    missing += [f"the target does not say how to make a {kind} (api.objects)" for kind in strangers]
    in_path = [one.kind for one in references if one.where == "path" and one.kind != TENANT]
    kind = in_path[-1] if in_path else ""
    recipe = api.operations.get(operation.id)
    return Case(
        operation=operation,
        references=tuple(references),
        obstacle="; ".join(missing),
        unclear=tuple(unclear),
        left_out=api.excluded.get(operation.id, ""),
        shared=api.shared.get(operation.id, ""),
        creates=next((name for name, _ in makers(api, operation.id)), ""),
        reads=next((name for name, one in api.objects.items() if one.read == operation.id), ""),
        deletes=next((name for name, one in api.objects.items() if one.delete == operation.id), ""),
        object=kind,
        existing=tuple(existing),
        read_back=(recipe.read_back if recipe else None) or "",
    )


def paths_in_turn(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The cases such that those on one path are far apart: the methods of a path often share a rate limit."""
    turns: dict[str, int] = {}
    placed = []
    for index, case in enumerate(cases):
        turn = turns[case.operation.path] = turns.get(case.operation.path, -1) + 1
        placed.append((turn, index, case))
    return tuple(case for _, _, case in sorted(placed, key=lambda one: one[:2]))
