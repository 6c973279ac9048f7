"""How the API is used: logins, identities, tenants, objects, operations, and what counts as refusal."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from upheld.target.parts import Name, Part, SecretRef, Template


class Answers(Part):
    """What an answer looks like that means "refused" or "limited" here: a status, or a pattern in the body."""

    statuses: tuple[int, ...] = ()
    body: str | None = None

    def match(self, status: int, text: str) -> bool:
        """Whether an answer with this status and body is one of these."""
        return status in self.statuses or (self.body is not None and re.search(self.body, text) is not None)


class Login(Part):
    """How an identity gets its credential: a request, and where in the JSON answer the token stands (a JSON pointer).

    `expires_in` points to the token's lifetime in seconds, where the answer tells it.
    """

    method: str = "POST"
    path: str
    json_body: Template = Field(default=None, alias="json")
    token: str = "/access_token"
    expires_in: str = "/expires_in"
    scheme: Literal["bearer"] = "bearer"


class Account(Part):
    """Someone whom the harness may act as. A throw-away one may be locked out by a destructive check."""

    name: Name
    role: str
    values: dict[str, str] = {}
    """What fills the placeholders of its login, apart from secrets: `email: ada@example.com`."""
    secrets: dict[str, SecretRef] = {}
    throwaway: bool = False


class Identity(Account):
    """A member of a tenant."""

    tenant: Name
    login: Name


class Tenant(Part):
    """A customer whose data must stay apart from every other's.

    `objects` holds identifiers of objects that it has already, by kind, for operations that new objects do not fill.
    """

    name: Name
    id: str
    objects: dict[str, str] = {}
    compared: bool = True
    """Whether checks that compare tenants with one another use it: each one more multiplies the pairs. Others are there
    for what only they can show, such as another plan."""


class ObjectRecipe(Part):
    """How to make one object of a kind as a tenant: the operation, its body, and where the answer holds the identifier.

    `{canary}` in the body becomes a fresh canary; it belongs into a property that a listing or a search would show. Beside
    it stand `{search}` (a word that all canaries of a run share, for searching), `{tenant}`, `{kind}` (the identifier of an
    object of that kind), `{uuid}`, `{random}` (16 hexadecimal digits) and `{digits}` (9 decimal digits). The identifiers
    are made before it: those of the kinds that the body or the path names, and those in `after` (an export contains the
    message, say). `read` and `delete` name operations.
    """

    create: str
    json_body: Template = Field(default=None, alias="json")
    id: str = "/id"
    read: str | None = None
    delete: str | None = None
    needs_time: float = 0.0
    after: tuple[Name, ...] = ()


class OperationRecipe(Part):
    """How to call one operation of the OpenAPI document validly, with the placeholders of an object's recipe.

    `read_back` names the operation whose answer to the owner shows what this one changed, where that is not the object in
    its path. `existing` says of which kinds an object must be used that is there already: `tenant` for the one that the
    tenant's `objects` name, or `operation pointer` (`account: listAccounts /0/id`). `harmless` is a body that has a valid shape and creates nothing.
    """

    json_body: Template = Field(default=None, alias="json")
    query: dict[str, str] = {}
    statuses: tuple[int, ...] = ()
    read_back: str | None = None
    existing: dict[str, str] = {}
    harmless: Template = None


class Api(Part):
    """The API: its OpenAPI document, how to log in, what its parameters mean and how to make objects.

    `openapi` is a path of the endpoint, a URL or a file. By a path it is read as a stranger and as a member of the acting role,
    because documents may show strangers less.
    """

    endpoint: Name
    openapi: str
    logins: dict[str, Login] = {}
    refused: Answers = Answers(statuses=(401, 403, 404))
    limited: Answers = Answers(statuses=(429,))
    tenant_parameter: str = "tenant_id"
    parameters: dict[str, str] = {}
    """Which kind of object an identifier parameter or body property names: `contact_id: contact`, or, for one operation
    only, `getContact.id: contact`."""
    values: dict[str, str] = {}
    """What to send for parameters that look like identifiers and name no tenant's object: `locale_id: en`."""
    objects: dict[str, ObjectRecipe] = {}
    operations: dict[str, OperationRecipe] = {}
    excluded: dict[str, str] = {}
    """Operations that no check may call, with the reason."""
    shared: dict[str, str] = {}
    """Operations whose answers are meant for every tenant (published articles, say), with the reason."""
    acting_role: str = "owner"
    """The role that tries to cross the border between tenants: the most powerful one of a tenant."""


class CanaryFlow(Part):
    """One way in which a secret enters the system. `{canary}` in the body becomes a fresh canary.

    `path` names what the flow exercises, `statuses` the answers that show that it really went that way.
    """

    name: str
    path: Literal["success", "validation error", "upstream error", "crash"]
    identity: Name
    operation: str
    json_body: Template = Field(default=None, alias="json")
    statuses: tuple[int, ...]
