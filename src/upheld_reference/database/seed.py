"""The rows that a deployment starts with: its workspaces, living and terminated, their members, and some of every object."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from upheld_reference import passwords
from upheld_reference.database import copying
from upheld_reference.database.scope import Connection

PLANS = {"acme": "business", "globex": "agency", "initech": "starter"}
"""The workspaces by name, and the plan of each."""
TERMINATED_DAYS_AGO = {"hooli": 45, "vandelay": 3}
"""The workspaces that have been terminated, on the business plan, and how many days ago that was."""
ROLES = ("owner", "admin", "agent", "viewer")
"""The roles that a member can have; each workspace has one member of each."""
THROWAWAYS = 4
"""How many further members, of the role agent, each workspace but the one on the starter plan has, for tests that lock accounts."""
LOG_AGES_DAYS = (*range(90), 95, 100, 120, 150, 200)
"""The ages of message logs and automation runs at the start; what is over 90 the first retention run removes."""
EXPORT_AGES_DAYS = (0, 1, 7, 30, 60, 89, 95, 120, 200)
"""The ages of exports at the start."""
TERMINATED_AGES_DAYS = (46, 50, 60)
"""The ages of everything that a terminated workspace has at the start."""
OBJECTS_EACH = 3
"""How many contacts, conversations, templates, automations and webhooks each workspace has."""


@dataclass(frozen=True)
class Identity:
    """Somebody who can log in."""

    name: str
    tenant: str
    role: str
    email: str
    password: str = field(repr=False)
    throwaway: bool
    id: UUID = field(default_factory=uuid4)
    """The member's id."""


@dataclass
class Workspace:
    """A seeded workspace, with the ids of its objects by kind."""

    name: str
    plan: str
    retention_days: int
    id: UUID = field(default_factory=uuid4)
    objects: dict[str, list[UUID]] = field(default_factory=dict)
    terminated_days_ago: int | None = None
    """None for a workspace that is not terminated."""

    @property
    def lives(self) -> bool:
        """Whether it is not terminated."""
        return self.terminated_days_ago is None


@dataclass(frozen=True)
class Seed:
    """All that was put in."""

    workspaces: tuple[Workspace, ...]
    identities: tuple[Identity, ...]


def plan(retention_days: int) -> Seed:
    """Workspaces and identities with new ids and random passwords, not in any database yet."""
    identities = []
    for tenant, plan_name in PLANS.items():
        people = [(role, role, False) for role in ROLES]
        burnt = 0 if plan_name == "starter" else THROWAWAYS
        people += [(f"burn{number}", "agent", True) for number in range(1, burnt + 1)]
        for person, role, throwaway in people:
            email, password = f"{person}@{tenant}.example.com", secrets.token_urlsafe(15)
            identities.append(Identity(f"{tenant}-{person}", tenant, role, email, password, throwaway))
    for tenant in TERMINATED_DAYS_AGO:
        email, password = f"owner@{tenant}.example.com", secrets.token_urlsafe(15)
        identities.append(Identity(f"{tenant}-owner", tenant, "owner", email, password, throwaway=False))
    living = [Workspace(name, plan, retention_days) for name, plan in PLANS.items()]
    ended = [
        Workspace(name, "business", retention_days, terminated_days_ago=days)
        for name, days in TERMINATED_DAYS_AGO.items()
    ]
    return Seed((*living, *ended), tuple(identities))


