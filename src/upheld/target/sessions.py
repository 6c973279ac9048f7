"""How sessions are kept up and ended, and what browsers are served."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import Name, Part, Place, SecretRef, Template


class Refresh(Part):
    """How a refresh token is exchanged; `{refresh_token}` in the body is the token.

    `token` and `refresh_token` say where the answer holds the new ones: a JSON pointer, or a JSONPath query (RFC 9535, begins with `$`).
    """

    operation: str
    json_body: Template = {"refresh_token": "{refresh_token}"}
    token: Place = "/access_token"
    refresh_token: Place = "/refresh_token"


class Revoke(Part):
    """How a session is ended; `{token}` in the body is its access token. Without a body it is the caller's own that ends."""

    operation: str
    json_body: Template = None


class Sessions(Part):
    """The sessions of the API.

    `whoami` is an operation that whoever has a valid token may call and that changes nothing. `identity` is who logs in for
    the looks; its other sessions are left alone. `expired` refers to access tokens that were issued by the deployment and
    have expired, whose session goes on.
    """

    whoami: str
    identity: Name
    token: Literal["jwt", "opaque"] = "jwt"
    refresh_tokens: bool = True
    """Whether logins hand out refresh tokens. That they do not is believed only once no login's answer held anything that may be one."""
    other_values: dict[str, str] = {}
    """What logins hand out beside the access token that looks like a refresh token and is none, with the reason: by its place,
    which is a JSON pointer, `header NAME` or `cookie NAME` (`cookie device: names the browser`)."""
    refresh_token: Place = "/refresh_token"
    """Where the login's answer holds the refresh token: a JSON pointer, or a JSONPath query."""
    refresh: Refresh | None = None
    revoke: Revoke | None = None
    expired: tuple[SecretRef, ...] = ()

    @model_validator(mode="after")
    def _either_has_them_or_not(self) -> Sessions:
        if not self.refresh_tokens and self.refresh is not None:
            raise PydanticCustomError(
                "refresh_tokens", "there are no refresh tokens, and it is said how they are exchanged"
            )
        return self


class FormLogin(Part):
    """How somebody logs in with a form: the page that has it, its fields, and the hidden ones that are sent back as they are."""

    page: str
    fields: dict[str, str]
    """Each field with its value, in which the identity's values and secrets are filled in: `email: "{email}"`."""
    hidden: tuple[str, ...] = ()
    """Names of hidden fields, such as a token against forged requests, whose value the page gives."""


class Echo(Part):
    """A page that repeats a parameter of its query."""

    page: str
    parameter: str


class Browsing(Part):
    """What browsers are served by one endpoint: pages and data for whoever is logged in, and what repeats what was typed.

    `pages` and `data` are paths, in which `{kind}` becomes the identifier of an object of that kind. `stores` names the kinds
    of object (of `api.objects`) whose text the pages or the data show: what their recipes have `{canary}` for.
    """

    endpoint: Name
    identity: Name
    login: FormLogin | None = None
    pages: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    echoes: tuple[Echo, ...] = ()
    stores: tuple[Name, ...] = ()
    public_values: tuple[str, ...] = ()
    """Values in what browsers are served that look like secrets and are public by nature: a publishable key, a client id."""
