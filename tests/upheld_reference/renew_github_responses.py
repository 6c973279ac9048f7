"""Renews tests/data/github-openapi/responses.json from the npm package @octokit/openapi.

    npm pack @octokit/openapi && tar -xzf octokit-openapi-*.tgz
    python tests/upheld_reference/renew_github_responses.py package

Kept are the response schemas of the operations that the forge answers, and the components that these use, as JSON Schema
(OpenAPI 3.0's ``nullable`` becomes a type of its own), without descriptions and examples.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

KEPT = Path(__file__).parents[1] / "data" / "github-openapi" / "responses.json"


PATHS = (
    "/rate_limit",
    "/user",
    "/users/{username}",
    "/orgs/{org}",
    "/orgs/{org}/members",
    "/orgs/{org}/teams",
    "/orgs/{org}/teams/{team_slug}",
    "/orgs/{org}/teams/{team_slug}/members",
    "/orgs/{org}/teams/{team_slug}/memberships/{username}",
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/branches",
    "/repos/{owner}/{repo}/branches/{branch}",
    "/repos/{owner}/{repo}/branches/{branch}/protection",
    "/repos/{owner}/{repo}/rules/branches/{branch}",
    "/repos/{owner}/{repo}/rulesets",
    "/repos/{owner}/{repo}/collaborators",
    "/repos/{owner}/{repo}/collaborators/{username}/permission",
    "/repos/{owner}/{repo}/codeowners/errors",
    "/repos/{owner}/{repo}/commits",
    "/repos/{owner}/{repo}/commits/{ref}",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
    "/repos/{owner}/{repo}/commits/{ref}/check-runs",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/pulls/{pull_number}/commits",
    "/repos/{owner}/{repo}/pulls/{pull_number}/files",
    "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers",
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    "/repos/{owner}/{repo}/actions/workflows",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}",
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs",
    "/repos/{owner}/{repo}/actions/runs",
    "/repos/{owner}/{repo}/actions/runs/{run_id}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/approvals",
    "/repos/{owner}/{repo}/compare/{basehead}",
    "/repos/{owner}/{repo}/environments",
    "/repos/{owner}/{repo}/environments/{environment_name}",
    "/repos/{owner}/{repo}/deployments",
    "/repos/{owner}/{repo}/deployments/{deployment_id}",
    "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
    "/repos/{owner}/{repo}/contents/{path}",
    "/repos/{owner}/{repo}/git/trees/{tree_sha}",
    "/repos/{owner}/{repo}/git/blobs/{file_sha}",
    "/repos/{owner}/{repo}/git/commits/{commit_sha}",
    "/repos/{owner}/{repo}/git/ref/{ref}",
)
_DROPPED = {"description", "example", "examples", "externalDocs", "title", "deprecated"}


def plain(schema: Any, *, names: bool = False) -> Any:
    """The schema as JSON Schema; ``names`` says that its keys are names of properties."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if names:
        return {name: plain(one) for name, one in schema.items()}
    kept = {
        key: plain(value, names=key in {"properties", "patternProperties"})
        for key, value in schema.items()
        if key not in _DROPPED and not key.startswith("x-") and key != "nullable"
    }
    if not schema.get("nullable"):
        return kept
    if isinstance(kept.get("type"), str):
        if "enum" in kept:
            kept["enum"] = [*(one for one in kept["enum"] if one is not None), None]
        return {**kept, "type": [kept["type"], "null"]}
    return {"anyOf": [kept, {"type": "null"}]}


def references(schema: Any) -> set[str]:
    """The names of the components that it refers to."""
    if isinstance(schema, list):
        return {name for one in schema for name in references(one)}
    if not isinstance(schema, dict):
        return set()
    found = {name for value in schema.values() for name in references(value)}
    reference = schema.get("$ref")
    return found | ({reference.removeprefix("#/components/schemas/")} if isinstance(reference, str) else set())


def main(package: Path) -> None:
    """Writes the file anew from the unpacked package."""
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    whole = json.loads((package / "generated" / "api.github.com.json").read_text(encoding="utf-8"))
    operations: dict[str, Any] = {}
    for path in PATHS:
        operation = whole["paths"][path]["get"]
        content = operation["responses"]["200"]["content"]
        operations[path] = {
            "operationId": operation["operationId"],
            "schema": plain(content["application/json"]["schema"]),
        }
    components: dict[str, Any] = {}
    waiting = references(operations)
    while waiting:
        name = waiting.pop()
        if name not in components:
            components[name] = plain(whole["components"]["schemas"][name])
            waiting |= references(components[name])
    result = {
        "source": "GitHub's OpenAPI description of api.github.com, from the npm package @octokit/openapi",
        "version": about["version"],
        "license": f"{about['license']} (GitHub's description: MIT, Copyright GitHub, Inc.)",
        "operations": operations,
        "components": {"schemas": dict(sorted(components.items()))},
    }
    KEPT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
