"""Ways to log in that OpenAPI documents name: what a target can use of them, and nothing that leads elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from upheld.beginning.logins import named_logins
from upheld.probes.openapi import parse
from upheld.target.api import Login

PASSWORD = {"path": "/auth/login", "form": {"grant_type": "password", "username": "{username}", "password": "{password}"}}  # fmt: skip
CLIENT = {
    "path": "/token",
    "form": {"grant_type": "client_credentials", "client_id": "{client}", "client_secret": "{secret}"},
}


def of(version: str, **schemes: Any) -> dict[str, dict[str, Any]]:
    paths = {"/me": {"get": {"responses": {"200": {"description": "x"}}}}}
    placed = (
        {"swagger": version, "securityDefinitions": schemes}
        if version == "2.0"
        else {"openapi": version, "components": {"securitySchemes": schemes}}
    )
    document = parse(json.dumps({**placed, "info": {"title": "x", "version": "1"}, "paths": paths}))
    return named_logins(document, "https://api.example.com:8443")


@pytest.mark.parametrize(
    ("version", "scheme", "expected"),
    [
        ("3.1.0", {"type": "oauth2", "flows": {"password": {"tokenUrl": "auth/login"}}}, {"oauth2": PASSWORD}),
        ("3.0.3", {"type": "oauth2", "flows": {"password": {"tokenUrl": "https://api.example.com:8443/auth/login"}}}, {"oauth2": PASSWORD}),
        ("3.0.3", {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token"}}}, {"client": CLIENT}),
        ("2.0", {"type": "oauth2", "flow": "password", "tokenUrl": "/auth/login"}, {"oauth2": PASSWORD}),
        ("2.0", {"type": "oauth2", "flow": "application", "tokenUrl": "/token"}, {"client": CLIENT}),
        ("2.0", {"type": "basic"}, {"basic": {"scheme": "basic"}}),
        ("3.0.3", {"type": "http", "scheme": "Basic"}, {"basic": {"scheme": "basic"}}),
        ("3.0.3", {"type": "apiKey", "in": "header", "name": "X-API-Key"}, {"key": {"scheme": "header", "name": "X-API-Key", "value": "{api_key}"}}),
        ("3.0.3", {"type": "apiKey", "in": "query", "name": "key"}, {"key": {"scheme": "query", "name": "key", "value": "{api_key}"}}),
        # Of these nobody knows how the credential is got, or it would go to somebody else.
        ("3.0.3", {"type": "apiKey", "in": "cookie", "name": "session"}, {}),
        ("3.0.3", {"type": "apiKey", "in": "header", "name": "X\r\nEvil: 1"}, {}),
        ("3.0.3", {"type": "http", "scheme": "bearer"}, {}),
        ("3.0.3", {"type": "oauth2", "flows": {"password": {"tokenUrl": "https://login.example.net/token"}}}, {}),
        ("3.0.3", {"type": "oauth2", "flows": {"password": {"tokenUrl": "//evil.example/token"}}}, {}),
        ("3.0.3", {"type": "oauth2", "flows": {"password": {"tokenUrl": "/{evil}"}}}, {}),
        ("3.0.3", {"type": "oauth2", "flows": {"authorizationCode": {"tokenUrl": "/token"}}}, {}),
        ("3.0.3", {"type": "oauth2", "flows": [1]}, {}),
        ("3.0.3", "x", {}),
    ],
)  # fmt: skip
def test_a_scheme_becomes_a_login_or_nothing(version: str, scheme: Any, expected: dict[str, Any]) -> None:
    found = of(version, scheme=scheme)
    assert found == expected
    for login in found.values():
        Login.model_validate(login)
