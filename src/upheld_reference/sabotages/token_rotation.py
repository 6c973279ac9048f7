"""Rotation of tokens that does not do what it says, or that nobody is advised of."""

from __future__ import annotations

from uuid import UUID

from upheld_reference.api import advice
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.vault import store
from upheld_reference.vault.errors import NoSuchCredentialError
from upheld_reference.vault.service import VaultService
from upheld_reference.vault.store import Kind, Sealed, Store

_CLAIMS = ("token-rotation",)


@sabotage(breaks=_CLAIMS, shows=("a call after the rotation was made with the old one",))
def old_token_still_used(platform: Platform) -> None:
    """The vault remembers each token from its first use on, and goes on using it after it was rotated."""
    token, known = VaultService.token, dict[UUID, str]()

    async def remembered(self: VaultService, workspace_id: UUID, account_id: UUID) -> str:
        if account_id not in known:
            known[account_id] = await token(self, workspace_id, account_id)
        return known[account_id]

    platform.replace(VaultService, "token", remembered)


@sabotage(breaks=_CLAIMS, shows=("no word of 1 of 1, the oldest 200 days old",))
def no_rotation_advice(platform: Platform) -> None:
    """Nobody is told that a token is older than the advised age."""
    platform.replace(advice, "rotation_advised", lambda _days, _advised_days: False)


@sabotage(breaks=_CLAIMS, shows=("the old one is still in vault.whatsapp_tokens.sealed",))
def rotation_keeps_old_ciphertext(platform: Platform) -> None:
    """Rotating a token leaves the stored one in its place, and still says that it was done."""
    keep = Store.keep

    async def keep_the_first(self: Store, kind: Kind, workspace_id: UUID, belongs_to: UUID, sealed: Sealed) -> None:
        try:
            await self.find(kind, workspace_id, belongs_to)
        except NoSuchCredentialError:
            await keep(self, kind, workspace_id, belongs_to, sealed)
        else:
            if kind != store.TOKENS:
                await keep(self, kind, workspace_id, belongs_to, sealed)

    platform.replace(Store, "keep", keep_the_first)
