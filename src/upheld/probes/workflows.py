"""Definitions of pipelines as frozen values: what starts them, their jobs, and the commands of those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from upheld.errors import Unobservable
from upheld.probes import foreign_yaml

LARGEST = 1024 * 1024
"""Characters of one definition."""
_DEEPEST = 10
_MOST_CALLS = 100


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a workflow; `branches` limits it to some (empty: all), `limited` says what else does."""

    event: str
    branches: tuple[str, ...] = ()
    limited: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a job: a command or an action with its settings; `tolerant` when its failure does not count."""

    command: str = ""
    action: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    folder: str = ""
    shell: str = ""
    condition: str = ""
    tolerant: bool = False


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """A job: its name as builds show it; `tolerant` when its failure does not count, `condition` when it does not always run.

    `detached` says why its failure does not fail what was started first, where it runs in a pipeline that another one started.
    """

    id: str
    name: str
    steps: tuple[Step, ...]
    condition: str = ""
    tolerant: bool = False
    detached: str = ""


@dataclass(frozen=True, slots=True)
class Workflow:
    """One definition; `unread` says what runs by it and could not be read."""

    path: str
    triggers: tuple[Trigger, ...]
    jobs: tuple[PipelineJob, ...]
    unread: tuple[str, ...] = ()


def load_yaml(path: str, text: str) -> Any:
    """YAML, loaded safely; raises Unobservable for what is none."""
    if len(text) > LARGEST:
        raise Unobservable(f"{path} is too long")
    return foreign_yaml.load(text, path)


def github_workflow(path: str, text: str, file: Callable[[str], str]) -> Workflow:
    """A workflow of GitHub Actions, with the jobs of those that it calls; `file` gives the text of another file.

    What is not understood is Unobservable, but for workflows that it calls: it says which of them are not read.
    """
    found = _workflow(path, text)
    # YAML 1.1 takes the word `on` for true.
    on = found.get(True, found.get("on"))
    reader = _Caller(file)
    return Workflow(path, tuple(_triggers(on, path)), tuple(reader.jobs(path, found)), tuple(reader.unread))


def _workflow(path: str, text: str) -> dict[Any, Any]:
    found = load_yaml(path, text)
    if not isinstance(found, dict) or not isinstance(found.get("jobs"), dict):
        raise Unobservable(f"{path} has no jobs")
    return found


class _Caller:
    """Reads the jobs of a workflow and of those that its jobs call (`jobs.*.uses`); `unread` says of which it could not, and why."""

    def __init__(self, file: Callable[[str], str]) -> None:
        self.file = file
        self.unread: list[str] = []
        self._calls = 0

    def jobs(self, path: str, found: Mapping[Any, Any], deep: int = 0) -> Iterator[PipelineJob]:
        """The jobs; one that is called has the name of its caller before its own, as builds show it."""
        defaults = _shell(found)
        for key, job in found["jobs"].items():
            one = _github_job(str(key), job, path, defaults)
            if not job.get("uses"):
                yield one
                continue
            try:
                called = list(self._called(str(job["uses"]), deep + 1))
            except Unobservable as unobservable:
                self.unread.append(f"the job {one.name} calls a workflow that is not read: {unobservable.reason}")
                continue
            for each in called:
                conditions = ", ".join(condition for condition in (one.condition, each.condition) if condition)
                tolerant = one.tolerant or each.tolerant
                yield replace(each, name=f"{one.name} / {each.name}", condition=conditions, tolerant=tolerant)

    def _called(self, uses: str, deep: int) -> Iterator[PipelineJob]:
        self._calls += 1
        if not uses.startswith("./"):
            raise Unobservable(f"it is {uses}, and no file of the repository")
        if deep >= _DEEPEST or self._calls > _MOST_CALLS:
            raise Unobservable("there are too many below one another")
        path = uses.removeprefix("./")
        yield from self.jobs(path, _workflow(path, self.file(path)), deep)


def _triggers(on: Any, path: str) -> Iterable[Trigger]:
    if isinstance(on, str):
        on = [on]
    if isinstance(on, list):
        on = dict.fromkeys(map(str, on))
    if not isinstance(on, dict) or not on:
        raise Unobservable(f"{path} does not say what starts it")
    for event, given in on.items():
        limits = given if isinstance(given, dict) else {}
        branches = limits.get("branches") or ()
        others = ("paths", "paths-ignore", "branches-ignore", "tags", "tags-ignore", "types")
        # Tags beside branches limit nothing of the branches.
        named = [one for one in others if limits.get(one) and not (one.startswith("tags") and branches)]
        yield Trigger(
            str(event), tuple(map(str, [branches] if isinstance(branches, str) else branches)), ", ".join(named)
        )


def _github_job(key: str, job: Any, path: str, shell: tuple[str, str]) -> PipelineJob:
    if not isinstance(job, dict):
        raise Unobservable(f"{path}: the job {key} cannot be read")
    own = tuple(mine or outer for mine, outer in zip(_shell(job), shell, strict=True))
    steps: list[Step] = []
    for step in job.get("steps") or ():
        if not isinstance(step, dict):
            raise Unobservable(f"{path}: a step of the job {key} cannot be read")
        given = step.get("with")
        settings = given if isinstance(given, dict) else {}
        steps.append(
            Step(
                command=str(step.get("run") or ""),
                action=str(step.get("uses") or ""),
                settings=tuple((str(name), str(value)) for name, value in settings.items()),
                folder=str(step.get("working-directory") or own[0]),
                shell=str(step.get("shell") or own[1]),
                condition=str(step.get("if") or ""),
                tolerant=is_tolerant(step.get("continue-on-error")),
            )
        )
    return PipelineJob(
        key,
        str(job.get("name") or key),
        tuple(steps),
        str(job.get("if") or ""),
        is_tolerant(job.get("continue-on-error")),
    )


def _shell(where: Mapping[str, Any]) -> tuple[str, str]:
    run = (where.get("defaults") or {}).get("run") if isinstance(where.get("defaults") or {}, dict) else None
    run = run if isinstance(run, dict) else {}
    return str(run.get("working-directory") or ""), str(run.get("shell") or "")


def is_tolerant(value: Any) -> bool:
    """Whether a failure may be passed over: also where an expression decides it, for then it is not certain."""
    return value not in {None, False, "false"}
