"""TLS servers that keep to the rules up to the end of the handshake, and then flood, drip, alert or fall silent: inconclusive, in time and memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from processes import peak_bytes, said
from tls_floods import FLOODS, behaving
from upheld.errors import Unobservable
from upheld.probes.tls import Tls, TlsVersion

from ...loopback import Pki, endpoint, raw

MEMORY = 300 << 20
SECONDS = 1.0


def meet_all(folder: str) -> None:
    """Meet every flood by each probe that reads after a handshake, and print what came of it, with the seconds that it took."""
    import time

    from upheld.probes.base import Session
    from upheld.probes.http import Http
    from upheld.probes.internal import NO_CERTIFICATE, Internal
    from upheld.probes.scope import Scope
    from upheld.redaction import Redactor
    from upheld.target.model import Target

    pki = Pki(Path(folder))
    certificate = pki.issue("www.rivet.example")
    found: dict[str, Any] = {}
    for name, says in FLOODS.items():
        with raw(behaving(certificate, says)) as port:
            own = {"name": "right", "certificate": certificate.name, "key": f"file:{certificate.name}"}
            place = {"host": "www.rivet.example", "port": port, "address": "127.0.0.1"}
            service = {"name": "ledger", **place, "client": own}
            target = Target.model_validate(
                {
                    "name": "hostile",
                    "environment": "reference",
                    "timeout_seconds": SECONDS,
                    "ca": "ca.pem",
                    "endpoints": [endpoint("www", port)],
                    "internal": {"ca": "ca.pem", "services": [service]},
                }
            )
            session = Session(target, Redactor(), Scope(target), Path(folder), target_folder=Path(folder))
            http, internal = session.probe(Http), session.probe(Internal)
            assert isinstance(http, Http)
            assert isinstance(internal, Internal)
            looks = {
                "http": lambda http=http, port=port: http.client.send("GET", f"https://www.rivet.example:{port}/").status,
                "internal": lambda internal=internal: internal.greet(internal.services()[0], NO_CERTIFICATE).outcome,
            }  # fmt: skip
            for by, look in looks.items():
                begun = time.monotonic()
                try:
                    came = str(look())
                except Unobservable as unobservable:
                    came = f"unobservable: {unobservable.reason}"
                found[f"{by}, {name}"] = (came, time.monotonic() - begun)
            session.close()
    peak = peak_bytes()
    print(json.dumps({"found": found, "peak": peak}))


def test_nothing_after_a_handshake_keeps_a_probe_or_fills_the_memory(tmp_path: Path) -> None:
    script = f"from tests.upheld.probes.test_hostile_tls import meet_all; meet_all({str(tmp_path)!r})"
    printed = json.loads(said(script, seconds=200))
    assert printed["peak"] < MEMORY
    found = {name: came for name, (came, _) in printed["found"].items()}
    assert len(found) == 2 * len(FLOODS)
    for name, came in found.items():
        # A caller without a certificate whose connection is ended is refused; nobody is let in by any of this.
        assert came.startswith("unobservable: ") or came == "refused", (name, came)
        assert len(came) < 400
    for name in ("tickets", "new keys", "new keys asked for", "a drip", "silence"):
        assert "within 1 s" in found[f"http, {name}"], found
    for name in ("tickets", "new keys", "silence"):
        assert "within 1 s" in found[f"internal, {name}"], found


@pytest.mark.parametrize("name", ["tickets", "a fatal alert"])
def test_the_scan_of_versions_says_what_is_true(name: str, session_of: Any, tmp_path: Path) -> None:
    """It speaks no more once a handshake is made, so that what comes afterwards changes nothing that it says."""
    with raw(behaving(Pki(tmp_path).issue("www.rivet.example"), FLOODS[name])) as port:
        session = session_of(endpoints=[endpoint("www", port)], timeout_seconds=5, ca="ca.pem")
        tls = session.probe(Tls)
        assert isinstance(tls, Tls)
        (place,) = tls.endpoints()
        assert [one.chain_verified for one in tls.certificates(place)] == [True]
        assert tls.handshake(place, TlsVersion.TLS_1_3).completed
