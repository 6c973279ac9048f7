"""What the API answers about the repository."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from upheld_reference.codebase import record
from upheld_reference.codebase.record import Commit, Deploy, Pull, Run
from upheld_reference.forge import actions, commits, contents, pulls
from upheld_reference.forge.accounts import node_id, stable_id
from upheld_reference.forge.answers import Refusal, missing, page, query, tagged
from upheld_reference.forge.world import World

Endpoint = Callable[[World, Request], Response]


def repository(world: World, request: Request) -> Response:
    """The repository."""
    return tagged(request, world.whole_repository())


def branches(world: World, request: Request) -> Response:
    """Its branches."""
    return page(request, sorted(world.record.branches), lambda name: commits.branch(world, name))


def branch(world: World, request: Request) -> Response:
    """One branch."""
    return tagged(request, commits.whole_branch(world, _branch(world, request)))


def protection(world: World, request: Request) -> Response:
    """The protection of a branch."""
    if _branch(world, request) != record.BRANCH:
        raise Refusal(404, "Branch not protected")
    return tagged(request, commits.protection(world))


def rules(_world: World, request: Request) -> Response:
    """The rules of rulesets for a branch: there are none, for the branch itself is protected."""
    return page(request, [], lambda one: one)


def collaborators(world: World, request: Request) -> Response:
    """Everybody with access."""
    return page(request, world.accounts.members(), world.accounts.collaborator)


def permission(world: World, request: Request) -> Response:
    """What somebody may do."""
    login = request.path_params["username"]
    if not world.accounts.known(login):
        raise missing()
    role = world.accounts.role(login) or "none"
    return tagged(
        request, {"permission": role, "role_name": role, "user": {**world.accounts.user(login), "role_name": role}}
    )


def owners_errors(world: World, request: Request) -> Response:
    """What is wrong in the owners file."""
    sha = _commit(world, request.query_params.get("ref") or record.BRANCH).sha
    return tagged(request, {"errors": contents.owners_errors(world, sha)})


def commit_list(world: World, request: Request) -> Response:
    """The commits that a branch or commit has, the newest first."""
    asked = query(request)
    found = world.record.reachable(_commit(world, asked.get("sha") or record.BRANCH).sha)
    if path := asked.get("path"):
        found = [one for one in found if _touches(world, one, path)]
    if author := asked.get("author"):
        found = [one for one in found if author in {one.author.login, one.author.email}]
    return page(request, found, lambda one: commits.commit(world, one))


def _touches(world: World, one: Commit, path: str) -> bool:
    base = one.parents[0] if one.parents else None
    return any(
        changed == path or changed.startswith(f"{path.rstrip('/')}/")
        for changed in commits.paths_changed(world, base, one.sha)
    )


def commit(world: World, request: Request) -> Response:
    """One commit."""
    return tagged(request, commits.whole_commit(world, _commit(world, request.path_params["ref"])))


def commit_pulls(world: World, request: Request) -> Response:
    """The pull requests that a commit came by."""
    found = pulls.of_commit(world, _commit(world, request.path_params["ref"]).sha)
    return page(request, found, lambda one: pulls.pull(world, one))


def check_runs(world: World, request: Request) -> Response:
    """The checks of a commit."""
    found = actions.check_runs(world, _commit(world, request.path_params["ref"]).sha)
    return page(request, found, lambda one: one, "check_runs")


def pull_list(world: World, request: Request) -> Response:
    """Pull requests."""
    return page(request, pulls.selected(world, query(request)), lambda one: pulls.pull(world, one))


def pull(world: World, request: Request) -> Response:
    """One pull request."""
    return tagged(request, pulls.whole_pull(world, _pull(world, request)))


def reviews(world: World, request: Request) -> Response:
    """Its reviews, the oldest first."""
    one = _pull(world, request)
    return page(request, one.reviews, lambda made: pulls.review(world, one, made))


def pull_commits(world: World, request: Request) -> Response:
    """Its commits, the oldest first."""
    found = [world.record.commits[sha] for sha in _pull(world, request).commits]
    return page(request, found, lambda one: commits.commit(world, one))


def pull_files(world: World, request: Request) -> Response:
    """Its files."""
    one = _pull(world, request)
    return page(request, commits.files(world, one.base, one.head), lambda file: file)


def requested_reviewers(world: World, request: Request) -> Response:
    """Who has yet to review it: nobody."""
    _pull(world, request)
    return tagged(request, {"users": [], "teams": []})


def workflows(world: World, request: Request) -> Response:
    """The workflows."""
    return page(request, actions.workflows(world), lambda path: actions.workflow(world, path), "workflows")


def workflow(world: World, request: Request) -> Response:
    """One workflow."""
    return tagged(request, actions.workflow(world, _workflow(world, request)))


def workflow_runs(world: World, request: Request) -> Response:
    """The runs of one workflow."""
    found = actions.selected_runs(world, query(request), _workflow(world, request))
    return page(request, found, lambda one: actions.run(world, one), "workflow_runs")


def runs(world: World, request: Request) -> Response:
    """The runs of all workflows."""
    found = actions.selected_runs(world, query(request))
    return page(request, found, lambda one: actions.run(world, one), "workflow_runs")


def run(world: World, request: Request) -> Response:
    """One run."""
    return tagged(request, actions.run(world, _run(world, request)))


def jobs(world: World, request: Request) -> Response:
    """The jobs of one run."""
    return page(request, actions.jobs(world, _run(world, request)), lambda one: one, "jobs")


def deployments(world: World, request: Request) -> Response:
    """The deployments, the newest first; it knows sha, ref and environment."""
    asked = query(request)
    found = [
        one
        for one in reversed(world.record.deploys)
        if asked.get("sha", one.commit) == one.commit
        and asked.get("ref", one.branch) == one.branch
        and asked.get("environment", "production") == "production"
    ]
    return page(request, found, lambda one: actions.deployment(world, one))


def deployment(world: World, request: Request) -> Response:
    """One deployment."""
    return tagged(request, actions.deployment(world, _deploy(world, request)))


def deployment_statuses(world: World, request: Request) -> Response:
    """How one deployment went."""
    return page(request, [_deploy(world, request)], lambda one: actions.deployment_status(world, one))


def environments(world: World, request: Request) -> Response:
    """The environments."""
    return page(request, [actions.environment(world)], lambda one: one, "environments")


def environment(world: World, request: Request) -> Response:
    """One environment."""
    if request.path_params["name"] != actions.ENVIRONMENT:
        raise missing()
    return tagged(request, actions.environment(world))


def approvals(world: World, request: Request) -> Response:
    """Who let one run into its environment."""
    return tagged(request, actions.approvals(world, _run(world, request)))


def comparison(world: World, request: Request) -> Response:
    """How far one commit is from another."""
    base, dots, head = request.path_params["basehead"].partition("...")
    if not dots:
        raise missing()
    return tagged(request, commits.comparison(world, _commit(world, base), _commit(world, head)))


def content(world: World, request: Request) -> Response:
    """A file or a folder."""
    sha = _commit(world, request.query_params.get("ref") or record.BRANCH).sha
    found = contents.content(world, request.path_params.get("path", "").strip("/"), sha)
    if found is None:
        raise missing()
    return tagged(request, found)


def tree(world: World, request: Request) -> Response:
    """A tree, by its own id or that of a commit or branch."""
    asked = request.path_params["sha"]
    commit_sha = world.resolve(asked)
    sha = world.record.commits[commit_sha].tree if commit_sha else asked
    recursive = "recursive" in request.query_params
    found = contents.tree(world, sha, recursive=recursive)
    if found is None:
        raise missing()
    return tagged(request, found)


def blob(world: World, request: Request) -> Response:
    """A blob."""
    found = contents.blob(world, request.path_params["sha"])
    if found is None:
        raise missing()
    return tagged(request, found)


def git_commit(world: World, request: Request) -> Response:
    """A commit as a git object."""
    one = world.record.commits.get(request.path_params["sha"])
    if one is None:
        raise missing()
    return tagged(request, commits.git_commit(world, one))


def git_ref(world: World, request: Request) -> Response:
    """Where a branch points."""
    name = request.path_params["ref"].removeprefix("heads/")
    if not request.path_params["ref"].startswith("heads/") or name not in world.record.branches:
        raise missing()
    sha = world.record.branches[name]
    return tagged(
        request,
        {
            "ref": f"refs/heads/{name}",
            "node_id": node_id("Ref", name),
            "url": f"{world.api}/git/refs/heads/{name}",
            "object": {"type": "commit", "sha": sha, "url": f"{world.api}/git/commits/{sha}"},
        },
    )


def _branch(world: World, request: Request) -> str:
    name: str = request.path_params["branch"]
    if name not in world.record.branches:
        raise Refusal(404, "Branch not found")
    return name


def _commit(world: World, ref: str) -> Commit:
    sha = world.resolve(ref)
    if sha is None:
        raise Refusal(
            422 if len(ref) == 40 else 404, f"No commit found for SHA: {ref}" if len(ref) == 40 else "Not Found"
        )
    return world.record.commits[sha]


def _id(request: Request, name: str) -> int:
    text: str = request.path_params[name]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise missing()
    return int(text)


def _pull(world: World, request: Request) -> Pull:
    found = world.record.pull(_id(request, "number"))
    if found is None:
        raise missing()
    return found


def _workflow(world: World, request: Request) -> str:
    asked = request.path_params["workflow_id"]
    for path in actions.workflows(world):
        if asked in {str(stable_id(path)), path.rpartition("/")[2]}:
            return path
    raise missing()


def _run(world: World, request: Request) -> Run:
    number = _id(request, "run_id")
    found = next((one for one in world.record.runs if one.id == number), None)
    if found is None:
        raise missing()
    return found


def _deploy(world: World, request: Request) -> Deploy:
    number = _id(request, "deployment_id")
    found = next((one for one in world.record.deploys if one.id == number), None)
    if found is None:
        raise missing()
    return found


_BASE = "/repos/{owner}/{repo}"
_TABLE: tuple[tuple[str, str, Endpoint], ...] = (
    ("", "metadata", repository),
    ("/branches", "contents", branches),
    # A branch's name may have slashes, so what has more behind the name comes first.
    ("/branches/{branch:path}/protection", "administration", protection),
    ("/branches/{branch:path}", "contents", branch),
    ("/rules/branches/{branch:path}", "metadata", rules),
    ("/rulesets", "metadata", rules),
    ("/collaborators", "metadata", collaborators),
    ("/collaborators/{username}/permission", "metadata", permission),
    ("/codeowners/errors", "contents", owners_errors),
    ("/commits", "contents", commit_list),
    ("/commits/{ref:path}/pulls", "pull_requests", commit_pulls),
    ("/commits/{ref:path}/check-runs", "checks", check_runs),
    ("/commits/{ref:path}", "contents", commit),
    ("/pulls", "pull_requests", pull_list),
    ("/pulls/{number}", "pull_requests", pull),
    ("/pulls/{number}/reviews", "pull_requests", reviews),
    ("/pulls/{number}/commits", "pull_requests", pull_commits),
    ("/pulls/{number}/files", "pull_requests", pull_files),
    ("/pulls/{number}/requested_reviewers", "pull_requests", requested_reviewers),
    ("/actions/workflows", "actions", workflows),
    ("/actions/workflows/{workflow_id}", "actions", workflow),
    ("/actions/workflows/{workflow_id}/runs", "actions", workflow_runs),
    ("/actions/runs", "actions", runs),
    ("/actions/runs/{run_id}", "actions", run),
    ("/actions/runs/{run_id}/jobs", "actions", jobs),
    ("/actions/runs/{run_id}/approvals", "actions", approvals),
    ("/compare/{basehead:path}", "contents", comparison),
    ("/environments", "actions", environments),
    ("/environments/{name}", "actions", environment),
    ("/deployments", "deployments", deployments),
    ("/deployments/{deployment_id}", "deployments", deployment),
    ("/deployments/{deployment_id}/statuses", "deployments", deployment_statuses),
    ("/contents", "contents", content),
    ("/contents/{path:path}", "contents", content),
    ("/git/trees/{sha:path}", "contents", tree),
    ("/git/blobs/{sha}", "contents", blob),
    ("/git/commits/{sha}", "contents", git_commit),
    ("/git/ref/{ref:path}", "contents", git_ref),
)
ROUTES = tuple((f"{_BASE}{path}", right, endpoint) for path, right, endpoint in _TABLE)
"""Path, the right that a token needs for it, and what answers."""
