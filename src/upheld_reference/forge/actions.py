"""Workflows, their runs and jobs, and deployments, as the forge shows them."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

import yaml

from upheld_reference.codebase import record
from upheld_reference.codebase.record import Deploy, Run
from upheld_reference.forge.accounts import Json, node_id, stable_id
from upheld_reference.forge.world import World, stamp

_FOLDER = ".github/workflows/"
_QUEUE = dt.timedelta(seconds=8)
_JOB = dt.timedelta(seconds=95)
ENVIRONMENT = "production"
"""The only environment."""
_JOB_IDS = 100
"""A run's id times this is the start of its jobs' ids."""


@functools.lru_cache(maxsize=64)
def _definition(text: bytes) -> Any:
    return yaml.safe_load(text)


def definition(world: World, path: str, commit: str) -> dict[str, Any]:
    """A workflow's definition as it was at a commit; empty when the commit has none."""
    sha = world.record.commits[commit].files.get(path)
    found = _definition(world.record.blobs[sha]) if sha else None
    return found if isinstance(found, dict) else {}


def workflows(world: World) -> list[str]:
    """The paths of the workflows on the main branch."""
    paths = world.record.commits[world.record.main[0]].files
    return sorted(path for path in paths if path.startswith(_FOLDER) and path.endswith((".yml", ".yaml")))


def workflow(world: World, path: str) -> Json:
    """A workflow."""
    number, name = stable_id(path), path.removeprefix(_FOLDER)
    created = stamp(world.record.since.at)
    return {
        "id": number,
        "node_id": node_id("Workflow", number),
        "name": definition(world, path, world.record.main[0]).get("name", path),
        "path": path,
        "state": "active",
        "created_at": created,
        "updated_at": created,
        "url": f"{world.api}/actions/workflows/{number}",
        "html_url": f"{world.web}/blob/{record.BRANCH}/{path}",
        "badge_url": f"{world.web}/actions/workflows/{name}/badge.svg",
    }


def jobs_of(world: World, one: Run) -> dict[str, str]:
    """The names of the jobs that a run has, by id, as its workflow's definition said at its commit."""
    jobs = definition(world, one.workflow, one.commit).get("jobs", {})
    return {key: str(job.get("name", key)) for key, job in jobs.items()}


def _tolerated(world: World, one: Run, job: str) -> bool:
    jobs = definition(world, one.workflow, one.commit).get("jobs", {})
    return jobs.get(job, {}).get("continue-on-error") is True


def conclusion(world: World, one: Run) -> str:
    """How a run ended."""
    jobs = jobs_of(world, one)
    return "failure" if any(job in jobs and not _tolerated(world, one, job) for job in one.failing) else "success"


def run(world: World, one: Run) -> Json:
    """A run of a workflow."""
    at = f"{world.api}/actions/runs/{one.id}"
    commit = world.record.commits[one.commit]
    name = definition(world, one.workflow, one.commit).get("name", one.workflow)
    pull = world.record.pull(one.pull) if one.pull else None
    return {
        "id": one.id,
        "name": name,
        "node_id": node_id("WorkflowRun", one.id),
        "check_suite_id": one.id + 1,
        "check_suite_node_id": node_id("CheckSuite", one.id + 1),
        "head_branch": one.branch,
        "head_sha": one.commit,
        "path": one.workflow,
        "display_title": pull.title if pull else commit.message.partition("\n")[0],
        "run_number": one.number,
        "run_attempt": 1,
        "event": one.event,
        "status": "completed",
        "conclusion": conclusion(world, one),
        "workflow_id": stable_id(one.workflow),
        "url": at,
        "html_url": f"{world.web}/actions/runs/{one.id}",
        "pull_requests": [_short(world, pull.number)] if pull and pull.merged_at is None else [],
        "created_at": stamp(one.at),
        "updated_at": stamp(one.at + _QUEUE + _JOB),
        "run_started_at": stamp(one.at),
        "actor": world.accounts.user(one.actor),
        "triggering_actor": world.accounts.user(one.actor),
        "jobs_url": f"{at}/jobs",
        "logs_url": f"{at}/logs",
        "check_suite_url": f"{world.api}/check-suites/{one.id + 1}",
        "artifacts_url": f"{at}/artifacts",
        "cancel_url": f"{at}/cancel",
        "rerun_url": f"{at}/rerun",
        "previous_attempt_url": None,
        "workflow_url": f"{world.api}/actions/workflows/{stable_id(one.workflow)}",
        "head_commit": {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": stamp(commit.at),
            "author": {"name": commit.author.name, "email": commit.author.email},
            "committer": {"name": commit.committer.name, "email": commit.committer.email},
        },
        "repository": world.repository(),
        "head_repository": world.repository(),
    }


def _short(world: World, number: int) -> Json:
    pull = world.record.pull(number)
    assert pull is not None  # noqa: S101  (its number comes from the record)
    repository = {"id": stable_id("platform"), "url": world.api, "name": "platform"}
    return {
        "id": 2_600_000_000 + number,
        "number": number,
        "url": f"{world.api}/pulls/{number}",
        "head": {"ref": pull.branch, "sha": pull.head, "repo": repository},
        "base": {"ref": record.BRANCH, "sha": pull.base, "repo": repository},
    }


def jobs(world: World, one: Run) -> list[Json]:
    """The jobs of a run."""
    return [
        _job(world, one, _JOB_IDS * one.id + place, key, name)
        for place, (key, name) in enumerate(jobs_of(world, one).items())
    ]


