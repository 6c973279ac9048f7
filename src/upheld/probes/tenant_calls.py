"""The API used as members of the target's tenants: who they are, what is planted in their tenants, and what the document shows them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from upheld.errors import Refused, Unobservable
from upheld.probes import openapi
from upheld.probes.api_calls import ApiCalls
from upheld.probes.api_logins import Logins
from upheld.probes.api_objects import Making, Planter
from upheld.probes.api_requests import SAFE_METHODS, TENANT, Request, makers
from upheld.probes.inferring import Completed, complete
from upheld.target.api import Identity

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.openapi import Document
    from upheld.target.api import Api as Description


class TenantCalls(ApiCalls[Identity]):
    """The API that the target's `api` describes, used as members of its tenants."""

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._logins: Logins | None = None
        self._planter: Planter | None = None
        self._completed: Completed | None = None

    @property
    def described(self) -> Description:
        """The target's description of the API; raises Unobservable when there is none."""
        if self.session.target.api is None:
            raise Unobservable("the target describes no api")
        return self.session.target.api

    @property
    def description(self) -> Description:
        """The target's description of the API, with the recipes that follow from the document where the target wants them."""
        try:
            known = self.completed
        except Unobservable:
            return self.described  # Whatever needs the document says so itself.
        return known.api if known is not None else self.described

    @property
    def completed(self) -> Completed | None:
        """What was inferred from the document; None where the target does not want that. Raises Unobservable without a document."""
        if not self.described.infer_objects:
            return None
        with self._making:
            if self._completed is None:
                self._completed = complete(self.described, self.document)
            return self._completed

    @property
    def document(self) -> Document:
        """The OpenAPI document, read once in a session, with what it shows only to whoever has logged in.

        Documents differ by who asks: what a stranger is not shown would never be tried.
        """
        if self._document is None:
            shown = self._shown_to_members()
            try:
                public = super().document
            except Refused:
                if shown is None:
                    raise
                public = shown
            self._document = public if shown is None else public.with_more(shown)
        return self._document

    def _shown_to_members(self) -> Document | None:
        """The document as somebody of the acting role is shown it; None where nobody can log in, or it is no page of the API."""
        where = self.described.openapi
        who = next(
            (
                one
                for one in self.session.target.identities
                if one.role == self.described.acting_role and not one.throwaway
            ),
            None,
        )
        if who is None or where is None or not where.startswith("/"):
            return None
        client = self.client("")
        try:
            headers = self.credentials.header(who, client)
        except Unobservable:
            return None  # Whatever needs a login says so itself.
        return openapi.load(where, self.endpoint, self.session.target_folder, client, headers).with_declared(
            self.described
        )

    @property
    def logins(self) -> Logins:
        """The tokens of this session."""
        with self._making:
            if self._logins is None:
                self._logins = Logins(self.session, self.described, self.endpoint)
            return self._logins

    @property
    def credentials(self) -> Logins:
        """The tokens of this session."""
        return self.logins

    def making(
        self, operation: str, identity: str | None, objects: Mapping[str, str], request: Request
    ) -> AbstractContextManager[Making]:
        """Around a request: where it makes an object, that is noted in the journal before, and what came of it after."""
        kind = next((name for name, _ in makers(self.description, operation)), None)
        remover = self.remover(identity) if identity else self._remover_in(objects.get(TENANT, ""))
        # What a page shows was there already.
        if kind is None or not remover or request.method in SAFE_METHODS:
            return super().making(operation, identity, objects, request)
        return self.planter.making(kind, remover, objects, request, stranger=not identity)

    @property
    def planter(self) -> Planter:
        """What was planted in this session."""
        with self._making:  # One that is lost would lose what it has planted.
            if self._planter is None:
                self._planter = Planter(
                    self.description, self.document, self.session.redactor, self.send, self.session.journal
                )
            return self._planter

    @property
    def search_word(self) -> str:
        """The word that all canaries of a run share, for searching."""
        return self.planter.search_word

    def identity(self, name: str) -> Identity:
        """The identity of that name; raises Unobservable when the target has none."""
        for one in self.session.target.identities:
            if one.name == name:
                return one
        raise Unobservable(f"the target has no identity {name}")

    def remover(self, identity: str) -> str:
        """Whoever may do most in the identity's tenant, for not everybody may delete what they make."""
        tenant = self.identity(identity).tenant
        for one in self.session.target.identities:
            if one.tenant == tenant and one.role == self.described.acting_role and not one.throwaway:
                return one.name
        return identity

    def _remover_in(self, tenant_id: str) -> str:
        """Who takes away what a stranger made: whoever may do most, in the tenant of that identifier if there is one; empty for nobody."""
        tenants = {one.name for one in self.session.target.tenants if one.id == tenant_id}
        acting = [
            one
            for one in self.session.target.identities
            if one.role == self.described.acting_role and not one.throwaway
        ]
        return next((one.name for one in (*(one for one in acting if one.tenant in tenants), *acting)), "")

    def own(self, identity: Identity) -> dict[str, str]:
        """The identifier of the identity's tenant."""
        return {"tenant": self.tenant_id(identity.tenant)}

    def canaries_in(self, text: str) -> tuple[str, ...]:
        """The labels of the planted canaries that a text holds in any common spelling."""
        if self._planter is None or not self._planter.canaries:
            return ()
        cleaned = self.session.redactor.text(text)
        if "[redacted:" not in cleaned:
            return ()
        return tuple(label for label in tuple(self._planter.canaries) if f"[redacted:{label}]" in cleaned)

    def tenant_id(self, tenant: str) -> str:
        """The tenant's own identifier; raises Unobservable for one that the target does not describe."""
        for one in self.session.target.tenants:
            if one.name == tenant:
                return one.id
        raise Unobservable(f"the target has no tenant {tenant}")
