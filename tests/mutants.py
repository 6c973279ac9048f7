"""Mutants of checks: what a check compares is inverted or dropped, and the recorded observations must notice.

A mutant changes one place of a check, or of a helper that it reaches inside its family, and is judged by replaying: over the
record of the untouched reference and over those of its sabotages. A check of which the whole judgement can be deleted without a
verdict changing is not proven.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import dataclasses
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType

from upheld.catalogue import Check, make_check
from upheld.model import CheckResult, Verdict
from upheld.replaying import replay

SECONDS = 5.0
"""How long a mutant may judge one record; a mutated loop may never end."""

_INVERSE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.Lt: ast.GtE,
    ast.Gt: ast.LtE,
    ast.In: ast.NotIn,
    ast.Is: ast.IsNot,
}
_INVERSE |= {inverse: one for one, inverse in _INVERSE.items()}

Function = ast.FunctionDef | ast.ClassDef
Edit = Callable[[ast.AST], ast.AST]


@dataclass(frozen=True)
class Place:
    """A node of a module that can be mutated: which one in `ast.walk`, and how it is changed."""

    file: Path
    index: int
    line: int
    change: str
    text: str
    """The expression, so that it can be named although lines move."""
    edit: Edit = dataclasses.field(compare=False)


class TookTooLongError(BaseException):
    """A mutant did not come to an end; no check can catch this by mistake."""


# --- finding places ------------------------------------------------------------------------------------------------


def comparisons(one: Check) -> list[Place]:
    """Every single place where the check, or what it reaches in its family, compares, combines, negates or concludes."""
    return [place for file, tree, within in _reached(one) for place in _places(file, tree, within)]


def conclusions(one: Check) -> list[Place]:
    """Where the check, or what it reaches in its family, says whether a finding passed."""
    return [place for place in comparisons(one) if place.change == "passed negated"]


def _reached(one: Check) -> list[tuple[Path, ast.Module, list[Function]]]:
    """The top-level functions and classes that the check reaches, by file: its own, and those of its family's modules."""
    start = Path(one.file)
    name = one.id.partition(".")[2]
    reached: dict[Path, dict[str, Function]] = {}
    waiting = [(start, name)]
    while waiting:
        file, wanted = waiting.pop()
        known = reached.setdefault(file, {})
        definition = _definitions(file).get(wanted)
        if definition is None:
            if imported := _imports(file).get(wanted):
                waiting.append(imported)
            continue
        if wanted in known:
            continue
        known[wanted] = definition
        names = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}
        waiting.extend((file, each) for each in names)
    return [(file, _tree(file), list(found.values())) for file, found in reached.items() if found]


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@cache
def _definitions(file: Path) -> dict[str, Function]:
    return {node.name: node for node in _tree(file).body if isinstance(node, Function)}


@cache
def _imports(file: Path) -> dict[str, tuple[Path, str]]:
    """What the module takes from its neighbours: the file and the name there."""
    found = {}
    for node in _tree(file).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            neighbour = file.parent / f"{node.module}.py"
            for alias in node.names:
                found[alias.asname or alias.name] = (neighbour, alias.name)
    return found


def _places(file: Path, tree: ast.Module, within: Sequence[Function]) -> Iterator[Place]:
    wanted = {id(node) for definition in within for node in ast.walk(definition)}
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in wanted:
            for change, edit in _edits(node):
                yield Place(file, index, getattr(node, "lineno", 0), change, ast.unparse(node), edit)


