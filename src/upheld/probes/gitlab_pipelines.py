"""A pipeline of GitLab as a frozen value, with the jobs of the child pipelines that it starts from files of the repository.

A child pipeline runs for the same commit. What happens in it counts for the pipeline that started it only where that one waits
for its end (`strategy`). What cannot be read of children is said, for it may do anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from upheld.errors import Unobservable
from upheld.probes.workflows import PipelineJob, Step, Trigger, Workflow, is_tolerant, load_yaml

_WORDS = {
    "stages",
    "variables",
    "include",
    "workflow",
    "default",
    "image",
    "services",
    "cache",
    "before_script",
    "after_script",
    "spec",
}
GENERATIONS = 2
"""Of child pipelines below a pipeline; GitLab starts no more."""
_MOST_CHILDREN = 100
_IN_A_CHILD = re.compile(r"\$CI_PIPELINE_SOURCE\s*==\s*(['\"])parent_pipeline\1")
_RUNS = {None, "on_success", "always"}


def gitlab_workflow(path: str, text: str, file: Callable[[str], str]) -> Workflow:
    """A pipeline; `file` gives the text of another file. One that includes or extends others is Unobservable."""
    reader = _Reader(file)
    jobs = tuple(reader.jobs({path: text}))
    if not jobs and not reader.unread:
        raise Unobservable(f"{path} has no jobs")
    # Without rules of its own a pipeline runs on every push, and so on every revision of a merge request.
    return Workflow(path, (Trigger("push"), Trigger("pull_request")), jobs, tuple(dict.fromkeys(reader.unread)))


class _Reader:
    """Reads a pipeline and its children; `unread` says of which it could not, and why."""

    def __init__(self, file: Callable[[str], str]) -> None:
        self.file = file
        self.unread: list[str] = []
        self._children = 0

    def jobs(self, files: Mapping[str, str], generation: int = 0) -> Iterator[PipelineJob]:
        """The jobs of one pipeline, which several files may make up together, and of its children."""
        found: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for path, text in files.items():
            for name, job in _definitions(path, text, child=generation > 0):
                if name in found:
                    raise Unobservable(f"{path} changes the job {name} of {found[name][0]}, which is not understood")
                found[name] = (path, job)
        for name, (path, job) in found.items():
            if "extends" in job:
                raise Unobservable(f"{path}: the job {name} extends another, which cannot be understood yet")
            if "trigger" in job:
                yield from self._started(name, job, generation)
            else:
                yield _job(name, job, child=generation > 0)

    def _started(self, name: str, job: Mapping[str, Any], generation: int) -> Iterator[PipelineJob]:
        """The jobs of the child pipeline that a job starts, under the conditions of that job."""
        starter = _job(name, job, child=generation > 0)
        try:
            children = list(self._child(job["trigger"], generation + 1))
        except Unobservable as unobservable:
            self.unread.append(f"the job {name} starts a pipeline that is not read: {unobservable.reason}")
            return
        strategy = job["trigger"].get("strategy")
        waits = strategy in {"depend", "mirror"}
        detached = "" if waits else f"the job {name} does not wait for the pipeline that it starts (strategy: depend)"
        for one in children:
            conditions = [condition for condition in (starter.condition, one.condition) if condition]
            yield replace(
                one,
                condition=", ".join(conditions),
                tolerant=starter.tolerant or one.tolerant,
                detached=detached or one.detached,
            )

    def _child(self, trigger: Any, generation: int) -> Iterator[PipelineJob]:
        if not isinstance(trigger, dict) or "include" not in trigger:
            named = trigger.get("project") if isinstance(trigger, dict) else trigger
            raise Unobservable(f"it is one of the project {named}")
        self._children += 1
        if generation > GENERATIONS or self._children > _MOST_CHILDREN:
            raise Unobservable("there are too many below one another")
        included = trigger["include"]
        paths = [_local(one) for one in (included if isinstance(included, list) else [included])]
        yield from self.jobs({path: self.file(path) for path in paths}, generation)


def _local(included: Any) -> str:
    """The path of an included file of the repository; raises Unobservable for anything else."""
    path = included.get("local") if isinstance(included, dict) and set(included) == {"local"} else included
    if not isinstance(path, str):
        kind = ", ".join(map(str, included)) if isinstance(included, dict) else type(included).__name__
        raise Unobservable(f"it is defined by {kind}, and not by a file of the repository alone")
    if re.match(r"\w+://", path) or "*" in path or "$" in path:
        raise Unobservable(f"it is defined by {path}, which is not one file of the repository")
    return path.removeprefix("/")


def _definitions(path: str, text: str, *, child: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The jobs that a file defines, by name; raises Unobservable for a file whose meaning depends on others."""
    found = load_yaml(path, text)
    if not isinstance(found, dict):
        raise Unobservable(f"{path} is no object")
    workflow = found.get("workflow")
    runs = child and isinstance(workflow, dict) and set(workflow) <= {"rules", "name"} and _always(workflow, child=True)
    if "include" in found or ("workflow" in found and not runs):
        raise Unobservable(f"{path} includes other definitions or limits when it runs, which cannot be understood yet")
    for name, job in found.items():
        if name not in _WORDS and not str(name).startswith(".") and isinstance(job, dict):
            yield str(name), job


def _job(name: str, job: Mapping[str, Any], *, child: bool) -> PipelineJob:
    script = job.get("script") or []
    lines = [script] if isinstance(script, str) else [str(line) for line in script]
    conditions = [word for word in ("rules", "only", "except") if job.get(word)]
    if conditions == ["rules"] and _always(job, child=child):
        conditions = []
    if job.get("when") not in _RUNS:
        conditions.append(f"when: {job['when']}")
    step = Step(command="\n".join(lines), shell="bash")  # noqa: S604  (nothing is run)
    return PipelineJob(name, name, (step,), ", ".join(conditions), is_tolerant(job.get("allow_failure")))


def _always(where: Mapping[str, Any], *, child: bool) -> bool:
    """Whether its rules let it run in every case: one that always fits does, and those before it, if they fit."""
    rules = where.get("rules")
    for rule in rules if isinstance(rules, list) else ():
        if not isinstance(rule, dict) or not set(rule) <= {"if", "when", "variables"} or rule.get("when") not in _RUNS:
            return False
        if "if" not in rule or (child and _IN_A_CHILD.fullmatch(str(rule["if"]).strip())):
            return True
    return "rules" not in where
