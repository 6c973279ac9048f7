"""Checks: the decorator, what their signatures say, and loading folders of them by path.

A check is a generator function. Its positional arguments are probes, its keyword-only arguments are what the policy sets,
its docstring's first line is a sentence that is true or false, and what it yields are findings. Its id is the name of its
family (the module, or the folder directly under `checks/`) and of the function: `tls.refuses_old_versions`.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from upheld.errors import InputError, Mistake
from upheld.model import Basis, Finding, LeftOut, NotObserved
from upheld.probes.base import Probe, plain

CheckFunction = Callable[..., Iterator[Finding | NotObserved | LeftOut]]
F = TypeVar("F", bound=CheckFunction)
_MARK = "__upheld_check__"


@dataclass(frozen=True)
class Marks:
    """What the decorator was told."""

    basis: Basis
    exclusive: bool
    intrusive: bool
    undisturbed: bool = False


def check(
    *, basis: Basis, exclusive: bool = False, intrusive: bool = False, undisturbed: bool = False
) -> Callable[[F], F]:
    """Declare a generator function to be a check.

    `basis` is how it knows. `exclusive`: it disturbs others, so that none of those that look at the running system runs beside it. `intrusive`: it writes to the
    target or floods it, so that it does not run in production unless the target allows it by name. `undisturbed`: what others change would show in what it sees, so
    that no intrusive one runs beside it.
    """

    def mark(function: F) -> F:
        setattr(function, _MARK, Marks(basis, exclusive, intrusive, undisturbed))
        return function

    return mark


@dataclass(frozen=True)
class Check:
    """A check that was found: its function, and all that its signature and docstring say."""

    id: str
    function: CheckFunction
    marks: Marks
    probes: Mapping[str, type[Probe]]
    file: str
    line: int
    code_digest: str

    @property
    def title(self) -> str:
        """The sentence that is true or false: the docstring's first line."""
        return inspect.cleandoc(self.function.__doc__ or "").partition("\n")[0]

    @property
    def page(self) -> str:
        """The whole docstring: what it decides, how, what refutes it, what it cannot see."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """The pydantic model of what a policy may set, made from the keyword-only arguments."""
        hints = get_type_hints(self.function, include_extras=True)
        fields: dict[str, Any] = {
            name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
            for name, parameter in inspect.signature(self.function).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
        name = "".join(part.title() for part in self.id.replace(".", "_").split("_"))
        config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
        return create_model(name, __config__=config, **fields)

    @cached_property
    def own_values(self) -> Mapping[str, Any]:
        """What the check sets its parameters to by itself, as plain data; compulsory ones are left out."""
        fields = self.parameters.model_fields.items()
        return {name: plain(field.default) for name, field in fields if not field.is_required()}

    @cached_property
    def defaults(self) -> tuple[dict[str, Any], str]:
        """The arguments and their JSON when the policy sets nothing; raises ValidationError where one is compulsory."""
        return self._arguments_of("{}")

    def arguments(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """The keyword arguments for `given`, checked strictly, and their canonical JSON; raises pydantic's ValidationError."""
        return self._arguments_of(json.dumps(given)) if given else self.defaults

    def _arguments_of(self, text: str) -> tuple[dict[str, Any], str]:
        model = self.parameters.model_validate_json(text, strict=True)
        values = {name: getattr(model, name) for name in type(model).model_fields}
        return values, json.dumps(plain(values), sort_keys=True)

    @property
    def detached(self) -> bool:
        """Whether all its probes are detached, so that it may run beside whatever disturbs the running system."""
        return not self.marks.exclusive and all(kind.detached for kind in self.probes.values())

    def run(self, probes: Iterable[Probe], arguments: Mapping[str, Any]) -> Iterator[Finding | NotObserved | LeftOut]:
        """What the check yields, looking through `probes` (in the order of its signature)."""
        return self.function(*probes, **arguments)


class Catalogue:
    """All checks that a policy may name, by id."""

    def __init__(self, checks: Iterable[Check] = ()) -> None:
        self._checks: dict[str, Check] = {}
        for one in checks:
            self.add(one)

    def add(self, one: Check) -> None:
        """Add a check; raises InputError when another has its id."""
        other = self._checks.get(one.id)
        if other is not None and (other.file, other.line) != (one.file, one.line):
            message = f"two checks are called {one.id!r}: the other is at {other.file}:{other.line}"
            raise InputError([Mistake(one.file, one.line, 1, message, expected="a name of its own")])
        self._checks[one.id] = one

    def __contains__(self, name: object) -> bool:
        return name in self._checks

    def __getitem__(self, name: str) -> Check:
        return self._checks[name]

    def __iter__(self) -> Iterator[Check]:
        return iter(sorted(self._checks.values(), key=lambda one: one.id))

    def __len__(self) -> int:
        return len(self._checks)

    def nearest(self, name: str) -> str:
        """The id that is most like `name`, or an empty string when none is."""
        close = difflib.get_close_matches(name, self._checks, n=1, cutoff=0.5)
        return close[0] if close else ""

    @classmethod
    def load(cls, *folders: Path) -> Catalogue:
        """All checks of these folders; a folder named twice counts once. Raises InputError with every mistake found."""
        catalogue = cls()
        mistakes: list[Mistake] = []
        for folder in dict.fromkeys(folder.resolve() for folder in folders):
            for file in sorted(folder.rglob("*.py")):
                parts = file.relative_to(folder).parts
                if any(part.startswith((".", "_")) for part in parts):
                    continue
                family = parts[0].removesuffix(".py")
                try:
                    for one in _checks_in(_module(folder, file), family, file, _digest(folder / parts[0])):
                        catalogue.add(one)
                except InputError as error:
                    mistakes.extend(error.mistakes)
        if mistakes:
            raise InputError(mistakes)
        return catalogue


