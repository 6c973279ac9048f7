"""What all parts of a target description share: references to secrets, templates, URLs and names."""

from __future__ import annotations

import ipaddress
import re
from enum import Enum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

_SECRET_NAME = re.compile(r"(?i)passw|secret|token|api_?key|credential")
_PLACEHOLDER = re.compile(r"\{[a-z_][a-z0-9_.-]*\}", re.IGNORECASE)


def _reference(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)", value):
        return value
    # The value is not repeated: it may be the secret itself.
    raise PydanticCustomError("secret_value", "a secret must be a reference (env:NAME or file:PATH), never a value")


def _no_literal_secrets(value: Any) -> Any:
    def walk(node: object, name: str) -> None:
        if isinstance(node, dict):
            for key, item in node.items():
                walk(item, str(key))
        elif isinstance(node, list):
            for item in node:
                walk(item, name)
        elif isinstance(node, str) and _SECRET_NAME.search(name) and node and not _PLACEHOLDER.search(node):
            raise PydanticCustomError(
                "secret_value",
                "a secret must be a placeholder such as {password}, filled from a reference, never a value",
            )

    walk(value, "")
    return value


def _place(value: str) -> str:
    if value.startswith("$"):
        import jsonpath_rfc9535  # noqa: PLC0415  (only targets with a query need it)

        try:
            jsonpath_rfc9535.compile(value)
        except (jsonpath_rfc9535.JSONPathError, RecursionError, ValueError, IndexError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise PydanticCustomError("jsonpath", "no JSONPath query (RFC 9535): {why}", {"why": why}) from None
    return value


def _query(value: str) -> str:
    if not value.startswith("$"):
        raise PydanticCustomError("jsonpath", "a JSONPath query (RFC 9535), which begins with $")
    return _place(value)


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise PydanticCustomError("pattern", "no regular expression: {why}", {"why": str(error)}) from None
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PydanticCustomError("url", "an http or https URL with a host name")
    _ = parts.port
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        # A name would be looked up again at each use, so that it pins nothing.
        raise PydanticCustomError("address", "an IP address, not a name") from None


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise PydanticCustomError("network", "an IP address or a network such as 192.0.2.0/24") from None


class Lies(Enum):
    """What a path in a description leads to, which says what becomes of it where the audit runs on another machine."""

    DOCUMENT = "a small file that says the same wherever it lies"
    OPENAPI = "a path of an endpoint, a URL, or a file, perhaps of several parts"
    RECORDS = "a folder of records, which says the same wherever it lies"
    HERE = "a path on the machine that the description was written for"
    PATTERN = "a pattern of paths there"
    STORE = "a folder there, or a URL"
    RECORDED = "a file there, where it begins with file:"
    ARGUMENT = "a program's argument, which may be the path of something there"
    SECRET = "a reference to a secret, which may be a file there"


DocumentFile = Annotated[str, Lies.DOCUMENT]
RecordsFolder = Annotated[str, Lies.RECORDS]
LocalPath = Annotated[str, Lies.HERE]
LocalPattern = Annotated[str, Lies.PATTERN]
Place = Annotated[str, AfterValidator(_place)]
"""Where an answer holds a value: a JSONPath query, which begins with `$`, or what the field names beside it."""
Query = Annotated[str, AfterValidator(_query)]
"""A JSONPath query (RFC 9535)."""
Pattern = Annotated[str, AfterValidator(_pattern)]
"""A regular expression of Python's."""
SecretRef = Annotated[str, BeforeValidator(_reference), Lies.SECRET]
"""A reference to a secret: `env:NAME` or `file:PATH`."""
Template = Annotated[Any, AfterValidator(_no_literal_secrets)]
"""A JSON value in which `{placeholders}` are filled in before it is sent."""
Url = Annotated[str, AfterValidator(_url)]
IpAddress = Annotated[str, AfterValidator(_address)]
"""An IP address that pins where a name is reached."""
IpNetwork = Annotated[str, AfterValidator(_network)]
"""An IP network, or one address."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=100)]


class Part(BaseModel):
    """A part of a target description: it is frozen, and words that it does not know are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
