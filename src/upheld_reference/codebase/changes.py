"""Every change since the history starts, the oldest first.

Who approves what follows the owners file: a change of logins, billing, credentials, pipelines or the host has an approval
by the security team.
"""

from __future__ import annotations

from upheld_reference.codebase.first_changes import BOT, bump, first_months, next_months, noted
from upheld_reference.codebase.model import Change, Edit, Push, Review

_IMAGE = "python:3.13-slim@sha256:"
_OLD_IMAGE = _IMAGE + "9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285"
_NEW_IMAGE = _IMAGE + "7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b"


def planned() -> tuple[Change, ...]:
    """The changes, the oldest first."""
    return (*first_months(), *next_months(), *_lately(), _open())


def _lately() -> tuple[Change, ...]:
    return (
        Change(
            "Chain the audit log",
            "audit",
            "amahle",
            (Push("Append entries with a chain of digests", adds=("rivet/audit/*",)), Review("priya"), Review("sipho")),
            43.7,
            "amahle",
            deployed=True,
        ),
        Change(
            "Keep the inbox up to date",
            "web-client",
            "marta",
            (
                Push("Add the web client", adds=("rivet/edge/client/*",)),
                Review("sipho", "CHANGES_REQUESTED", "The session must not be readable by scripts."),
                Push("Keep its build out of the repository", edits=(Edit(".gitignore", "", "dist/\n"),)),
                Review("sipho"),
            ),
            38.8,
            "marta",
            deployed=True,
        ),
        bump(
            "pyjwt",
            ("2.15.0", "2.15.1"),
            (
                "7a3742debf6b879e912dbb9819ceec1594be812452b78c5f2e2dfc56564954f8",
                "b11c5f9791d7bf51c2b39a81ed669f6b2dbbd669df2942f6c60167e9e3d1abe4",
            ),
            (
                "42d59d631f7768a1028a64c7ff581a9bf7519804daf91fc5b6c56e30eec5e193",
                "4f259e80cdfb6b3fc18a7de51fd1ef9ec79652f25019bae68975ca2468a34df8",
            ),
            34.1,
        ),
        Change(
            "Bump python from 9d2e555 to 7c61056",
            "dependabot/docker/python-7c61056",
            BOT,
            (
                Push("Bump python from 9d2e555 to 7c61056", edits=(Edit("Dockerfile", _OLD_IMAGE, _NEW_IMAGE),)),
                Review("priya"),
            ),
            29.4,
            "priya",
            "squash",
            deployed=True,
        ),
        Change(
            "Keep registers beside the code",
            "registers",
            "jonas",
            (Push("Add the registers and their rules", adds=("rivet/registers/*",)), Review("amahle")),
            24.6,
            "jonas",
            deployed=True,
        ),
        Change(
            "Show workspaces their plan and invoices",
            "billing",
            "sipho",
            (
                Push("Add plans and invoices", adds=("rivet/api/plans.py", "rivet/api/routes/billing.py")),
                Review("amahle"),
            ),
            22.1,
            "sipho",
            deployed=True,
        ),
        Change(
            "Write down how production is deployed",
            "deploying",
            "lukas",
            (
                Push("Describe deploys", adds=("docs/deploying.md",)),
                Review("jonas", "DISMISSED"),
                Push("Say how to roll back", edits=(Edit("docs/deploying.md", "", _rollback()),)),
                Review("jonas"),
            ),
            19.5,
            "lukas",
        ),
        Change(
            "Ask the vault only for a good reason",
            "vault-errors",
            "priya",
            (
                Push("Add the sealing of credentials to its owners", edits=(_owned("*vault*"), _owned("*key*"))),
                Review("lukas", "COMMENTED", "Does that catch the keys of customers' integrations?"),
                Review("amahle"),
            ),
            13.9,
            "priya",
            deployed=True,
        ),
        bump(
            "idna",
            ("3.19", "3.20"),
            (
                "5e0811a4383b21dc5838069f801c4fb62113b7447663d2530d2bd6e77b49bf15",
                "815e7be7a7806d54abb586dc943addc79e8b2ee16915059658cbeff4b1b43bf4",
            ),
            (
                "a7db850025b95ded1eae8a46181a1a6c56c92c96f0e2b005d9ff8dc0210cab44",
                "ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c",
            ),
            8.2,
        ),
        Change(
            "Let staff read messages only for a reason",
            "justified",
            "priya",
            (
                Push("Give staff a console of its own", adds=("rivet/staff/*",), failing=("tests",)),
                Review("sipho", "COMMENTED", "Boilerplate should not pass for a reason."),
                Review("amahle"),
            ),
            5.9,
            "priya",
            deployed=True,
        ),
        Change(
            "Keep the status page fresh while a component is down",
            "status",
            "sipho",
            (
                Push("Note it", edits=(noted("The status page is fresh also while one component is down."),)),
                Review("marta"),
            ),
            3.3,
            "sipho",
            deployed=True,
        ),
    )


def _open() -> Change:
    return Change(
        "Group the inbox by contact",
        "inbox-groups",
        "marta",
        (
            Push("Group by contact", writes={"rivet/edge/client/groups.js": _GROUPS}),
            Review("sipho"),
        ),
        None,
        opened_days_ago=0.4,
    )


_GROUPS = """export function byContact(messages) {
  const groups = new Map();
  for (const message of messages) groups.set(message.contact, [...(groups.get(message.contact) ?? []), message]);
  return groups;
}
"""


def _rollback() -> str:
    return "\nA deploy that goes wrong is rolled back by deploying the commit before it.\n"


def _owned(pattern: str) -> Edit:
    line = f"/rivet/**/{pattern}"
    return Edit(".github/CODEOWNERS", "", f"{line:<36}@rivet/security\n")
