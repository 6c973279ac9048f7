"""How the API is used: logins, identities, tenants, objects, operations, and what counts as refusal."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import Lies, Name, Part, Place, SecretRef, Template


class Answers(Part):
    """What an answer looks like that means "refused" or "limited" here: a status, a pattern in the body, or one in `Location`."""

    statuses: tuple[int, ...] = ()
    body: str | None = None
    location: str | None = None
    """A pattern of where the answer redirects to: `/login`, where whoever is not let in is sent there."""

    def match(self, status: int, text: str, location: str = "") -> bool:
        """Whether an answer with this status, body and place of redirection is one of these."""
        return (
            status in self.statuses
            or (self.body is not None and re.search(self.body, text) is not None)
            or (self.location is not None and re.search(self.location, location) is not None)
        )


class Totp(Part):
    """The parameters of time-based one-time passwords (RFC 6238), the same for everybody.

    `window_steps` is how many steps before and after the present one are accepted too, to allow for clocks that differ.
    """

    step_seconds: int = Field(default=30, ge=5, le=300)
    digits: int = Field(default=6, ge=6, le=10)
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha1"
    window_steps: int = Field(default=1, ge=0, le=10)


class _Sent(Part):
    """What one request of a login is, but for where it goes."""

    method: str = "POST"
    json_body: Template = Field(default=None, alias="json")
    form: Template = None
    page: str | None = None
    hidden: tuple[str, ...] = ()
    with_headers: dict[str, str] = {}
    gives: dict[str, Place] = {}


class LoginRequest(_Sent):
    """One request of a login: its body as `json` or as `form`, in which the identity's values and secrets are filled in.

    `page` is the page with the form, which is opened first; `hidden` names fields of the form whose value it gives, such as a
    token against forged requests. `with_headers` are headers of this request only: `Authorization: "Basic {base64:{form:{id}}:{form:{secret}}}"`
    of an OAuth2 client, say, whose id and secret are form-encoded first (RFC 6749 §2.3.1). `gives` says where the JSON answer holds what later requests send, by name (`challenge: /challenge`): a JSON pointer or a JSONPath query.
    `{code}` becomes the present code of the identity's second factor.
    """

    path: str

    @model_validator(mode="after")
    def _one_body(self) -> LoginRequest:
        if self.json_body is not None and self.form is not None:
            raise PydanticCustomError("two_bodies", "a request has json or form, not both")
        return self


class Login(_Sent):
    """How an identity gets its credential, and how requests carry it.

    One that is asked for has a `path` (and what `LoginRequest` has); `then` are further requests, for a second factor say. `token` says where the last
    answer holds it: a JSON pointer, a JSONPath query (RFC 9535, begins with `$`) that matches one string or number, `header NAME` or
    `cookie NAME`. `expires_in` points to its lifetime in seconds, where the answer tells it (a pointer or a query). `accepted` says what the answer to a right password looks like, where the credential alone does not tell
    (a cookie that everybody gets). Without a `path` the credential is made of the identity's secrets (basic, API key).
    """

    path: str | None = None
    then: tuple[LoginRequest, ...] = ()
    token: Place = "/access_token"
    expires_in: Place = "/expires_in"
    accepted: Answers | None = None
    totp: Totp = Totp()
    scheme: Literal["bearer", "basic", "header", "query", "cookies"] = "bearer"
    """How requests carry the credential: in `Authorization`, in the header or query parameter `name`, or as the cookies that the login set."""
    name: str = ""
    value: Template = ""
    """What is sent: by default `{token}`, and `{username}:{password}` for basic. `{base64:…}` and `{form:…}` (URL-encoded) are encoded."""
    headers: dict[str, str] = {}
    """Headers that requests carry beside it; `{cookie.NAME}` is a cookie's value: `X-CSRFToken: "{cookie.csrftoken}"`."""
    check: str | None = None
    """A path that only a valid credential opens: it shows whether one without a `path` is right."""

    @model_validator(mode="after")
    def _can_be_sent(self) -> Login:
        if self.scheme in {"header", "query"} and not self.name:
            raise PydanticCustomError("no_name", "a credential in a header or query needs its name")
        if self.path is None and not self.value and self.scheme != "basic":
            raise PydanticCustomError("no_path", "a login without a path needs the value that is sent")
        if self.path is None and (self.json_body is not None or self.form is not None or self.then):
            raise PydanticCustomError("no_path", "a login with a body needs the path that it is sent to")
        if self.path is not None:
            self.requests()
        return self

    def requests(self) -> tuple[LoginRequest, ...]:
        """Every request of the login in order; none for a credential that is not asked for."""
        if self.path is None:
            return ()
        first = {field.alias or name: getattr(self, name) for name, field in LoginRequest.model_fields.items()}
        return (LoginRequest.model_validate(first), *self.then)


