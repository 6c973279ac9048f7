"""How the whole deployment is put back to a state that is known: by one request, or by a program of one's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import Lies, LocalPath, Name, Part, Pattern, Query, SecretRef, Template

_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie"})


class Shows(Part):
    """What an answer or an output must show besides: by JSONPath queries (RFC 9535) values in it, and a pattern of its text.

    `holds` names what one string, number or boolean must be: `"$.status": ready`.
    """

    holds: dict[Query, str | bool | int | float] = {}
    text: Pattern | None = None


class ResetRequest(Shows):
    """A request to a declared endpoint, as an identity or as an account of staff, or with secrets of its own.

    In `headers` and the body `{name}` stands for what `secrets` names: `headers: {Authorization: "Bearer {token}"}`,
    `secrets: {token: env:RESET_TOKEN}`. `statuses` are the answers that show that it worked, where that is not any from 200 to 299.
    """

    endpoint: Name
    path: str = Field(pattern=r"^/")
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = "POST"
    identity: Name | None = None
    """One of `identities`, who logs in for it."""
    staff: Name | None = None
    """One of `staff.identities`, who logs in for it."""
    headers: Template = Field(default={}, json_schema_extra={"type": "object"})
    secrets: dict[str, SecretRef] = {}
    json_body: Template = Field(default=None, alias="json")
    form: Template = None
    statuses: tuple[int, ...] = ()
    within_seconds: float = Field(default=60.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _can_be_sent(self) -> ResetRequest:
        if self.json_body is not None and self.form is not None:
            raise PydanticCustomError("two_bodies", "a request has json or form, not both")
        if self.identity is not None and self.staff is not None:
            raise PydanticCustomError("two_callers", "a request is an identity's or an account of staff's, not both")
        if not isinstance(self.headers, dict) or not all(isinstance(one, str) for one in self.headers.values()):
            raise PydanticCustomError("headers", "headers are a mapping of names to texts")
        for name, value in self.headers.items():
            if name.lower() in _CREDENTIALS and "{" not in value:
                raise PydanticCustomError(
                    "secret_value", "a header with a credential needs a placeholder that is filled from `secrets`"
                )
        return self


class ResetCommand(Shows):
    """A program with its arguments, which runs on this machine without a shell, and with the rights of whoever runs upheld.

    It must end by itself: with the exit code 0, or one of `exit_codes`. What it prints is looked at for `holds` and `text`; 64 KiB
    of it are kept. What it starts and leaves running is let be.
    """

    run: tuple[Annotated[str, Lies.ARGUMENT], ...] = Field(min_length=1)
    folder: LocalPath | None = None
    """Where it runs, relative to the target file; by default the folder of that."""
    environment: dict[str, SecretRef] = {}
    """Variables with secrets that the program needs."""
    exit_codes: tuple[int, ...] = Field(default=(0,), min_length=1)
    within_seconds: float = Field(default=120.0, gt=0, le=3600)


class Ready(Shows):
    """A page of a declared endpoint that answers so once the deployment works again; it is asked for without a login."""

    endpoint: Name
    path: str = Field(default="/", pattern=r"^/")
    statuses: tuple[int, ...] = ()
    within_seconds: float = Field(default=60.0, gt=0, le=3600)


class WholeReset(Part):
    """How all that runs can have planted or changed is taken back at once, by a `request` or a `command`.

    Only `upheld clean --reset` does it, and never in production. With `ready` it has worked only once that answers as it should.
    """

    state: str = Field(min_length=1, max_length=300)
    """What the deployment is like afterwards, in words: "the demo data of each tenant, and nobody logged in"."""
    request: ResetRequest | None = None
    command: ResetCommand | None = None
    ready: Ready | None = None

    @model_validator(mode="after")
    def _one_way(self) -> WholeReset:
        if (self.request is None) == (self.command is None):
            raise PydanticCustomError("one_way", "a reset is either a request or a command")
        return self

    @property
    def way(self) -> str:
        """How it is done, in a few words: `POST /reset at api`, `the command ./reset.sh`."""
        if self.request is not None:
            who = self.request.identity or self.request.staff
            return f"{self.request.method} {self.request.path} at {self.request.endpoint}{f' as {who}' if who else ''}"
        return f"the command {self.command.run[0]}" if self.command is not None else ""
