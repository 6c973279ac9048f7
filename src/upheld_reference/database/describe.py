"""What a deployment tells about its application, for whoever audits it."""

from __future__ import annotations

import dataclasses
from typing import Any

from upheld_reference import jobs
from upheld_reference.api import plans, roles
from upheld_reference.platform import Platform
from upheld_reference.services import Services

_TENANT_COLUMN = "workspace_id"


def facts(platform: Platform, services: Services) -> dict[str, Any]:
    """Workspaces, identities, role matrix, limits and retained stores."""
    living = {workspace.name for workspace in services.seed.workspaces if workspace.lives}
    return {
        "workspaces": [
            {
                "id": str(workspace.id),
                "name": workspace.name,
                "plan": workspace.plan,
                "retention_days": workspace.retention_days,
                "objects": {kind: [str(id_) for id_ in ids] for kind, ids in workspace.objects.items()},
            }
            for workspace in services.seed.workspaces
            if workspace.lives
        ],
        "identities": [
            {
                "id": str(identity.id),
                "name": identity.name,
                "tenant": identity.tenant,
                "role": identity.role,
                "email": identity.email,
                "password": identity.password,
                "throwaway": identity.throwaway,
            }
            for identity in services.seed.identities
            if identity.tenant in living
        ],
        "roles": {operation: sorted(allowed) for operation, allowed in roles.ALLOWED.items()},
        "privileged_operations": dict(roles.PRIVILEGED),
        "plans": {name: dataclasses.asdict(plan) for name, plan in plans.PLANS.items()},
        "retention_bounds_days": [plans.RETENTION_DAYS_AT_LEAST, plans.RETENTION_DAYS_AT_MOST],
        "public_operations": sorted(roles.PUBLIC_OPERATIONS),
        "retained_stores": [
            {
                "name": name,
                "kind": "table",
                "schema": "app",
                "table": name,
                "timestamp_column": "created_at",
                "tenant_column": _TENANT_COLUMN,
            }
            for name in (*jobs.TABLES, "exports")
        ]
        + [{"name": "export_files", "kind": "files", "folder": str(platform.exports), "pattern": "*/*.json"}],
        "rate_limit": {
            "requests": platform.settings.rate_limit_requests,
            "window_seconds": platform.settings.rate_limit_window_seconds,
        },
        "lockout": {
            "failures": platform.settings.lockout_failures,
            "seconds": platform.settings.lockout_seconds,
        },
        "session_lifetime_seconds": platform.settings.session_lifetime_seconds,
        "token_lifetime_seconds": platform.settings.token_lifetime_seconds,
        "graph_access_log": str(platform.logs / "graph-access.log"),
    }
