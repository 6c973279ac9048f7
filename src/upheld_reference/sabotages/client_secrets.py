"""Secrets in what browsers are given. The key is a real one: the API takes it, and it does not expire."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta

from upheld_reference import services
from upheld_reference.api import sessions
from upheld_reference.api.tokens import Claims, TokenSigner
from upheld_reference.database.scope import workspace_scope
from upheld_reference.edge import bundle
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIM = "short-lived-tokens"
_TEN_YEARS = timedelta(days=3650)
_MODULE = "../client/inbox.js"


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "script https://app.rivet.example",
        "secret key at character",
    ),
)
def key_in_client_bundle(platform: Platform) -> None:
    """The web application's script holds an API key that never expires and that everybody shares."""
    key = _accept_a_key(platform)
    right = bundle.source

    def source(name: str) -> str:
        content = right(name)
        if name == "app.js":
            return _replaced(content, '{accept:"application/json"}', f'{{accept:"application/json",apiKey:"{key}"}}')
        return _in_source(
            content, '{ accept: "application/json" }', f'{{ accept: "application/json", apiKey: "{key}" }}'
        )

    platform.replace(bundle, "source", source)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "source map https://app.rivet.example",
        "secret key at character",
    ),
)
def key_in_source_map(platform: Platform) -> None:
    """A comment in the source map of the web application's script holds an API key that never expires."""
    key = _accept_a_key(platform)
    right = bundle.source

    def source(name: str) -> str:
        if name == "app.js":
            return right(name)
        line = "const PAUSE_MILLISECONDS = 5000;"
        return _in_source(right(name), line, f'{line}\n// For load tests only: const API_KEY = "{key}";')

    platform.replace(bundle, "source", source)


def _accept_a_key(platform: Platform) -> str:
    """Has the API take a key in place of an access token, for the first workspace's first member, and returns it."""
    key = f"rk_live_{secrets.token_urlsafe(32)}"
    speaks_for: list[Claims] = []
    verify = TokenSigner.verify

    def verify_token_or_key(self: TokenSigner, token: str) -> Claims | None:
        return speaks_for[0] if speaks_for and token == key else verify(self, token)

    async def start_session(seeded: Platform) -> None:
        shared = services.of(seeded)
        workspace = shared.seed.workspaces[0]
        async with workspace_scope(shared.pool, workspace.id) as db:
            query = "SELECT id FROM app.members WHERE workspace_id = %s AND role = 'owner'"
            member = await (await db.execute(query, [workspace.id])).fetchone()
            if member is None:
                raise LookupError(f"the workspace {workspace.name} has no owner")
            tokens = await sessions.start(db, shared.signer, member["id"], workspace.id, _TEN_YEARS)
        claims = verify(shared.signer, tokens.access_token)
        if claims is None:
            raise RuntimeError("a token that was issued just now is not valid")
        speaks_for.append(claims)

    platform.replace(TokenSigner, "verify", verify_token_or_key)
    platform.on("seeded", start_session)
    return key


def _in_source(source_map: str, before: str, after: str) -> str:
    """The source map with one place of the inbox's module changed."""
    decoded = json.loads(source_map)
    at = decoded["sources"].index(_MODULE)
    decoded["sourcesContent"][at] = _replaced(decoded["sourcesContent"][at], before, after)
    return json.dumps(decoded)


def _replaced(text: str, before: str, after: str) -> str:
    if before not in text:
        raise ValueError(f"there is no {before!r} to change")
    return text.replace(before, after)
