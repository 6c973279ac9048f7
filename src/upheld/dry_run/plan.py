"""What each planned check would send, by the looks that its code can come to."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.dry_run.places import Places, Sent
from upheld.execution import hindrance

if TYPE_CHECKING:
    from upheld.catalogue import Catalogue, Check
    from upheld.model import PlannedCheck
    from upheld.target.model import Target


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One planned check: why it would send nothing (empty where it would run), and what it would send at the most."""

    planned: PlannedCheck
    refused: str
    sent: tuple[Sent, ...]


def foresee(plan: Iterable[PlannedCheck], catalogue: Catalogue, target: Target, folder: Path) -> tuple[Foreseen, ...]:
    """What a run of this plan would send to the target; contacts nothing and resolves no secret."""
    places = Places(target, folder)
    return tuple(_check(one, catalogue[one.check], target, places) for one in plan)


def _check(planned: PlannedCheck, one: Check, target: Target, places: Places) -> Foreseen:
    if planned.not_applicable:
        return Foreseen(planned, f"not applicable, says the policy: {planned.not_applicable}", ())
    if refused := hindrance(planned, one, target):
        return Foreseen(planned, refused, ())
    arguments, _ = one.arguments(planned.parameters)
    names = looks_of(one)
    sent: dict[Sent, None] = {}
    for kind in one.probes.values():
        for name, classes in kind.sends.items():
            if name in names:
                sent.update(dict.fromkeys(each for sends in classes for each in places.fill(sends, arguments)))
    return Foreseen(planned, "", tuple(sent))


def looks_of(one: Check) -> frozenset[str]:
    """The names of all attributes in the code that a check can come to: the looks among them are all that it may make.

    That is the check's function, and whatever of its family it names, and what that names in turn. It may be too much, as where a
    helper is shared, and it is never too little.
    """
    parsed = _family(one.file)
    reached, waiting = set[str](), [one.function.__name__]
    attributes: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        for node in parsed.get(name, ()):
            for part in ast.walk(node):
                if isinstance(part, ast.Attribute):
                    attributes.add(part.attr)
                    waiting.append(part.attr)
                elif isinstance(part, ast.Name):
                    waiting.append(part.id)
    return frozenset(attributes)


@functools.cache
def _family(file: str) -> dict[str, tuple[ast.AST, ...]]:
    """Everything at the top of the modules of a check's family, by the names that it has there or elsewhere."""
    path = Path(file)
    files = sorted(path.parent.glob("*.py")) if path.parent.name != "checks" else [path]
    found: dict[str, tuple[ast.AST, ...]] = {}
    renamed: list[tuple[str, str]] = []
    for module in files:
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [part.id for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)]
            elif isinstance(node, ast.ImportFrom):
                renamed += [(one.asname, one.name) for one in node.names if one.asname]
            for name in names:
                found[name] = (*found.get(name, ()), node)
    for name, meant in renamed:
        found[name] = (*found.get(name, ()), *found.get(meant, ()))
    return found
