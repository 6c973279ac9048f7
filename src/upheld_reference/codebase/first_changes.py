"""The changes of the first months, and how changes are written down."""

from __future__ import annotations

from upheld_reference.codebase.model import Change, Edit, Push, Review

BOT = "dependabot[bot]"
"""The account of the update bot."""
_CHANGELOG = "CHANGELOG.md"
_CHECKOUT_5 = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
_CHECKOUT_6 = "actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1"


def noted(line: str) -> Edit:
    """A line that is added to the change log."""
    return Edit(_CHANGELOG, "", f"- {line}\n")


def _pin(name: str, version: str, *hashes: str) -> str:
    return " \\\n".join([f"{name}=={version}", *(f"    --hash=sha256:{one}" for one in hashes)]) + "\n"


def bump(name: str, versions: tuple[str, str], before: tuple[str, str], now: tuple[str, str], days: float) -> Change:
    """The update bot's change of one pin in requirements.lock."""
    title = f"Bump {name} from {versions[0]} to {versions[1]}"
    edit = Edit("requirements.lock", _pin(name, versions[0], *before), _pin(name, versions[1], *now))
    events = (Push(title, edits=(edit,)), Review("priya"))
    return Change(title, f"dependabot/pip/{name}-{versions[1]}", BOT, events, days, "priya", "squash", deployed=True)


def first_months() -> tuple[Change, ...]:
    """The first changes, the oldest first."""
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
                Push("Note it", edits=(noted("Exports are kept no longer than what is in them."),)),
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
        bump(
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
                Push("Note it", edits=(noted("Retention can be set for each workspace."),), failing=("lint",)),
                Push("Say when we answer", edits=(Edit("docs/on-call.md", "", " within fifteen minutes"),)),
                Review("erik", "COMMENTED", "Bounds are checked in the model; good."),
                Review("lukas"),
            ),
            91.0,
            "sipho",
            deployed=True,
        ),
    )


def next_months() -> tuple[Change, ...]:
    """Those that followed, until one who made many of them left."""
    return (
        Change(
            "Search conversations, too",
            "search",
            "erik",
            (Push("Note it", edits=(noted("Search looks at conversations, too."),)), Review("marta")),
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
            BOT,
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
                Push("Note it", edits=(noted("Webhook deliveries are tried again with growing pauses."),)),
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


def _useradd() -> str:
    return "useradd --system --no-create-home --shell /usr/sbin/nologin rivet"