class Names(Collection[str]):
    """The ids of a catalogue's checks, of which none is loaded for being asked after another one."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __contains__(self, name: object) -> bool:
        return name in self._catalogue

    def __iter__(self) -> Iterator[str]:
        return (one.id for one in self._catalogue)

    def __len__(self) -> int:
        return len(self._catalogue)


class LazyCatalogue(Catalogue):
    """The checks of folders, of which only the families are imported that somebody asks for; asking for all imports all."""

    def __init__(self, *folders: Path) -> None:
        super().__init__()
        self._folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        self._loaded: set[str] = set()
        self._all = False

    def __contains__(self, name: object) -> bool:
        self._need(name)
        return super().__contains__(name)

    def __getitem__(self, name: str) -> Check:
        self._need(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[Check]:
        self._need_all()
        return super().__iter__()

    def __len__(self) -> int:
        self._need_all()
        return super().__len__()

    def nearest(self, name: str) -> str:
        """The id that is most like `name`, or an empty string when none is."""
        self._need_all()
        return super().nearest(name)

    def _need(self, name: object) -> None:
        family = name.partition(".")[0] if isinstance(name, str) else ""
        if self._all or family in self._loaded or not family.isidentifier():
            return
        self._loaded.add(family)
        for one in _all_in(self._folders, family):
            self.add(one)

    def _need_all(self) -> None:
        if not self._all:
            self._all = True
            for one in Catalogue.load(*self._folders):
                if not super().__contains__(one.id):
                    self.add(one)


def _all_in(folders: Iterable[Path], family: str) -> Iterator[Check]:
    """The checks of one family, which may be a module or a folder of modules; raises InputError with every mistake found."""
    mistakes: list[Mistake] = []
    for folder in folders:
        below = folder / family
        files = sorted(below.rglob("*.py")) if below.is_dir() else [folder / f"{family}.py"]
        for file in files:
            parts = file.relative_to(folder).parts
            if not file.is_file() or any(part.startswith((".", "_")) for part in parts):
                continue
            try:
                yield from _checks_in(_module(folder, file), family, file, _digest(folder / parts[0]))
            except InputError as error:
                mistakes.extend(error.mistakes)
    if mistakes:
        raise InputError(mistakes)


def _module(folder: Path, file: Path) -> ModuleType:
    """Import `file` under a package name derived from the folder's path, so that two projects' checks do not collide."""
    package = f"upheld_checks_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    parts = (package, *file.relative_to(folder).with_suffix("").parts)
    for depth in range(1, len(parts)):
        name = ".".join(parts[:depth])
        if name not in sys.modules:
            parent = ModuleType(name)
            parent.__path__ = [str(folder.joinpath(*parts[1:depth]))]
            sys.modules[name] = parent
    name = ".".join(parts)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError([Mistake(str(file), 0, 0, "cannot be imported", expected="a Python module")])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (
        Exception
    ) as error:  # Anything may go wrong in a stranger's module; it is reported as a mistake in that file.
        del sys.modules[name]
        line = error.lineno or 1 if isinstance(error, SyntaxError) else _line_in(error, file)
        message = f"cannot be imported: {type(error).__name__}: {error}"
        raise InputError([Mistake(str(file), line, 1, message, expected="a module of checks")]) from error
    return module


def _line_in(error: BaseException, file: Path) -> int:
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


@cache
def _digest(family: Path) -> str:
    """The SHA-256 of a family's code: of its module, or of all modules of its folder, which may use each other."""
    whole = hashlib.sha256()
    for file in sorted(family.rglob("*.py")) if family.is_dir() else [family]:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def _checks_in(module: ModuleType, family: str, file: Path, digest: str) -> Iterator[Check]:
    for name, function in vars(module).items():
        marks = getattr(function, _MARK, None)
        if isinstance(marks, Marks) and getattr(function, "__module__", None) == module.__name__:
            yield make_check(f"{family}.{name}", cast("CheckFunction", function), file=str(file), digest=digest)


def make_check(identity: str, function: CheckFunction, *, file: str = "", digest: str = "") -> Check:
    """The check that a decorated function is; raises InputError when its signature or docstring is not a check's."""
    line = function.__code__.co_firstlineno

    def wrong(message: str, expected: str) -> InputError:
        return InputError(
            [Mistake(file or function.__code__.co_filename, line, 1, f"check {identity}: {message}", expected=expected)]
        )

    if not inspect.isgeneratorfunction(function):
        raise wrong("is no generator function", "a function that yields findings")
    if not (function.__doc__ or "").strip():
        raise wrong("has no docstring", "a docstring whose first line is a sentence that is true or false")
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise wrong(
            f"an annotation cannot be resolved: {error}", "annotations that can be resolved at run time"
        ) from error
    probes: dict[str, type[Probe]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            if name not in hints:
                raise wrong(f"parameter {name!r} has no annotation", "a type for each parameter")
        elif parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
            kind = hints.get(name)
            if not (isinstance(kind, type) and issubclass(kind, Probe)):
                raise wrong(
                    f"argument {name!r} is no probe", "probes as positional arguments, parameters after a bare *"
                )
            probes[name] = kind
        else:
            raise wrong(f"takes *{name}", "probes as positional arguments, parameters after a bare *")
    marks = getattr(function, _MARK)
    return Check(identity, function, marks, probes, file, line, digest)
