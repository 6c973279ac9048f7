"""Every change since the history starts, the oldest first.

Who approves what follows the owners file: a change of logins, billing, credentials, pipelines or the host has an approval
by the security team.
"""

from __future__ import annotations

from upheld_reference.codebase.model import Change, Edit, Push, Review

_BOT = "dependabot[bot]"
_CHANGELOG = "CHANGELOG.md"
_CHECKOUT_5 = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
_CHECKOUT_6 = "actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1"
_IMAGE = "python:3.13-slim@sha256:"
_OLD_IMAGE = _IMAGE + "9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285"
_NEW_IMAGE = _IMAGE + "7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b"


def _noted(line: str) -> Edit:
    """A line that is added to the change log."""
    return Edit(_CHANGELOG, "", f"- {line}\n")


def _pin(name: str, version: str, *hashes: str) -> str:
    return " \\\n".join([f"{name}=={version}", *(f"    --hash=sha256:{one}" for one in hashes)]) + "\n"


def _bump(name: str, versions: tuple[str, str], before: tuple[str, str], now: tuple[str, str], days: float) -> Change:
    """The update bot's change of one pin in requirements.lock."""
    title = f"Bump {name} from {versions[0]} to {versions[1]}"
    edit = Edit("requirements.lock", _pin(name, versions[0], *before), _pin(name, versions[1], *now))
    events = (Push(title, edits=(edit,)), Review("priya"))
    return Change(title, f"dependabot/pip/{name}-{versions[1]}", _BOT, events, days, "priya", "squash", deployed=True)


def planned() -> tuple[Change, ...]:
    """The changes, the oldest first."""
    return (*_summer(), *_spring(), *_lately(), _open())


def _summer() -> tuple[Change, ...]:
    return (
        Change(
            "Lock an account after repeated bad logins",
            "lockout",
            "sipho",
            (
                Push("Count bad logins and lock the account", adds=("rivet/api/lockout.py",), failing=("tests",)),
                Review("priya", "CHANGES_REQUESTED", "An unknown address must not answer faster than a known one."),
                Push("Say in SECURITY.md who reviews logins", edits=(Edit("SECURITY.md", "", "logins, "),)),
                Review("priya"),
            ),
            117.2,
            "sipho",
            deployed=True,
        ),
        Change(
            "Set the host up by Ansible",
            "host",
            "lukas",
            (
                Push("Describe the host", adds=("infrastructure/ansible/roles/host/*",)),
                Push("Run the role", edits=(Edit("infrastructure/ansible/site.yml", "", "    - host\n"),)),
                Review("jonas", "COMMENTED", "Does the reboot at night page whoever is on call?"),
                Review("amahle"),
            ),
            112.9,
            "lukas",
            deployed=True,
        ),
        Change(
            "Keep exports no longer than what is in them",
            "exports",
            "erik",
            (
                Push("Note it", edits=(_noted("Exports are kept no longer than what is in them."),)),
                Review("sipho"),
            ),
            108.4,
            "erik",
            "squash",
            deployed=True,
        ),
        Change(
            "Give the pipeline rules of our own",
            "semgrep-rules",
            "priya",
            (Push("Add rules for Graph calls, certificates and shells", adds=(".semgrep/*",)), Review("amahle")),
            103.6,
            "priya",
        ),
        _bump(
            "uvicorn",
            ("0.53.0", "0.54.0"),
            (
                "a9356f0cb89b3b8621529c5d5eebd69bfe154f4c3f68b4cf2de47e45fa855c2e",
                "e8dca71ec86dce5f04e333f0d56cdedf942446e6643b9cea1af0d6d3a02cb03e",
            ),
            (
                "505bdb0f318731d45f1f712071fc781a8981f6847a31c902c9f5e652d4f67faf",
                "a2e33cbfaa0306f8e6b0c13e0cb89d7d7a2da3e62b90c66e18c33d9807b28620",
            ),
            99.1,
        ),
        Change(
            "Say which changes the security team reviews",
            "owners",
            "amahle",
            (
                Push(
                    "Hand billing to the security team",
                    edits=(
                        Edit("SECURITY.md", "", "- billing: plans and invoices;\n"),
                        Edit(".github/CODEOWNERS", "", "/rivet/**/*invoice*                 @rivet/security\n"),
                    ),
                ),
                Review("jonas"),
                Review("priya"),
            ),
            95.3,
            "amahle",
        ),
        Change(
            "Write down what whoever is on call does",
            "on-call",
            "erik",
            (Push("Describe being on call", adds=("docs/on-call.md",)), Review("jonas")),
            93.9,
            "jonas",
            "squash",
        ),
        Change(
            "Let workspaces choose how long logs are kept",
            "retention",
            "sipho",
            (
                Push("Note it", edits=(_noted("Retention can be set for each workspace."),), failing=("lint",)),
                Push("Say when we answer", edits=(Edit("docs/on-call.md", "", " within fifteen minutes"),)),
                Review("erik", "COMMENTED", "Bounds are checked in the model; good."),
                Review("lukas"),
            ),
            91.0,
            "sipho",
            deployed=True,
        ),
    )


