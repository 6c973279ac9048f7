"""Deliveries come over HTTPS only, to a verified receiver, and signed so that an altered or old one is known."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from receivers import PORT, Received, give, receiver, untrusted

_WINDOW_SECONDS = 300
_REDIRECT = "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def verifies(secret: str, request: Received, body: bytes | None = None, now: float | None = None) -> bool:
    """What a receiver does, written from the documentation of the header alone."""
    parts = dict(part.split("=", 1) for part in request.headers.get("rivet-signature", "").split(",") if "=" in part)
    if not {"t", "v1"} <= parts.keys():
        return False
    if abs((time.time() if now is None else now) - int(parts["t"])) > _WINDOW_SECONDS:
        return False
    signed = parts["t"].encode() + b"." + (request.body if body is None else body)
    return hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(), parts["v1"])


def register(rivet: Any, url: str, tenant: str = "acme") -> dict[str, Any]:
    response = rivet.call("POST", rivet.path(tenant, "/webhooks"), f"{tenant}-owner", json={"url": url})
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def remove(rivet: Any, webhook: dict[str, Any], tenant: str = "acme") -> None:
    path = rivet.path(tenant, f"/webhooks/{webhook['id']}")
    assert rivet.call("DELETE", path, f"{tenant}-owner").status_code == 204


def ping(rivet: Any, webhook: dict[str, Any], tenant: str = "acme") -> dict[str, Any]:
    """Pings a webhook and gives the delivery once it is delivered or dead."""
    path = rivet.path(tenant, f"/webhooks/{webhook['id']}")
    response = rivet.call("POST", f"{path}/ping", f"{tenant}-owner")
    assert response.status_code == 202, response.text
    wanted = response.json()["id"]
    assert response.json()["status"] == "pending"
    while True:
        listed = rivet.call("GET", f"{path}/deliveries", f"{tenant}-owner").json()
        found: dict[str, Any] = next(one for one in listed if one["id"] == wanted)
        if found["status"] != "pending":
            return found
        time.sleep(0.1)


def signed_violations(rivet: Any) -> set[str]:
    """How deliveries of this deployment fall short of "HTTPS only, signed payloads"."""
    found = set()
    with receiver(rivet, None) as (name, plain):
        url = f"http://{name}:{PORT}/hook"
        response = rivet.call("POST", rivet.path("acme", "/webhooks"), "acme-owner", json={"url": url})
        if response.status_code != 422:
            found.add("http accepted")
            ping(rivet, response.json())
            remove(rivet, response.json())
            assert plain.received
    with receiver(rivet, untrusted) as (name, stranger):
        webhook = register(rivet, f"https://{name}:{PORT}/hook")
        delivery = ping(rivet, webhook)
        remove(rivet, webhook)
        assert stranger.contacts
        if stranger.plaintext:
            found.add("untrusted certificate")
        else:
            assert {attempt["error"] for attempt in delivery["attempts"]} == {"certificate refused"}
    with receiver(rivet) as (name, good):
        webhooks = [register(rivet, f"https://{name}:{PORT}/{number}") for number in range(2)]
        deliveries = [ping(rivet, webhook) for webhook in webhooks]
        assert [delivery["status"] for delivery in deliveries] == ["delivered", "delivered"]
        for webhook, request in zip(webhooks, good.received, strict=True):
            found |= signature_violations(webhook["secret"], request)
            remove(rivet, webhook)
        if webhooks[0]["secret"] == webhooks[1]["secret"]:
            found.add("secrets shared")
        elif "signature" not in " ".join(found):
            assert not verifies(webhooks[0]["secret"], good.received[1])
    with receiver(rivet, None) as (plain_name, plain):
        answer = _REDIRECT.format(f"http://{plain_name}:{PORT}/elsewhere").encode()
        with receiver(rivet, answer=answer) as (name, _):
            webhook = register(rivet, f"https://{name}:{PORT}/hook")
            ping(rivet, webhook)
            remove(rivet, webhook)
        if plain.contacts:
            found.add("redirect to http followed")
    return found


def signature_violations(secret: str, request: Received) -> set[str]:
    if "rivet-signature" not in request.headers:
        return {"no signature"}
    if not verifies(secret, request):
        return {"signature does not verify"}
    body = request.body
    for altered in (body[:-1], body + b" ", body.replace(b"ping", b"pong"), b" " + body):
        assert not verifies(secret, request, altered)
    assert not verifies(secret, request, now=time.time() + _WINDOW_SECONDS + 60)
    assert not verifies(f"{secret}x", request)
    return set()


def test_deliveries_are_https_only_and_signed(rivet: Any) -> None:
    assert signed_violations(rivet) == set()


def test_a_message_is_told_to_every_webhook_of_its_workspace_by_ids_only(rivet: Any) -> None:
    text = f"secret words {uuid4().hex}"
    conversation = rivet.workspace("acme")["objects"]["conversations"][0]
    with receiver(rivet) as (name, mine), receiver(rivet) as (other_name, other):
        webhook = register(rivet, f"https://{name}:{PORT}/in?a=b")
        foreign = register(rivet, f"https://{other_name}:{PORT}/", "globex")
        body = {"conversation_id": conversation, "text": text}
        message = rivet.call("POST", rivet.path("acme", "/messages"), "acme-agent", json=body).json()
        while not mine.received:
            time.sleep(0.05)
        request = mine.received[0]
        assert request.line == "POST /in?a=b HTTP/1.1"
        assert request.headers["rivet-event"] == "message.created"
        told = json.loads(request.body)
        assert told["event"] == "message.created"
        assert told["workspace_id"] == rivet.workspace("acme")["id"]
        assert told["data"] == {"message_id": message["id"], "conversation_id": conversation}
        assert text.encode() not in mine.plaintext
        path = rivet.path("acme", f"/webhooks/{webhook['id']}/deliveries")
        assert [one["id"] for one in rivet.call("GET", path, "acme-owner").json()] == [
            request.headers["rivet-delivery"]
        ]
        assert other.contacts == 0
        remove(rivet, webhook)
        remove(rivet, foreign, "globex")


def test_a_message_is_sent_while_somebody_removes_a_webhook(rivet: Any) -> None:
    """The removal is under way when the message comes; it used to refuse the message, which has nothing to do with it, with a 409."""
    webhook = register(rivet, "https://hooks.example.com/gone")
    conversation = rivet.workspace("acme")["objects"]["conversations"][0]
    sent: list[Any] = []

    def send() -> None:
        body = {"conversation_id": conversation, "text": "hello"}
        sent.append(rivet.call("POST", rivet.path("acme", "/messages"), "acme-owner", json=body))

    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%webhook_deliveries%'"
    )
    with psycopg.connect(rivet.postgres("superuser")) as removing:
        removing.execute("DELETE FROM app.webhooks WHERE id = %s", [webhook["id"]])
        thread = threading.Thread(target=send)
        thread.start()
        with psycopg.connect(rivet.postgres("superuser"), autocommit=True) as looking:
            while thread.is_alive() and looking.execute(waiting).fetchone() == (0,):
                time.sleep(0.05)
        removing.commit()
        thread.join()
    assert sent[0].status_code == 201, sent[0].text


def test_an_international_name_is_delivered_to_by_its_ascii_form(rivet: Any) -> None:
    with receiver(rivet) as (_, running):
        label = f"bücher-{uuid4().hex[:8]}"
        ascii_name = f"{label}.example.net".encode("idna").decode("ascii")
        give(rivet.facts, ascii_name, running.address)
        webhook = register(rivet, f"https://{label}.example.net:{PORT}/x")
        assert webhook["url"] == f"https://{ascii_name}:{PORT}/x"
        assert ping(rivet, webhook)["status"] == "delivered"
        assert running.received[0].headers["host"] == f"{ascii_name}:{PORT}"
        assert f'"host": "{ascii_name}"' in rivet.log("outbound")
        remove(rivet, webhook)


def test_a_delivery_is_tried_a_bounded_number_of_times_and_then_forgotten(rivet: Any) -> None:
    answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with receiver(rivet, answer=answer) as (name, broken):
        webhook = register(rivet, f"https://{name}:{PORT}/")
        delivery = ping(rivet, webhook)
        attempts = rivet.facts["webhooks"]["attempts"]
        assert delivery["status"] == "dead"
        assert [(one["status"], one["error"]) for one in delivery["attempts"]] == [
            (500, "refused by the receiver")
        ] * attempts
        assert len(broken.received) == attempts
        assert len({request.headers["rivet-delivery"] for request in broken.received}) == 1
        assert {request.body for request in broken.received} == {broken.received[0].body}
        with psycopg.connect(rivet.postgres("superuser")) as db:
            kept = db.execute("SELECT body FROM app.webhook_deliveries WHERE id = %s", [delivery["id"]]).fetchone()
        assert kept == (None,)
        remove(rivet, webhook)


def test_a_receiver_that_recovers_gets_what_it_missed(rivet: Any) -> None:
    with receiver(rivet, answer=b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as (name, busy):
        webhook = register(rivet, f"https://{name}:{PORT}/")
        path = rivet.path("acme", f"/webhooks/{webhook['id']}")
        assert rivet.call("POST", f"{path}/ping", "acme-owner").status_code == 202
        while not busy.received:
            time.sleep(0.02)
        busy.answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        while (found := rivet.call("GET", f"{path}/deliveries", "acme-owner").json()[0])["status"] == "pending":
            time.sleep(0.1)
        assert found["status"] == "delivered"
        assert found["attempts"][-1]["error"] is None
        remove(rivet, webhook)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "redirected"),
        (b"no HTTP at all\r\n\r\n", "no answer"),
        (b"", "no answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 200_000 + b"\r\n\r\n", "no answer"),
    ],
    ids=["redirect", "garbage", "nothing", "endless headers"],
)
def test_answers_that_do_not_count(rivet: Any, answer: bytes, error: str) -> None:
    with receiver(rivet, answer=answer) as (name, odd):
        webhook = register(rivet, f"https://{name}:{PORT}/")
        delivery = ping(rivet, webhook)
        assert (delivery["status"], {one["error"] for one in delivery["attempts"]}) == ("dead", {error})
        assert len(odd.received) == rivet.facts["webhooks"]["attempts"]
        remove(rivet, webhook)


def test_an_answer_without_an_end_counts_by_its_status_and_is_not_read(rivet: Any) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 1000
    with receiver(rivet, answer=answer) as (name, _):
        webhook = register(rivet, f"https://{name}:{PORT}/")
        assert ping(rivet, webhook)["status"] == "delivered"
        remove(rivet, webhook)


def test_the_worker_answers_the_api_and_nobody_else(rivet: Any) -> None:
    internal, worker = rivet.facts["internal"], rivet.facts["listeners"]["worker"]

    def answered(caller: str, method: str, path: str) -> int:
        trust = ssl.create_default_context(cafile=internal["ca_file"])
        trust.load_cert_chain(internal["certificates"][caller]["certificate"], internal["certificates"][caller]["key"])
        with httpx.Client(verify=trust, trust_env=False) as client:
            url = f"https://{worker['address']}:{worker['port']}{path}"
            return client.request(method, url, extensions={"sni_hostname": worker["host_name"]}).status_code

    assert answered("api", "GET", "/health") == 200
    assert answered("api", "POST", "/wake") == 204
    assert answered("api", "GET", "/wake") == 405
    assert answered("staff", "POST", "/wake") == 403


def test_no_workspace_takes_the_whole_queue(rivet: Any) -> None:
    acme, globex = (rivet.workspace(name)["id"] for name in ("acme", "globex"))
    with psycopg.connect(rivet.postgres("superuser")) as db:  # never committed, so that the worker sees nothing of it
        for workspace, count in ((acme, 10), (globex, 2)):
            query = """
                INSERT INTO app.webhook_deliveries (workspace_id, webhook_id, event, body, due_at)
                SELECT %s, %s, 'ping', '{}', '2000-01-01' FROM generate_series(1, %s)
            """
            db.execute(
                query,
                [
                    workspace,
                    rivet.workspace("acme" if workspace == acme else "globex")["objects"]["webhooks"][0],
                    count,
                ],
            )

        def claimed(*busy: str) -> list[str]:
            query = "SELECT workspace_id::text FROM app.claim_webhook_deliveries(100, 60, %s::uuid[])"
            return sorted(row[0] for row in db.execute(query, [list(busy)]).fetchall())

        assert claimed(acme) == [globex] * 2
        assert claimed() == [acme] * 4
        assert claimed() == [acme] * 4
        assert claimed() == [acme] * 2
        assert claimed() == []
        db.rollback()


def test_deliveries_are_for_managers_and_their_own_webhooks(rivet: Any) -> None:
    mine = rivet.workspace("acme")["objects"]["webhooks"][0]
    theirs = rivet.workspace("globex")["objects"]["webhooks"][0]
    for method, rest in (("GET", "deliveries"), ("POST", "ping")):
        own = rivet.path("acme", f"/webhooks/{mine}/{rest}")
        assert rivet.call(method, own, "acme-admin").status_code in {200, 202}
        assert {rivet.call(method, own, f"acme-{role}").status_code for role in ("agent", "viewer")} == {403}
        assert rivet.call(method, own).status_code == 401
        answers = [
            rivet.call(method, rivet.path("acme", f"/webhooks/{one}/{rest}"), "acme-owner")
            for one in (theirs, UUID(int=1))
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
        assert rivet.call(method, rivet.path("acme", f"/webhooks/x/{rest}"), "acme-owner").status_code == 422
    seeded = rivet.call("GET", rivet.path("globex", f"/webhooks/{theirs}/deliveries"), "globex-owner").json()
    assert sum(one["status"] == "delivered" for one in seeded) == 3


def test_a_url_is_refused_with_a_reason_that_repeats_nothing(rivet: Any) -> None:
    canary = uuid4().hex
    for url in (
        f"http://{canary}.example.net/",
        f"https://u:{canary}@a.example.net/",
        f"https://a.example.net:22/{canary}",
    ):
        response = rivet.call("POST", rivet.path("acme", "/webhooks"), "acme-owner", json={"url": url})
        assert response.status_code == 422
        (detail,) = response.json()["details"]
        assert detail["where"] == "body.url"
        assert detail["message"].startswith("the URL must ")
        assert canary not in response.text


def test_the_worker_role_sees_one_workspace_and_only_what_it_needs(rivet: Any) -> None:
    acme = rivet.workspace("acme")["id"]
    with psycopg.connect(rivet.postgres("worker"), autocommit=True) as db:
        for table in ("app.webhooks", "app.webhook_deliveries"):
            assert db.execute(f"SELECT id FROM {table} LIMIT 1").fetchone() is None
        db.execute("SELECT set_config('rivet.workspace_id', %s, false)", [acme])
        for table in ("app.webhooks", "app.webhook_deliveries"):
            assert db.execute(f"SELECT DISTINCT workspace_id::text FROM {table}").fetchall() == [(acme,)]
        for forbidden in (
            "SELECT * FROM app.messages",
            "SELECT * FROM app.contacts",
            "SELECT * FROM vault.webhook_secrets",
            "DELETE FROM app.webhook_deliveries",
            "UPDATE app.webhooks SET url = 'https://x.example'",
            "INSERT INTO app.webhook_deliveries (workspace_id, webhook_id, event, body) SELECT workspace_id, id, 'x', 'x' FROM app.webhooks",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(forbidden)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ("webhook_http_accepted", "webhook_certificate_not_verified", "webhook_shared_signing_key"),
            {"http accepted", "untrusted certificate", "secrets shared"},
        ),
        (
            ("webhook_signature_missing", "webhook_redirect_to_http_followed"),
            {"no signature", "redirect to http followed"},
        ),
        (("webhook_signature_over_part_of_body",), {"signature does not verify"}),
    ],
)
def test_sabotage(batch: Callable[..., Any], names: tuple[str, ...], expected: set[str]) -> None:
    _, rivet = batch(names)
    assert signed_violations(rivet) == expected
