"""Internal services and the database let in whom they know, and credentials are nowhere to be read."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

import internal_services as internal
from upheld_reference import passwords
from upheld_reference.deployment import Deployment
from upheld_reference.graph.standin import token_for
from upheld_reference.vault.sealing import INTEGRATION_KEYS, Sealer, SealError


def test_only_known_services_get_in(deployment: Deployment) -> None:
    assert internal.mtls_violations(deployment.facts) == set()


@pytest.mark.parametrize(
    ("who", "alert"),
    [
        ("no certificate", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        ("stranger", "TLSV1_ALERT_UNKNOWN_CA"),
        ("other_authority", "TLSV1_ALERT_UNKNOWN_CA"),
        ("expired", "SSL/TLS_ALERT_CERTIFICATE_EXPIRED"),
    ],
)
def test_whoever_is_kept_out_is_told_why(deployment: Deployment, who: str, alert: str) -> None:
    said = internal.answer(deployment.facts, "vault", internal.refused(deployment.facts)[who])
    assert said.replace("SSLV3", "SSL/TLS").replace("SSL/TLS_ALERT", "SSL/TLS_ALERT") == alert


def test_a_service_that_may_not_call_is_refused(deployment: Deployment) -> None:
    certificates = deployment.facts["internal"]["certificates"]
    assert internal.answer(deployment.facts, "vault", certificates["api"]) == "HTTP/1.1 200 OK"
    assert internal.answer(deployment.facts, "vault", certificates["planter"]) == "HTTP/1.1 403 Forbidden"
    # The worker may call the vault, but not for this.
    assert internal.answer(deployment.facts, "vault", certificates["worker"]) == "HTTP/1.1 403 Forbidden"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not installed")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_sees_it_too(deployment: Deployment, version: str) -> None:
    facts = deployment.facts
    called = facts["listeners"]["vault"]

    def answer(files: dict[str, str] | None) -> str:
        command = ["openssl", "s_client", version, "-ign_eof", "-CAfile", facts["internal"]["ca_file"]]
        command += ["-connect", f"{called['address']}:{called['port']}", "-servername", called["host_name"]]
        if files:
            command += ["-cert", files["certificate"], "-key", files["key"]]
        done = subprocess.run(command, input=internal.REQUEST, capture_output=True, timeout=30, check=False)
        return done.stdout.decode("latin-1") + done.stderr.decode("latin-1")

    assert "HTTP/1.1 200 OK" in answer(facts["internal"]["certificates"]["api"])
    for files in internal.refused(facts).values():
        said = answer(dict(files) if files else None)
        assert "HTTP/1.1" not in said
        assert "alert" in said


def test_a_certificate_opens_its_own_role_only(deployment: Deployment) -> None:
    facts = deployment.facts
    for name, described in facts["database_roles"].items():
        assert internal.connection(facts, name) == described["role"]
    planter = facts["internal"]["certificates"]["planter"]
    said = internal.connection(facts, "application", sslcert=planter["certificate"], sslkey=planter["key"])
    assert 'certificate authentication failed for user "rivet_application"' in said


def test_the_database_hangs_up_on_plain_text(deployment: Deployment) -> None:
    for negotiation in ({"sslmode": "disable", "sslnegotiation": "postgres"}, {"sslnegotiation": "postgres"}):
        said = internal.connection(deployment.facts, "auditor", **negotiation)
        assert "server closed the connection unexpectedly" in said


def test_no_token_is_readable_anywhere(rivet: Any) -> None:
    assert internal.token_copies(rivet) == set()


def test_no_webhook_secret_is_readable_anywhere(rivet: Any) -> None:
    assert internal.secret_violations(rivet) == set()


def test_the_search_would_find_a_token(rivet: Any) -> None:
    code = f"AQ{uuid4().hex}"
    with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as db:
        db.execute("CREATE TABLE public.parked (token text)")
        try:
            db.execute("INSERT INTO public.parked VALUES (%s)", [token_for(code)])
            assert internal.holding(rivet.facts, [token_for(code)]) == {"dump", "wal"}
        finally:
            db.execute("DROP TABLE public.parked")


def test_passwords_are_salted_slow_hashes(rivet: Any) -> None:
    assert internal.password_violations(rivet) == set()
    first, second = passwords.hash_password("one and the same"), passwords.hash_password("one and the same")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches("one and the same", first)
    assert not passwords.matches("another", first)


def test_rotation_is_real_and_advised(rivet: Any) -> None:
    assert internal.rotation_violations(rivet) == set()


def test_young_tokens_are_not_nagged_about(rivet: Any) -> None:
    young, old = rivet.workspace("globex")["objects"]["whatsapp_accounts"]
    listed = {one["id"]: one for one in rivet.call("GET", rivet.path("globex", "/whatsapp"), "globex-agent").json()}
    assert (listed[young]["token_age_days"], listed[young]["rotation_advised"]) == (20, False)
    assert (listed[old]["token_age_days"], listed[old]["rotation_advised"]) == (200, True)


@pytest.mark.slow
def test_meta_is_called_over_verified_tls_only(rivet: Any) -> None:
    assert internal.graph_violations(rivet) == set()


def test_nobody_but_meta_hears_of_a_sign_up(rivet: Any) -> None:
    assert internal.sharing_violations(rivet) == set()


def test_roles_have_what_is_declared_and_no_more(deployment: Deployment) -> None:
    assert internal.role_violations(deployment.facts) == set()
    with psycopg.connect(deployment.facts["postgres"]["urls"]["superuser"]) as db:
        assert internal.granted(db) == deployment.facts["database_grants"]


def test_ids_and_tokens_are_apart(deployment: Deployment) -> None:
    assert internal.apart_violations(deployment.facts) == set()


def test_a_new_key_seals_and_the_old_ones_open(tmp_path: Path) -> None:
    sealer, row_id = Sealer.create(tmp_path), uuid4()
    first, sealed = sealer.key_id, sealer.seal(b"secret", INTEGRATION_KEYS, row_id)
    second = sealer.add_key()
    assert sealer.seal(b"secret", INTEGRATION_KEYS, row_id)[1:9] == second.encode("ascii")
    assert sealer.open(sealed, INTEGRATION_KEYS, row_id) == b"secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"vault-{one}.key" for one in (first, second))
    with pytest.raises(ValueError, match=second):
        sealer.drop_key(second)
    sealer.drop_key(first)
    with pytest.raises(SealError):
        sealer.open(sealed, INTEGRATION_KEYS, row_id)
    assert [path.name for path in tmp_path.iterdir()] == [f"vault-{second}.key"]


@pytest.mark.slow
def test_rotating_the_key_seals_everything_anew(batch: Callable[[Sequence[str]], tuple[Deployment, Any]]) -> None:
    _, rivet = batch(())
    facts = rivet.facts
    request = b"POST /v1/keys HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    query = """
        SELECT key_id, convert_from(substr(sealed, 2, 8), 'UTF8') FROM vault.whatsapp_tokens
        UNION ALL SELECT key_id, convert_from(substr(sealed, 2, 8), 'UTF8') FROM vault.webhook_secrets
        UNION ALL SELECT key_id, convert_from(substr(sealed, 2, 8), 'UTF8') FROM vault.integration_keys
    """
    certificates = facts["internal"]["certificates"]
    assert internal.answer(facts, "vault", certificates["api"], request) == "HTTP/1.1 403 Forbidden"
    with psycopg.connect(rivet.postgres("vault_auditor"), autocommit=True) as db:
        [old] = {key_id for key_id, _ in db.execute(query).fetchall()}
        assert internal.answer(facts, "vault", certificates["migrations"], request) == "HTTP/1.1 200 OK"
        rows = db.execute(query).fetchall()
    [(new, in_header)] = set(rows)
    assert new == in_header != old
    assert {path.name for path in Path(facts["secrets"]).glob("vault-*.key")} == {
        f"vault-{old}.key",
        f"vault-{new}.key",
    }
    body = {"conversation_id": rivet.workspace("acme")["objects"]["conversations"][0], "text": "still sent"}
    assert rivet.call("POST", rivet.path("acme", "/messages"), "acme-agent", json=body).status_code == 201
    assert len(internal.calls(rivet, "/messages")) == 1


def test_a_credential_that_belongs_to_nothing_goes(rivet: Any) -> None:
    left, young = uuid4(), uuid4()
    query = """
        INSERT INTO vault.webhook_secrets (id, workspace_id, webhook_id, sealed, key_id, sealed_at)
        VALUES (%s, %s, %s, '', 'none', now() - make_interval(mins => %s))
    """
    with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as db:
        for row_id, minutes in ((left, 5), (young, 0)):
            db.execute(query, [row_id, rivet.workspace("acme")["id"], uuid4(), minutes])
        try:
            deadline = time.monotonic() + 30
            there = {left, young}
            while left in there and time.monotonic() < deadline:
                time.sleep(0.2)
                rows = db.execute("SELECT id FROM vault.webhook_secrets WHERE id = ANY(%s)", [[left, young]]).fetchall()
                there = {row_id for (row_id,) in rows}
            assert there == {young}
        finally:
            db.execute("DELETE FROM vault.webhook_secrets WHERE id = ANY(%s)", [[left, young]])


_BATCHES: tuple[tuple[Sequence[str], dict[str, set[str]]], ...] = (
    (
        (
            "client_certificate_optional",
            "member_passwords_plaintext",
            "token_in_json_column",
            "edge_role_granted_credentials",
            "graph_certificate_not_verified",
            "old_token_still_used",
        ),
        {
            "mtls": {"vault: no certificate", "worker: no certificate", "database: no certificate"},
            "passwords": {"plain"},
            "tokens": {"dump", "wal"},
            "roles": {
                "rivet_application may more on vault",
                "rivet_application may more on vault.integration_keys",
                "rivet_application may more on vault.webhook_secrets",
            },
            "graph": {"talks to an impostor"},
            "rotation": {"old token used"},
        },
    ),
    (
        (
            "any_client_authority_accepted",
            "member_passwords_unsalted_sha256",
            "token_base64_in_queue_table",
            "application_owns_tables",
            "graph_falls_back_to_http",
            "no_rotation_advice",
        ),
        {
            "mtls": {
                f"{who}: {what}" for who in ("vault", "worker", "database") for what in ("stranger", "other_authority")
            },
            "passwords": {"unsalted"},
            "tokens": {"dump", "wal"},
            "roles": {"rivet_application owns app.contacts", "rivet_application owns app.templates"},
            "graph": {"http to graph"},
            "rotation": {"no advice at the number", "no notice to the owner", "no notice to the admin"},
        },
    ),
    (
        (
            "expired_client_certificate_accepted",
            "token_in_debug_log",
            "application_bypasses_row_security",
            "graph_http_base_url_accepted",
            "rotation_keeps_old_ciphertext",
            "webhook_secret_returned_whole",
        ),
        {
            "mtls": {"vault: expired", "worker: expired", "database: expired"},
            "tokens": {"debug log"},
            "roles": {"rivet_application bypasses row security"},
            "graph": {"http to graph"},
            "rotation": {"old token used", "old ciphertext kept"},
            "secrets": {"api"},
        },
    ),
    (
        (
            "database_without_tls",
            "token_parked_in_pending_table",
            "application_is_superuser",
            "ids_and_tokens_in_one_table",
            "token_sent_to_analytics",
        ),
        {
            "mtls": {
                f"database: {how}" for how in ("plain text", "no certificate", "stranger", "other_authority", "expired")
            },
            "tokens": {"wal"},
            "roles": {"rivet_application is superuser"},
            "apart": {"vault.whatsapp_tokens", "rivet_application reads both"},
            "sharing": {"collect.metrics.example", "with the token"},
        },
    ),
    (
        (
            "token_in_error_log_when_graph_fails",
            "view_joins_ids_and_tokens",
            "webhook_secret_stored_plain",
            "whatsapp_tokens_with_hard_coded_key",
        ),
        {
            "tokens": {"error log"},
            "roles": {"rivet_application may more on app.whatsapp_connections"},
            "apart": {"app.whatsapp_connections"},
            "secrets": {"dump", "wal"},
            "keys in the code": {"rivet/vault/sealing.py"},
        },
    ),
    (("token_plain_in_job_queue",), {"tokens": {"wal"}}),
    (("whatsapp_token_stored_plain",), {"tokens": {"dump", "wal"}}),
)


def keys_in_the_code(rivet: Any) -> set[str]:
    """The files of the platform's repository that have a key of the vault in them."""
    keys = [Path(one["file"]).read_bytes().hex().encode("ascii") for one in rivet.facts["vault_keys"]]
    repository = Path(rivet.facts["codebase"]["repository"])
    return {
        str(path.relative_to(repository))
        for path in repository.rglob("*.py")
        if any(key in path.read_bytes() for key in keys)
    }


_WAYS: dict[str, Callable[[Any], set[str]]] = {
    "mtls": lambda rivet: internal.mtls_violations(rivet.facts),
    "graph": internal.graph_violations,
    "passwords": internal.password_violations,
    "tokens": internal.token_copies,
    "secrets": internal.secret_violations,
    "roles": lambda rivet: internal.role_violations(rivet.facts),
    "apart": lambda rivet: internal.apart_violations(rivet.facts),
    "rotation": internal.rotation_violations,
    "sharing": internal.sharing_violations,
    "keys in the code": keys_in_the_code,
}


def test_no_key_is_in_the_code(rivet: Any) -> None:
    assert keys_in_the_code(rivet) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "expected"), _BATCHES, ids=lambda value: value[0] if isinstance(value, tuple) else ""
)
def test_sabotage(
    batch: Callable[[Sequence[str]], tuple[Deployment, Any]], names: Sequence[str], expected: dict[str, set[str]]
) -> None:
    _, rivet = batch(names)
    assert {way: look(rivet) for way, look in _WAYS.items() if way in expected} == expected