def _spring() -> tuple[Change, ...]:
    return (
        Change(
            "Search conversations, too",
            "search",
            "erik",
            (Push("Note it", edits=(_noted("Search looks at conversations, too."),)), Review("marta")),
            84.5,
            "marta",
            "squash",
            deployed=True,
        ),
        Change(
            "Run the platform as an account of its own",
            "unprivileged",
            "lukas",
            (
                Push("Leave root in the image", edits=(Edit("Dockerfile", "", "USER rivet\n"),)),
                Review("priya", "CHANGES_REQUESTED", "The account should not be able to log in."),
                Push(
                    "Give it no shell",
                    edits=(Edit("Dockerfile", "useradd --system rivet", _useradd()),),
                ),
                Review("priya"),
            ),
            79.8,
            "lukas",
            deployed=True,
        ),
        Change(
            "Bump actions/checkout from 5 to 6",
            "dependabot/github_actions/actions/checkout-6",
            _BOT,
            (
                Push(
                    "Bump actions/checkout from 5 to 6",
                    edits=(
                        Edit(".github/workflows/ci.yml", _CHECKOUT_5, _CHECKOUT_6, everywhere=True),
                        Edit(".github/workflows/deploy.yml", _CHECKOUT_5, _CHECKOUT_6),
                    ),
                ),
                Review("amahle"),
            ),
            75.2,
            "amahle",
            "squash",
        ),
        Change(
            "Send every outbound call through one guard",
            "outbound",
            "sipho",
            (
                Push("Resolve first, pin the address, record the call", adds=("rivet/network/*", "rivet/webhooks/*")),
                Review("amahle", "CHANGES_REQUESTED", "Redirects must not be followed inside."),
                Push("Note it", edits=(_noted("Webhook deliveries are tried again with growing pauses."),)),
                Review("amahle"),
            ),
            69.9,
            "sipho",
            deployed=True,
        ),
        Change(
            "Turn refresh tokens at each use",
            "refresh",
            "sipho",
            (
                Push("Keep sessions, and turn their tokens", adds=("rivet/api/sessions.py", "rivet/api/logins.py")),
                Review("lukas", "COMMENTED", "Looks right to me; security has the last word."),
                Review("priya"),
            ),
            64.3,
            "sipho",
            deployed=True,
        ),
        Change(
            "Encrypt backups before they leave the host",
            "backups",
            "lukas",
            (
                Push("Base backups, WAL archive and restore", adds=("rivet/backups/*",), failing=("tests", "bandit")),
                Review("priya", "CHANGES_REQUESTED", "Bandit is right about the temporary file."),
                Push("Mount the database's volume", adds=("infrastructure/ansible/roles/platform/*",)),
                Review("priya"),
            ),
            55.0,
            "lukas",
            deployed=True,
        ),
        Change(
            "Leave the pipeline only the rights that it needs",
            "pipeline-rights",
            "erik",
            (
                Push(
                    "Read only",
                    edits=(Edit(".github/workflows/deploy.yml", "", "permissions:\n  contents: read\n\n"),),
                ),
                Review("amahle"),
            ),
            48.6,
            "erik",
        ),
    )


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
        _bump(
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
            _BOT,
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
        _bump(
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
                Push("Note it", edits=(_noted("The status page is fresh also while one component is down."),)),
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


def _useradd() -> str:
    return "useradd --system --no-create-home --shell /usr/sbin/nologin rivet"


def _rollback() -> str:
    return "\nA deploy that goes wrong is rolled back by deploying the commit before it.\n"


def _owned(pattern: str) -> Edit:
    line = f"/rivet/**/{pattern}"
    return Edit(".github/CODEOWNERS", "", f"{line:<36}@rivet/security\n")
