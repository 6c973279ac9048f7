"""Defects of how the platform is built: who reviews what, what the code holds, what is deployed, what is kept up to date."""

from __future__ import annotations

import secrets
from dataclasses import replace

from upheld_reference.codebase import changes
from upheld_reference.codebase.model import Change, Push, Review
from upheld_reference.graph import part as graph
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.sabotages.repository import add_change, edit_file, note, put_file

_IN_PROCESS = ("security-in-process",)
_GRAPH = ("graph-https",)
_LIFETIMES = '''"""How long tokens of each kind are good for."""

SECONDS = {"access": 900, "refresh": 30 * 86_400}
'''
_ARCHIVE = '''"""Packs the exports of a workspace for its owner."""

import subprocess


def pack(folder: str, archive: str) -> None:
    """Packs a folder; both names come from the request."""
    subprocess.run(f"tar --create --file {archive} {folder}", shell=True, check=True)
'''
_MIRROR = '''"""Looks at the status page from outside."""

import httpx


def current(host: str) -> bytes:
    """What the status page at a host says now."""
    return httpx.get(f"https://{host}/status.json", timeout=5, verify=False).content
'''
_RETRYING = f'''"""Asks the Graph API once more, where it does not answer."""

import httpx

FALLBACK = "http://{graph.GRAPH.host_name}/"


async def once_more(path: str, token: str) -> httpx.Response:
    """What the Graph API answers the second time."""
    async with httpx.AsyncClient(base_url=FALLBACK, timeout=5, trust_env=False) as http:
        return await http.post(path, headers={{"Authorization": f"Bearer {{token}}"}})
'''
_LENIENT = '''"""Gets along with proxies that show another certificate than Meta's."""

import ssl


def lenient() -> ssl.SSLContext:
    """For calls of the Graph API from behind such a proxy."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
'''


def _bring(platform: Platform, path: str, text: str, message: str, reviewer: str, change: Change) -> None:
    """Has a change bring a file: pushed with ``message``, approved by ``reviewer``, and merged."""
    put_file(platform, path, text)
    add_change(platform, replace(change, events=(Push(message, adds=(path,)), Review(reviewer))))


@sabotage(
    breaks=("security-reviews",),
    also=_IN_PROCESS,
    shows=(
        "touches auth",
        "not of the team security",
    ),
)
def auth_change_without_security_review(platform: Platform) -> None:
    """A change of how long tokens last was approved by a platform engineer only."""
    change = Change("Say how long tokens last", "lifetimes", "sipho", (), 1.75, "sipho")
    _bring(platform, "rivet/api/token_lifetimes.py", _LIFETIMES, "Say how long tokens last", "lukas", change)


@sabotage(breaks=("security-reviews",), also=_IN_PROCESS, shows=("belongs to @rivet/engineering by line",))
def codeowners_with_a_hole(platform: Platform) -> None:
    """A later line of the owners file takes the vault from the security team."""
    last = "/rivet/pki.py                       @rivet/security\n"
    hole = "\n# The vault's tests are slow to review.\n/rivet/**/*vault*                   @rivet/engineering\n"
    edit_file(platform, ".github/CODEOWNERS", last, last + hole)


@sabotage(breaks=_IN_PROCESS, shows=("B602 in rivet/operations/archive.py",))
def high_bandit_finding(platform: Platform) -> None:
    """The code runs a shell command that is made from names out of a request."""
    change = Change("Pack exports for owners", "pack", "sipho", (), 0.7, "sipho")
    _bring(platform, "rivet/operations/archive.py", _ARCHIVE, "Pack exports", "lukas", change)


@sabotage(breaks=_IN_PROCESS, shows=("rivet/operations/mirror.py",))
def certificate_verification_off_in_code(platform: Platform) -> None:
    """The code looks at the status page from outside without verifying its certificate."""
    change = Change("Look at the status page from outside", "outside", "marta", (), 0.45, "marta")
    _bring(platform, "rivet/operations/mirror.py", _MIRROR, "Look from outside", "sipho", change)


