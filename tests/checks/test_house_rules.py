"""What every check keeps to: its imports, its docstring, its name, and that it looks only through probes."""

from __future__ import annotations

import ast

import pytest

from upheld.catalogue import Catalogue
from upheld.probes.base import Probe

from ..loopback import ROOT

CHECKS = ROOT / "checks"
MODULES = sorted(CHECKS.rglob("*.py"))
ALLOWED = {
    "upheld", "pydantic", "typing", "collections", "dataclasses", "enum", "re", "datetime", "math", "itertools", "functools", "difflib",
    "urllib", "html", "email", "__future__",
}  # fmt: skip
SECTIONS = ("Decides:", "How:", "Refuted by:", "Cannot see:", "References:")
CATALOGUE = Catalogue.load(CHECKS)


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(CHECKS)))
def test_a_check_looks_only_through_probes(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for name in imported(tree):
        assert name.split(".")[0] in ALLOWED, f"{name} is not for checks"
        assert not name.startswith("upheld.") or name.startswith("upheld.probes."), f"{name} is not public"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"open", "eval", "exec", "__import__"}, called
            assert not called.endswith((".now", ".today", ".utcnow", ".sleep")) or "clock" in called, (
                f"{called}: time comes from the clock probe"
            )


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(CHECKS)))
def test_a_check_takes_only_looks_from_a_probe(file):
    kinds = {kind.__name__: kind for kind in Probe.kinds.values()}
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        probes = {
            one.arg: kinds[one.annotation.id]
            for one in arguments
            if isinstance(one.annotation, ast.Name) and one.annotation.id in kinds
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in probes:
                taken = getattr(probes[node.value.id], node.attr, None)
                if taken is Probe.side_by_side:  # It looks at nothing itself, and a replay has it too.
                    continue
                assert hasattr(taken, "__look__"), (
                    f"{function.name}: {ast.unparse(node)} is no look, so a replay cannot have it"
                )


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: one.id)
def test_a_docstring_is_a_page_of_the_catalogue(one):
    assert one.title.endswith("."), "the first line is a sentence"
    assert not one.title.lower().startswith(("check", "test", "verify")), (
        "a sentence that is true or false, not a command"
    )
    for section in SECTIONS:
        assert section in one.page, section


def test_nothing_in_checks_knows_the_reference():
    for file in MODULES:
        text = file.read_text(encoding="utf-8").lower()
        for word in ("rivet", "acme", "globex", "workspace_id"):
            assert word not in text, (file, word)


def test_files_stay_small():
    long = {
        str(file.relative_to(CHECKS)): count for file in MODULES if (count := len(file.read_text().splitlines())) > 320
    }
    assert not long