def _edits(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    if isinstance(node, ast.Compare):
        yield "comparison inverted", _invert
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not dropped", lambda one: one.operand  # type: ignore[attr-defined]
    elif isinstance(node, ast.BoolOp):
        yield ("or for and" if isinstance(node.op, ast.And) else "and for or"), _swap_operator
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in {"any", "all"}:
            yield ("all for any" if node.func.id == "any" else "any for all"), _swap_quantifier
        elif node.func.id == "Finding" and _passed(node) is not None:
            yield "passed negated", lambda one: _with_passed(one, negate)
            if not _is_true(_passed(node)):
                yield "passed dropped", lambda one: _with_passed(one, always)


def _invert(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Compare)
    if len(node.ops) > 1:
        return ast.UnaryOp(ast.Not(), node)
    node.ops = [_INVERSE[type(node.ops[0])]()]
    return node


def _swap_operator(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return node


def _swap_quantifier(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    node.func.id = "all" if node.func.id == "any" else "any"
    return node


def negate(passed: ast.expr) -> ast.expr:
    """The opposite judgement."""
    return ast.UnaryOp(ast.Not(), passed)


def always(passed: ast.expr) -> ast.expr:
    """No judgement: every finding passes."""
    return ast.Constant(True)


def _passed(node: ast.Call) -> ast.expr | None:
    """The argument of `Finding(subject, passed, …)` that judges."""
    if len(node.args) > 1:
        return node.args[1]
    return next((keyword.value for keyword in node.keywords if keyword.arg == "passed"), None)


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _with_passed(node: ast.AST, edit: Callable[[ast.expr], ast.expr]) -> ast.AST:
    assert isinstance(node, ast.Call)
    if len(node.args) > 1:
        node.args[1] = edit(node.args[1])
    for keyword in node.keywords:
        if keyword.arg == "passed":
            keyword.value = edit(keyword.value)
    return node


# --- making and judging mutants ------------------------------------------------------------------------------------


def without_judgement(one: Check, edit: Callable[[ast.expr], ast.expr]) -> Check:
    """The check with every finding's `passed` edited, in itself and in all that it reaches of its family."""
    places = [dataclasses.replace(place, edit=lambda node: _with_passed(node, edit)) for place in conclusions(one)]
    return mutant(one, places)


def mutant(one: Check, places: Sequence[Place]) -> Check:
    """The check with all these places changed."""
    by_file: dict[Path, list[Place]] = {}
    for place in places:
        by_file.setdefault(place.file, []).append(place)
    own = Path(one.file)
    package = one.function.__module__.removesuffix(f".{own.stem}")
    with contextlib.ExitStack() as stack:
        # Helpers first, so that the check's module takes the changed ones from its neighbours.
        for file in sorted((_needed(own, by_file)) - {own}, key=lambda file: len(_imports(file))):
            stack.enter_context(_standing_in(f"{package}.{file.stem}", _module(one, package, file, by_file)))
        module = _module(one, package, own, by_file)
    name = one.id.partition(".")[2]
    return make_check(one.id, vars(module)[name], file=one.file, digest=one.code_digest)


def _needed(own: Path, by_file: dict[Path, list[Place]]) -> set[Path]:
    """The changed files, and the neighbours between them and the check's own, which must be made anew too."""
    neighbours = {file for file, _ in _imports(own).values()}
    between = {file for file in neighbours if {each for each, _ in _imports(file).values()} & set(by_file)}
    return set(by_file) | between


def _module(one: Check, package: str, file: Path, by_file: dict[Path, list[Place]]) -> ModuleType:
    tree = copy.deepcopy(_tree(file))
    nodes = list(ast.walk(tree))
    replaced = {id(nodes[place.index]): place.edit for place in by_file.get(file, ())}
    tree = ast.fix_missing_locations(_Replacing(replaced).visit(tree))
    module = ModuleType(f"{package}.{file.stem}")
    module.__file__, module.__package__ = str(file), package
    with _standing_in(module.__name__, module):  # Dataclasses look their module up by name.
        exec(compile(tree, str(file), "exec"), vars(module))
    return module


@contextlib.contextmanager
def _standing_in(name: str, module: ModuleType) -> Iterator[None]:
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


class _Replacing(ast.NodeTransformer):
    """Changes the nodes with these identities, inner ones first."""

    def __init__(self, edits: dict[int, Edit]) -> None:
        self._edits = edits

    def visit(self, node: ast.AST) -> ast.AST:
        edit = self._edits.get(id(node))
        node = self.generic_visit(node)
        return edit(node) if edit else node


def verdict(one: Check, result: CheckResult) -> Verdict | None:
    """What the check comes to over the record of `result`; None when it comes to no end."""
    again = _again(one, result)
    return again.verdict if again else None


def notices(one: Check, records: Sequence[CheckResult]) -> bool:
    """Whether over any of these records the (mutated) check comes to another verdict than the recorded one."""
    return any(verdict(one, record) is not record.verdict for record in records)


class Change(Enum):
    """What a mutant changes over some records, the most that it does."""

    JUDGEMENT = "another verdict of the check, of a finding, or another population"
    WORDS = "the same verdicts in other words"
    NOTHING = "nothing"


def change(one: Check, records: Sequence[CheckResult]) -> Change:
    """What the (mutated) check changes over these records."""
    worst = Change.NOTHING
    for record in records:
        again = _again(one, record)
        if again is None or _judgements(again) != _judgements(record):
            return Change.JUDGEMENT
        if _words(again) != _words(record):
            worst = Change.WORDS
    return worst


def _judgements(result: CheckResult) -> object:
    left_out = [subject for subject, _ in result.population.left_out]
    return result.verdict, [(one.subject, one.verdict) for one in result.findings], left_out


def _words(result: CheckResult) -> object:
    findings = [(one.expected, one.observed, one.reason) for one in result.findings]
    return result.reason, findings, result.population.left_out


def _again(one: Check, record: CheckResult) -> CheckResult | None:
    try:
        with _limited(SECONDS):
            return replay(record, one)
    except TookTooLongError:
        return None


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("mutants are judged in the main thread, where they can be stopped")

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