class Account(Part):
    """Someone whom the harness may act as. A throw-away one may be locked out by a destructive check."""

    name: Name
    role: str
    values: dict[str, str] = {}
    """What fills the placeholders of its login, apart from secrets: `email: ada@example.com`."""
    secrets: dict[str, SecretRef] = {}
    totp_seed: SecretRef | None = None
    """The seed of its second factor in base32."""
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

    `id` is a JSON pointer, `location PATTERN`: a regular expression over where the answer redirects to, whose group is the
    identifier, or `body PATTERN`: one over what the answer shows. Where whoever makes an object chooses its identifier, `chosen` is a template of it: `upheld-{random}`.
    """

    create: str
    json_body: Template = Field(default=None, alias="json")
    form: Template = None
    text: str | None = None
    media_type: str = "text/plain"
    id: str = "/id"
    chosen: str | None = None
    read: str | None = None
    delete: str | None = None
    needs_time: float = 0.0
    after: tuple[Name, ...] = ()


class OperationRecipe(Part):
    """How to call one operation of the OpenAPI document validly, with the placeholders of an object's recipe.

    `read_back` names the operation whose answer to the owner shows what this one changed, where that is not the object in
    its path, or `rows` of the database. `existing` says of which kinds an object must be used that is there already: `tenant` for the one that the
    tenant's `objects` name, or `operation pointer` (`account: listAccounts /0/id`). `harmless` is a body that has a valid shape and creates nothing.

    A body is sent as `json`, as `form` (URL-encoded) or as `text` of `media_type`. `statuses` are the answers that show that the
    call did its work, where that is not any from 200 to 299: 302 of a form, which shows itself again with 200 when it refuses.
    `hidden` names fields of a form that its page, at the same address, gives to whoever is shown it: the revision that is edited, say.
    """

    json_body: Template = Field(default=None, alias="json")
    form: Template = None
    text: str | None = None
    media_type: str = "text/plain"
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    """Headers that the operation needs beside those of its document: `Depth: "1"`."""
    statuses: tuple[int, ...] = ()
    hidden: tuple[str, ...] = ()
    read_back: str | None = None
    existing: dict[str, str] = {}
    harmless: Template = None


class RowRecipe(Part):
    """Rows of the database that show what an operation did, where no operation does; `read_back` names them.

    `where` says which they are: by column, with `{tenant}` for the tenant's id and the kinds of objects as in a recipe
    (`where: {id: "{note}"}`). They are read as the auditing role (`database.url`), and kept as digests.
    """

    table: str
    where: dict[str, str] = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)


class DeclaredOperation(Part):
    """An operation that no document describes: `call` is its method and path (`GET /tickets/{ticket}/`).

    `public` means that nobody has to log in for it; `query` names parameters of its query, `answers` the media types that it
    answers with. Its body is that of its recipe.
    """

    call: str = Field(pattern=r"^[A-Z]+ /\S*$")
    public: bool = False
    query: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


def _or_inferred(schema: dict[str, Any]) -> None:
    """Let the schema for editors take the word `inferred` too."""
    mapping = {key: schema.pop(key) for key in ("additionalProperties", "type") if key in schema}
    schema["anyOf"] = [mapping, {"const": "inferred"}]


class Api(Part):
    """The API: its OpenAPI document, how to log in, what its parameters mean and how to make objects.

    `openapi` is a path of the endpoint, a URL or a file. By a path it is read as a stranger and as a member of the acting role,
    because documents may show strangers less. `declared` are operations that it does not have; without a document, all there are.
    """

    endpoint: Name
    openapi: Annotated[str, Lies.OPENAPI] | None = None
    declared: dict[str, DeclaredOperation] = {}
    logins: dict[str, Login] = {}
    refused: Answers = Answers(statuses=(401, 403, 404))
    limited: Answers = Answers(statuses=(429,))
    tenant_parameter: str = "tenant_id"
    parameters: dict[str, str] = {}
    """Which kind of object an identifier parameter or body property names: `contact_id: contact`, or, for one operation
    only, `getContact.id: contact`."""
    values: dict[str, str] = {}
    """What to send for parameters that look like identifiers and name no tenant's object: `locale_id: en`."""
    objects: dict[str, ObjectRecipe] = Field(default={}, json_schema_extra=_or_inferred)
    """How objects are made, by kind; a file may say `inferred`, which is short for none and `infer_objects`."""
    infer_objects: bool = False
    """Whether kinds without a recipe get one that follows from the OpenAPI document, where a POST makes what a GET below its
    path shows and a DELETE takes away. `upheld doctor` and the report say which those are, and what could not be inferred."""
    operations: dict[str, OperationRecipe] = {}
    rows: dict[Name, RowRecipe] = {}
    """What stands in the database, for `read_back` of operations of which no other operation shows what they did."""
    excluded: dict[str, str] = {}
    """Operations that no check may call, with the reason."""
    shared: dict[str, str] = {}
    """Operations whose answers are meant for every tenant (published articles, say), with the reason."""
    acting_role: str = "owner"
    """The role that tries to cross the border between tenants: the most powerful one of a tenant."""

    @model_validator(mode="after")
    def _has_operations(self) -> Api:
        if self.infer_objects and self.openapi is None:
            raise PydanticCustomError("nothing_to_infer", "objects are inferred from an OpenAPI document (openapi)")
        if self.openapi is None and not self.declared:
            raise PydanticCustomError(
                "no_operations", "the API needs its OpenAPI document (openapi) or declared operations"
            )
        return self


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
