"""Webhooks as a customer uses them: registered at the API, delivered to receivers of the harness's own.

Every look registers what it needs, waits for what becomes of it, and deletes it again.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import ssl
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from upheld.errors import Unobservable
from upheld.probes import signatures
from upheld.probes.api_answers import Reply
from upheld.probes.api_logins import at
from upheld.probes.base import Probe, Session, look
from upheld.probes.inside import Way, make_ways
from upheld.probes.listener import Headers, Listener, Zone, listening, made_up_certificate, server_context
from upheld.probes.receiver_answers import Delivery, InsideTry, Registration, SignedDelivery, Stranger
from upheld.probes.sending import HTTP, LISTENS, PLANTING, PLANTS, Sending, Sends
from upheld.probes.tenant_calls import TenantCalls
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.target.network import Receivers as Description
    from upheld.target.network import Webhooks as Scheme

__all__ = ["Delivery", "InsideTry", "Receivers", "Registration", "SignedDelivery", "Stranger", "Way"]

_POLL_SECONDS = (0.3, 2.0)
"""The first pause before a target is asked whether a delivery is over, and the longest; each is longer than the one before."""
_AT_ONCE = 12


class Receivers(TenantCalls, Probe):
    """Registers webhooks as the target's identity and is their receiver."""

    name: ClassVar[str] = "receivers"
    needs: ClassVar[tuple[str, ...]] = ("webhooks", "receivers", "api")
    sends: ClassVar[Sending] = dict.fromkeys(
        ("control", "deliver_to", "deliver_with_redirects_to_http", "register", "signed_deliveries", "try_inside"),
        (
            *PLANTING,
            Sends(HTTP, "{call:ping}, {call:deliveries}", "{identity}", each="webhooks"),
            Sends(HTTP, "{call:update}", "{identity}", does=PLANTS, each="webhooks"),
            Sends(LISTENS, "{receivers.addresses} port {receivers.port}, for deliveries"),
            Sends(LISTENS, "{receivers.inside} port {receivers.port}, for what goes inside"),
        ),
    )

    def __init__(self, session: Session) -> None:
        """Registers and listens to nothing yet."""
        Probe.__init__(self, session)
        TenantCalls.__init__(self, session)
        self._secrets = 0

    def close(self) -> None:
        """Delete every webhook that is still there."""
        self.close_calls()

    # --- looks -----------------------------------------------------------------------------------------------------

    @look
    def control(self) -> Delivery:
        """One delivery to a receiver with a trusted certificate: what shows that deliveries arrive at all."""
        return self._deliver(Stranger.NOBODY)

    @look
    def deliver_to(self, stranger: Stranger) -> Delivery:
        """One delivery to a receiver with such a certificate."""
        return self._deliver(stranger)

    @look
    def deliver_with_redirects_to_http(self, statuses: tuple[int, ...]) -> tuple[Delivery, ...]:
        """For each status a delivery to a trusted receiver that redirects with it to a plain http one of the harness."""
        self._before_threads()

        def one(status: int) -> Delivery:
            try:
                return self._deliver(Stranger.NOBODY, redirect=status)
            except Unobservable as error:
                return Delivery(Stranger.NOBODY, 0, (), 0, 0, status, error.reason)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(pool.map(one, statuses))

    @look
    def register(self, how: str) -> Registration:
        """Register a URL of a fresh name whose scheme is written as `how` says: `https`, `http`, `HTTP`, `http on port 443`.

        `change to http` registers an https one and changes it. What is taken is pinged, to see whether it comes in plain text.
        """
        with self._receiver(self._trusted()) as (name, listener):
            port = self._described.port
            scheme = how.split(maxsplit=1)[0] if how != "change to http" else "http"
            place = {"http on port 443": f"{name}:443", "http without a port": name}.get(how, f"{name}:{port}")
            url = f"{scheme}://{place}/{secrets.token_hex(4)}"
            if how == "change to http":
                reply, webhook = self._changed(f"https://{place}/", url)
            else:
                reply, webhook = self._register(url)
            accepted = reply.worked
            try:
                # Where the change was refused the webhook is there all the same: what comes shows whether it is as it was.
                if accepted or (how == "change to http" and webhook):
                    delivery = self._ping(webhook)
                    self._until_over(webhook, delivery, listener, lambda: bool(listener.requests))
            finally:
                self._remove(webhook)
            return Registration(how, url, accepted, reply.status, sum(not one.tls for one in listener.requests))

    @look
    def may_change(self) -> bool:
        """Whether the target names an operation that changes a webhook's URL."""
        return self._scheme.update is not None

    @look
    def signed_deliveries(self, webhooks: int = 2) -> tuple[SignedDelivery, ...]:
        """One delivery for each of so many webhooks of the same customer, with what their signatures cover."""
        got = []
        with contextlib.ExitStack() as stack:
            stack.callback(self.planter.remove_all)
            context = self._trusted()
            for number in range(webhooks):
                name, listener = stack.enter_context(self._receiver(context))
                reply, webhook = self._register(f"https://{name}:{self._described.port}/{number}")
                self._taken(reply)
                got.append((f"webhook {number + 1}", self._secret(reply), webhook, listener))
            for _, _, webhook, _ in got:
                self._ping(webhook)
            found = []
            for label, secret, _, listener in got:
                if not listener.has_request(self._scheme.delivery_seconds):
                    raise Unobservable(f"no delivery came to {label} within {self._scheme.delivery_seconds:g} s")
                others = [(other, theirs) for other, theirs, _, _ in got if other != label]
                found.append(self._signed(label, secret, listener, others))
        return tuple(found)

    @look
    def timestamps_are_signed(self) -> bool:
        """Whether the declared scheme has a time in what is signed."""
        return "{timestamp}" in self._scheme.signature.content

    @look
    def ways_inside(self) -> tuple[Way, ...]:
        """Every way inside that is tried here: spellings of addresses, names, names that change, redirects."""
        if not self._described.inside:
            raise Unobservable("the target names no address that stands for an internal service (receivers.inside)")
        return make_ways()

    @look
    def try_inside(self, ways: tuple[Way, ...]) -> tuple[InsideTry, ...]:
        """Try each of these ways, several at a time, each with a listener inside of its own."""
        self._before_threads()
        context = self._trusted()
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                return tuple(pool.map(lambda way: self._try(way, context), ways))
        finally:
            self.planter.remove_all()

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Description:
        if self.session.target.receivers is None:
            raise Unobservable("the target describes no receivers")
        return self.session.target.receivers

    @property
    def _scheme(self) -> Scheme:
        if self.session.target.webhooks is None:
            raise Unobservable("the target describes no webhooks")
        return self.session.target.webhooks

    def _before_threads(self) -> None:
        """Log in, and read the API's document, once, before many threads ask for it."""
        self.authorization(self._scheme.identity)
        _ = self.document, self.planter, self.client("")

    def _zone(self) -> Zone:
        if self._described.zone_file is None:
            raise Unobservable("the target names no zone file in which the harness has names (receivers.zone_file)")
        return Zone(self.session.target_folder / self._described.zone_file)

    def _fresh_name(self) -> str:
        return self._described.names.replace("{random}", f"u{secrets.token_hex(5)}")

    def _trusted(self) -> ssl.SSLContext:
        return server_context(resolve(self._described.trusted, self.session.target_folder))

    @contextlib.contextmanager
    def _receiver(
        self, context: ssl.SSLContext | None, *, name: str = "", status: int = 200, headers: Headers = ()
    ) -> Iterator[tuple[str, Listener]]:
        """A listener where deliveries may go, and a name that leads to it."""
        name = name or self._fresh_name()
        places = self._described.addresses
        with listening(places, self._described.port, context, status=status, headers=headers) as listener:
            if self._described.zone_file is None:
                yield name, listener
                return
            with self._zone().names(name, listener.address):
                yield name, listener

    def _deliver(self, stranger: Stranger, redirect: int = 0) -> Delivery:
        with contextlib.ExitStack() as stack:
            name = self._fresh_name()
            headers: Headers = ()
            plain: Listener | None = None
            if redirect:
                plain_name, plain = stack.enter_context(self._receiver(None))
                headers = (("location", f"http://{plain_name}:{self._described.port}/elsewhere"),)
            if stranger is Stranger.OTHER_NAME:
                self._zone()  # Without names of its own the harness cannot have one that the certificate is not for.
                name = f"a.{name}"
            context = (
                server_context(made_up_certificate(name)) if stranger is Stranger.UNKNOWN_AUTHORITY else self._trusted()
            )
            _, listener = stack.enter_context(
                self._receiver(context, name=name, status=redirect or 200, headers=headers)
            )
            reply, webhook = self._register(f"https://{name}:{self._described.port}/{secrets.token_hex(4)}")
            stack.callback(self._remove, webhook)
            self._taken(reply)
            delivery = self._ping(webhook)
            # A receiver that takes the delivery ends it; all others are waited for, as the next attempt may be another.
            done = (
                (lambda: bool(listener.requests))
                if not redirect
                else (lambda: plain is not None and plain.contacts > 0)
            )
            self._until_over(webhook, delivery, listener, done)
            return Delivery(
                stranger,
                listener.contacts,
                tuple(dict.fromkeys(listener.refusals)),
                len(listener.requests),
                plain.contacts if plain else 0,
                redirect,
            )

    def _register(self, url: str) -> tuple[Reply, str]:
        kind = self._scheme.object
        recipe = self.description.objects.get(kind)
        if recipe is None:
            raise Unobservable(f"the target does not say how to make a {kind} (api.objects)")
        reply = self.send(recipe.create, identity=self._scheme.identity, objects={}, body={self._scheme.url: url})
        if reply.worked:
            self._secret(reply)  # Known to the redactor before anything is kept.
        return reply, reply.made

    def _changed(self, before: str, after: str) -> tuple[Reply, str]:
        if self._scheme.update is None:
            raise Unobservable("the target names no operation that changes a webhook (webhooks.update)")
        reply, webhook = self._register(before)
        self._taken(reply)
        return self._call(self._scheme.update, webhook, {self._scheme.url: after}), webhook

    @staticmethod
    def _taken(reply: Reply) -> None:
        if not reply.worked or not reply.made:
            raise Unobservable(f"a webhook could not be registered: {reply.subject} answered {reply.status}")

    def _secret(self, reply: Reply) -> str:
        secret = self._given(reply, self._scheme.secret, "signing secret")
        self._secrets += 1
        self.session.redactor.add(secret, f"webhook secret {self._secrets}")
        return secret

    @staticmethod
    def _given(reply: Reply, pointer: str, what: str) -> str:
        """What an answer has at a JSON pointer; raises Unobservable with the word for it where it has nothing there."""
        try:
            return str(at(json.loads(reply.text), pointer))
        except (ValueError, RecursionError, Unobservable):
            raise Unobservable(f"{reply.subject} gives no {what} at {pointer}") from None

    def _call(self, operation: str, webhook: str, body: Any = None) -> Reply:
        objects = {self._scheme.object: webhook}
        return self.send(operation, identity=self._scheme.identity, objects=objects, body=body)

    def _remove(self, webhook: str) -> None:
        """Delete a webhook now; what cannot be deleted now is tried again at the end."""
        recipe = self.description.objects[self._scheme.object]
        if recipe.delete is not None and webhook:
            with contextlib.suppress(Unobservable):
                if self._call(recipe.delete, webhook).worked:
                    self.planter.forget(webhook)

    def _ping(self, webhook: str) -> str:
        """Have something delivered; gives its id, where the target says where that is."""
        reply = self._call(self._scheme.ping, webhook)
        if not reply.worked:
            raise Unobservable(f"nothing could be delivered: {self._scheme.ping} answered {reply.status}")
        pointer = self._scheme.delivery
        return "" if pointer is None else self._given(reply, pointer, "id of the delivery")

    def _until_over(self, webhook: str, delivery: str, listener: Listener, done: Any) -> None:
        """Wait until `done`, or the delivery has come to its end; at most as long as a delivery may take."""
        end = time.monotonic() + self._scheme.delivery_seconds
        pause, longest = _POLL_SECONDS
        while not done() and (left := end - time.monotonic()) > 0:
            if listener.wait(done, min(pause, left)):
                return
            pause = min(longest, 1.5 * pause)
            if self._scheme.deliveries is not None and self._is_over(webhook, delivery):
                return

    def _is_over(self, webhook: str, delivery: str) -> bool:
        try:
            reply = self._call(self._scheme.deliveries or "", webhook)
            return reply.worked and str(self._status(json.loads(reply.text), delivery)) not in self._scheme.pending
        except (TypeError, ValueError, RecursionError, Unobservable):
            return False

    def _status(self, listed: Any, delivery: str) -> Any:
        """What the list says of a delivery; of the first one where its id is not known."""
        place = self._scheme.in_entry()
        if self._scheme.delivery is None or place is None:
            return at(listed, self._scheme.status)
        for entry in at(listed, place[0]):
            if str(at(entry, self._scheme.delivery)) == delivery:
                return at(entry, place[1])
        raise Unobservable("the list does not have the delivery")

    def _signed(self, label: str, secret: str, listener: Listener, others: Sequence[tuple[str, str]]) -> SignedDelivery:
        scheme, request = self._scheme.signature, listener.requests[0]
        parsed, body = signatures.parse(scheme, request), request.body
        moved = signatures.Parsed(parsed.signature, f"{parsed.timestamp}0", parsed.id)
        altered = [body[:-1], body + b" ", body[: len(body) // 2] + b"X" + body[len(body) // 2 + 1 :]]
        return SignedDelivery(
            webhook=label,
            header=request.header(scheme.header) is not None,
            signature=bool(parsed.signature),
            timestamp=parsed.timestamp,
            age_seconds=_age(parsed.timestamp, request.at),
            body_bytes=len(body),
            covered_bytes=signatures.covered(scheme, secret, parsed, body),
            altered=any(signatures.verifies(scheme, secret, parsed, one) for one in altered if one != body),
            moved=signatures.verifies(scheme, secret, moved, body),
            others=tuple(other for other, theirs in others if signatures.verifies(scheme, theirs, parsed, body)),
        )

    def _try(self, way: Way, context: ssl.SSLContext) -> InsideTry:
        with contextlib.ExitStack() as stack:
            port = self._described.port
            inside = stack.enter_context(listening(self._described.inside, port, context))
            name = self._fresh_name()
            # Where the name changes, a refusal by the allowed receiver makes for more look-ups.
            answer = 500 if way.kind == "turn" else 307
            headers: Headers = ()
            if way.kind == "redirect":
                headers = (("location", way.filled(inside.address, port, "", "")),)
            allowed = stack.enter_context(
                listening(self._described.addresses, port, context, status=answer, headers=headers)
            )
            value = way.filled(inside.address, port, allowed.address, self._fresh_name())
            url = value if way.kind == "url" else f"https://{name}:{port}/"
            if way.kind == "name":
                stack.enter_context(self._zone().names(name, value))
            elif way.kind == "redirect":
                stack.enter_context(self._zone().names(name, allowed.address))
            reply, pinged, reason = None, False, ""
            try:
                reply, webhook = self._register(url)
                stack.callback(self._remove, webhook)
                if way.kind == "turn":
                    stack.enter_context(self._zone().names(name, *value.split("/")))
                if reply.worked and reply.made:
                    delivery = self._ping(webhook)
                    pinged = True
                    self._until_over(webhook, delivery, inside, lambda: inside.contacts > 0)
            except Unobservable as error:
                reason = error.reason
            status = reply.status if reply else 0
            taken = reply is not None and reply.worked
            return InsideTry(way, taken, status, pinged, inside.contacts, len(allowed.requests), reason)


def _age(timestamp: str, received: datetime) -> float | None:
    """Seconds from a delivery's own time (Unix seconds or milliseconds, or RFC 3339) to its receipt; None when it is no time."""
    try:
        number = float(timestamp)
    except ValueError:
        try:
            moment = datetime.fromisoformat(timestamp)
        except ValueError:
            return None
        return (received - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).total_seconds()
    return received.timestamp() - (number / 1000 if number > 1e11 else number)