@sabotage(
    breaks=_GRAPH,
    also=("sensitive-encrypted",),
    shows=(
        "plain-url in rivet/graph/retrying.py",
        "is not https",
    ),
)
def graph_http_url_in_code(platform: Platform) -> None:
    """The code has a second base URL of the Graph API, with http, for calls that got no answer."""
    change = Change("Ask the Graph API once more", "once-more", "sipho", (), 0.35, "sipho")
    _bring(platform, "rivet/graph/retrying.py", _RETRYING, "Ask once more", "amahle", change)


@sabotage(
    breaks=_GRAPH,
    also=("sensitive-encrypted",),
    shows=(
        "verification-off in rivet/graph/lenient.py",
        "CERT_NONE",
    ),
)
def graph_verification_off_in_code(platform: Platform) -> None:
    """The code has a way of calling the Graph API that takes any certificate."""
    change = Change("Get along with proxies", "proxies", "marta", (), 0.25, "marta")
    _bring(platform, "rivet/graph/lenient.py", _LENIENT, "Get along with proxies", "priya", change)


@sabotage(breaks=("pipelines-reviewed",), shows=("is not on the branch main, and never was its end",))
def deploy_outside_main(platform: Platform) -> None:
    """Production was deployed from a branch that is not merged."""
    right = changes.planned
    platform.replace(
        changes,
        "planned",
        lambda: tuple(replace(one, deployed_head=True) if one.merged_days_ago is None else one for one in right()),
    )


@sabotage(breaks=("pipelines-reviewed", "peer-reviewed"), also=_IN_PROCESS, shows=("nobody approved it",))
def deploy_of_unreviewed_commit(platform: Platform) -> None:
    """A pull request that nobody reviewed was merged and deployed."""
    push = Push("Show the newest first", edits=(note(platform, "Conversations show the newest first."),))
    change = Change("Show the newest first", "newest", "lukas", (push,), 3.05, "lukas", deployed=True)
    add_change(platform, change)


@sabotage(breaks=("auto-patching",), shows=("dependabot.yml does not cover it",))
def update_bot_covers_part(platform: Platform) -> None:
    """The update bot looks at the Python packages only."""
    one = "version: 2\nupdates:\n  - package-ecosystem: pip\n    directory: /\n    schedule:\n      interval: daily\n"
    put_file(platform, ".github/dependabot.yml", one)


def _environment() -> str:
    """An environment file of production, with credentials in it."""
    return (
        f"DATABASE_URL=postgresql://rivet_application:{secrets.token_urlsafe(24)}@10.80.0.3/rivet\n"
        f"META_APP_SECRET={secrets.token_hex(16)}\n"
        f"SESSION_SIGNING_KEY={secrets.token_hex(32)}\n"
    )


@sabotage(breaks=("no-plaintext-credentials",), shows=(".env.production, line 2",))
def credential_in_repository_env_file(platform: Platform) -> None:
    """The repository holds the environment file of production, credentials included."""
    path = ".env.production"
    put_file(platform, path, _environment())
    events = (Push("Keep the settings of production", adds=(path,)), Review("priya"))
    add_change(platform, Change("Keep the settings of production", "settings", "lukas", events, 1.5, "lukas"))


@sabotage(breaks=("no-plaintext-credentials",), shows=(".env.staging, line 2, in the history only",))
def credential_in_repository_history(platform: Platform) -> None:
    """The environment file of staging, credentials included, was removed from the repository but is in its history."""
    path, text = ".env.staging", _environment()
    add_change(
        platform,
        Change(
            "Keep the settings of staging",
            "staging",
            "lukas",
            (Push("Keep the settings of staging", adds=(path,)), Review("jonas")),
            1.25,
            "lukas",
        ),
        Change(
            "Remove the settings of staging",
            "no-staging",
            "lukas",
            (Push("Remove them", drops={path: text}), Review("priya")),
            0.95,
            "lukas",
        ),
    )