def _job(world: World, one: Run, number: int, key: str, name: str) -> Json:
    started, ended = stamp(one.at + _QUEUE), stamp(one.at + _QUEUE + _JOB)
    return {
        "id": number,
        "run_id": one.id,
        "run_url": f"{world.api}/actions/runs/{one.id}",
        "run_attempt": 1,
        "node_id": node_id("Job", number),
        "head_sha": one.commit,
        "head_branch": one.branch,
        "workflow_name": definition(world, one.workflow, one.commit).get("name"),
        "name": name,
        "url": f"{world.api}/actions/jobs/{number}",
        "html_url": f"{world.web}/actions/runs/{one.id}/job/{number}",
        "status": "completed",
        "conclusion": "failure" if key in one.failing else "success",
        "created_at": stamp(one.at),
        "started_at": started,
        "completed_at": ended,
        "check_run_url": f"{world.api}/check-runs/{number}",
        "labels": ["ubuntu-24.04"],
        "runner_id": 1,
        "runner_name": "GitHub Actions 1",
        "runner_group_id": 0,
        "runner_group_name": "GitHub Actions",
        "steps": [],
    }


def check_runs(world: World, sha: str) -> list[Json]:
    """The jobs of every run on a commit, as checks of it."""
    found: list[Json] = []
    for one in world.record.runs:
        if one.commit == sha:
            found += [_check(one, job) for job in jobs(world, one)]
    return found


def _check(one: Run, job: Json) -> Json:
    return {
        **{key: job[key] for key in ("id", "head_sha", "name", "status", "conclusion", "started_at", "completed_at")},
        "node_id": node_id("CheckRun", job["id"]),
        "external_id": str(job["id"]),
        "url": job["check_run_url"],
        "html_url": job["html_url"],
        "details_url": job["html_url"],
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{job['check_run_url']}/annotations",
        },
        "check_suite": {"id": one.id + 1},
        "app": None,
        "pull_requests": [],
    }


def selected_runs(world: World, query: dict[str, str], workflow_path: str | None = None) -> list[Run]:
    """The runs that a query asks for, the newest first; it knows event, branch, head_sha, actor, status."""
    wanted = {"event": query.get("event"), "branch": query.get("branch"), "commit": query.get("head_sha")}
    wanted |= {"actor": query.get("actor"), "workflow": workflow_path}
    found = [
        one
        for one in reversed(world.record.runs)
        if all(value is None or getattr(one, name) == value for name, value in wanted.items())
    ]
    status = query.get("status")
    return [one for one in found if status in {None, "completed", conclusion(world, one)}]


def environment(world: World) -> Json:
    """The environment that deploys go to: from the protected branch only, and only when operations let a run in."""
    number = stable_id(ENVIRONMENT)
    at = stamp(world.record.since.at)
    return {
        "id": number,
        "node_id": node_id("Environment", number),
        "name": ENVIRONMENT,
        "url": f"{world.api}/environments/{ENVIRONMENT}",
        "html_url": f"{world.web}/deployments/activity_log?environments_filter={ENVIRONMENT}",
        "created_at": at,
        "updated_at": at,
        "protection_rules": [
            {
                "id": number + 1,
                "node_id": node_id("Gate", number + 1),
                "type": "required_reviewers",
                "prevent_self_review": True,
                "reviewers": [{"type": "Team", "reviewer": world.accounts.team("operations")}],
            },
            {"id": number + 2, "node_id": node_id("Gate", number + 2), "type": "branch_policy"},
        ],
        "deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": False},
    }


def approvals(world: World, one: Run) -> list[Json]:
    """Who let a run into its environment; empty for a run that deploys nothing."""
    full = environment(world)
    short = {key: full[key] for key in ("id", "node_id", "name", "url", "html_url", "created_at", "updated_at")}
    return [
        {"environments": [short], "state": "approved", "user": world.accounts.user(deploy.allowed_by), "comment": ""}
        for deploy in world.record.deploys
        if deploy.run == one.id
    ]


def deployment(world: World, one: Deploy) -> Json:
    """A deployment."""
    at = f"{world.api}/deployments/{one.id}"
    return {
        "url": at,
        "id": one.id,
        "node_id": node_id("Deployment", one.id),
        "sha": one.commit,
        "ref": one.branch,
        "task": "deploy",
        "payload": {},
        "original_environment": ENVIRONMENT,
        "environment": ENVIRONMENT,
        "description": None,
        "creator": world.accounts.user(one.actor),
        "created_at": stamp(one.at - _JOB),
        "updated_at": stamp(one.at),
        "statuses_url": f"{at}/statuses",
        "repository_url": world.api,
        "transient_environment": False,
        "production_environment": True,
    }


def deployment_status(world: World, one: Deploy) -> Json:
    """How a deployment ended."""
    at = f"{world.api}/deployments/{one.id}"
    log = f"{world.web}/actions/runs/{one.run}"
    return {
        "url": f"{at}/statuses/{one.id}1",
        "id": one.id * 10 + 1,
        "node_id": node_id("DeploymentStatus", one.id),
        "state": "success",
        "creator": world.accounts.user(one.actor),
        "description": "",
        "environment": ENVIRONMENT,
        "target_url": log,
        "log_url": log,
        "environment_url": "",
        "created_at": stamp(one.at),
        "updated_at": stamp(one.at),
        "deployment_url": at,
        "repository_url": world.api,
    }
