"""The border: what may be contacted, and where."""

from __future__ import annotations

import pytest

from upheld.errors import OutOfScope, Refused
from upheld.probes.scope import Scope
from upheld.target.model import Target


def scope(*endpoints: dict[str, object]) -> Scope:
    return Scope(
        Target.model_validate(
            {"name": "t", "environment": "reference", "timeout_seconds": 5, "endpoints": list(endpoints)}
        )
    )


def test_declared_places_are_pinned_or_resolved_and_all_others_refused() -> None:
    one = scope(
        {"name": "www", "url": "https://WWW.rivet.example:8443", "address": "127.0.0.9"},
        {"name": "local", "url": "http://localhost:8080"},
        {"name": "six", "url": "http://[::1]:81"},
    )
    assert one.addresses("www.Rivet.example.", 8443) == ("127.0.0.9",)
    assert one.addresses("localhost", 8080) == one.addresses("localhost", 8080)
    assert one.addresses("::1", 81) == ("::1",)
    for host, port in (("www.rivet.example", 443), ("rivet.example", 8443), ("127.0.0.9", 8443), ("localhost", 22)):
        with pytest.raises(OutOfScope):
            one.addresses(host, port)
    assert one.describe("six", 1) == "six:1"
    assert one.describe("::1", 81) == "six ([::1]:81)"


def test_port_80_belongs_to_public_https_at_443_only() -> None:
    one = scope(
        {"name": "www", "url": "https://www.rivet.example", "address": "127.0.0.1"},
        {"name": "inner", "url": "https://in.rivet.example", "address": "127.0.0.1", "public": False},
        {"name": "odd", "url": "https://odd.rivet.example:8443", "address": "127.0.0.1"},
    )
    assert ("www.rivet.example", 80) in one
    assert ("in.rivet.example", 80) not in one
    assert ("odd.rivet.example", 80) not in one


def test_name_that_does_not_resolve_is_said_so() -> None:
    with pytest.raises(Refused, match="does not resolve"):
        scope({"name": "x", "url": "http://no-such-host.invalid"}).addresses("no-such-host.invalid", 80)