def hash_all(identities: tuple[Identity, ...]) -> dict[str, str]:
    """The password hashes by email, computed on all processors at once (Argon2 lets go of the interpreter lock)."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as threads:
        hashes = threads.map(passwords.hash_password, [identity.password for identity in identities])
        return dict(zip([identity.email for identity in identities], hashes, strict=True))


async def sow(db: Connection, seed: Seed, hashes: asyncio.Task[dict[str, str]], exports: Path) -> None:
    """Puts ``seed`` and some of every object into the database, and the files of exports below ``exports``."""
    now = datetime.now(UTC)
    await copying.copy(
        db,
        "app.workspaces",
        [
            {
                "id": w.id,
                "name": w.name,
                "plan": w.plan,
                "retention_days": w.retention_days,
                "terminated_at": None if w.terminated_days_ago is None else now - timedelta(days=w.terminated_days_ago),
            }
            for w in seed.workspaces
        ],
    )
    for workspace in seed.workspaces:
        await _objects(db, workspace)
        await _records(db, workspace, exports, now)
        await _accounts(db, workspace)
    ids = {workspace.name: workspace.id for workspace in seed.workspaces}
    hashed = await hashes
    await copying.copy(
        db,
        "app.members",
        [
            {
                "id": i.id,
                "workspace_id": ids[i.tenant],
                "email": i.email,
                "role": i.role,
                "password_hash": hashed[i.email],
            }
            for i in seed.identities
        ],
    )


async def _objects(db: Connection, workspace: Workspace) -> None:
    async def add(kind: str, rows: list[dict[str, Any]]) -> list[UUID]:
        filled = [{"id": uuid4(), "workspace_id": workspace.id, **row} for row in rows]
        await copying.copy(db, f"app.{kind}", filled)
        workspace.objects[kind] = [row["id"] for row in filled]
        return workspace.objects[kind]

    name, numbers = workspace.name, range(1, OBJECTS_EACH + 1)
    contacts = await add(
        "contacts",
        [
            {
                "name": f"{name} contact {n}",
                "phone_number": f"+2721555{secrets.randbelow(10**4):04}",
                "note": f"note of {name}",
            }
            for n in numbers
        ],
    )
    conversations = await add("conversations", [{"contact_id": contact} for contact in contacts])
    await add(
        "messages",
        [
            {"conversation_id": conversation, "direction": direction, "text": f"{direction} message of {name}"}
            for conversation in conversations
            for direction in ("inbound", "outbound")
        ],
    )
    templates = await add(
        "templates", [{"name": f"{name} template {n}", "body": f"Hello from {name}, number {n}"} for n in numbers]
    )
    await add(
        "automations",
        [
            {"name": f"{name} automation {n}", "steps": Jsonb([{"template_id": str(template)}])}
            for n, template in zip(numbers, templates, strict=True)
        ],
    )
    await add("webhooks", [{"url": f"https://hooks.{name}.example.com/{n}"} for n in numbers])


async def _records(db: Connection, workspace: Workspace, exports: Path, now: datetime) -> None:
    # An hour less than the full days, so that the oldest that are to stay do stay for the time of a test.
    logs, runs = [], []
    for age in LOG_AGES_DAYS if workspace.lives else TERMINATED_AGES_DAYS:
        at = now - timedelta(days=age) + timedelta(hours=1) * (age > 0)
        common = {"workspace_id": workspace.id, "created_at": at}
        logs.append({"id": uuid4(), **common, "content": f"{workspace.name} message {age} days ago"})
        automation = workspace.objects["automations"][age % OBJECTS_EACH]
        runs.append(
            {"id": uuid4(), **common, "automation_id": automation, "detail": f"sent to {workspace.name} contact"}
        )
    await copying.copy(db, "app.message_logs", logs)
    await copying.copy(db, "app.automation_runs", runs)
    rows: list[dict[str, Any]] = []
    for age in EXPORT_AGES_DAYS if workspace.lives else TERMINATED_AGES_DAYS:
        at = now - timedelta(days=age) + timedelta(hours=1) * (age > 0)
        row = {"id": uuid4(), "workspace_id": workspace.id, "oldest_record_at": at, "created_at": at}
        rows.append(row)
        path = exports / str(workspace.id) / f"{row['id']}.json"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        record = {"content": f"{workspace.name} message {age} days ago", "created_at": at.isoformat()}
        path.write_text(json.dumps({"kind": "message_logs", "records": [record]}), encoding="utf-8")
        os.utime(path, (at.timestamp(), at.timestamp()))
    await copying.copy(db, "app.exports", rows)
    workspace.objects["exports"] = [row["id"] for row in rows[:OBJECTS_EACH]]


async def _accounts(db: Connection, workspace: Workspace) -> None:
    accounts: list[dict[str, Any]] = [
        {
            "id": uuid4(),
            "workspace_id": workspace.id,
            "waba_id": f"{10**14 + secrets.randbelow(10**14)}",
            "phone_number_id": f"{10**14 + secrets.randbelow(10**14)}",
            "phone_number": f"+2782555{number:04}",
        }
        # Sampled, not drawn one by one: a workspace cannot have the same number twice.
        for number in secrets.SystemRandom().sample(range(10**4), 2)
    ]
    await copying.copy(db, "meta.whatsapp_accounts", accounts)
    workspace.objects["whatsapp_accounts"] = [account["id"] for account in accounts]
