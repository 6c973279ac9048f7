"""The hosts that the deployment calls: which are declared, what causes calls, and what a pretender in their place gets."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.canaries import Canaries, Flow, FlowRun
from upheld.probes.listener import Zone, listening, made_up_certificate, server_context
from upheld.probes.resting import DESCRIBED, Resting
from upheld.probes.sending import AS_MEMBERS, HTTP, LISTENS, WRITES, Sending, Sends

if TYPE_CHECKING:
    from upheld.target.network import Outbound as Description
    from upheld.target.network import Receivers

_AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class Destination:
    """A host that the deployment declares to call, and what for."""

    purpose: str
    host: str
    port: int

    def __str__(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Impersonation:
    """What came to somebody who answered in a host's place with a certificate that nobody trusts.

    `before` and `after` are the answers of the flow with the true host in its place, and whether they are the declared ones.
    """

    destination: Destination
    flow: str
    before: FlowRun
    before_worked: bool
    during: tuple[int, ...]
    contacts: int
    refusals: tuple[str, ...]
    requests: int
    after: FlowRun
    after_worked: bool


class Callees(Probe):
    """Knows whom the deployment says to call, and stands in for a host that is called."""

    name: ClassVar[str] = "callees"
    needs: ClassVar[tuple[str, ...]] = ("outbound",)
    rests: ClassVar[Resting] = {"destinations": DESCRIBED, "code": DESCRIBED}
    sends: ClassVar[Sending] = {
        "exercises": (),
        "impersonate": (
            *AS_MEMBERS,
            Sends(
                HTTP,
                "{call:operation}, which makes the deployment call out",
                "{identity}",
                None,
                WRITES,
                each="canary_flows",
            ),
            Sends(LISTENS, "{receivers.addresses} port {receivers.port}, in place of hosts that the deployment calls"),
        ),
    }

    @look
    def destinations(self) -> tuple[Destination, ...]:
        """Every host that the target declares to be called."""
        return tuple(Destination(one.purpose, one.host.lower(), one.port) for one in self._described.destinations)

    @look
    def exercises(self, purpose: str) -> tuple[Flow, ...]:
        """The canary flows that cause calls for this purpose; raises Unobservable when the target names none."""
        return self._flows(purpose)

    @look
    def code(self, purpose: str) -> tuple[str, ...]:
        """The folders or files of the repository that make calls for this purpose; empty when the target does not say."""
        return self._described.code.get(purpose, ())

    @look
    def impersonate(self, destination: Destination) -> Impersonation:
        """Stand in for a host, with a certificate of an authority made up just now, while calls to it are caused.

        Its name leads to the harness by the target's zone file only for as long as this takes. A connection that the deployment
        has kept open leads to the true host still, so calls are caused several at a time, and again once idle ones are closed.
        """
        canaries = cast("Canaries", self.session.probe(Canaries))
        flow = self._flows(destination.purpose)[0]
        receivers = self._receivers
        if receivers.zone_file is None:
            raise Unobservable(
                "the target names no zone file by which a name leads to the harness (receivers.zone_file)"
            )
        zone = Zone(self.session.target_folder / receivers.zone_file)
        before = canaries.run(flow)
        during: list[int] = []
        context = server_context(made_up_certificate(destination.host))
        with (
            listening(receivers.addresses, destination.port, context, status=500) as listener,
            zone.names(destination.host, listener.address),
        ):
            for pause in (0.0, self._described.idle_seconds):
                time.sleep(pause)
                with ThreadPoolExecutor(_AT_ONCE) as pool:
                    during += [run.status for run in pool.map(canaries.run, [flow] * _AT_ONCE)]
                if listener.contacts:
                    break
        after = canaries.run(flow)
        return Impersonation(
            destination,
            flow.name,
            before,
            before.status in flow.statuses,
            tuple(during),
            listener.contacts,
            tuple(dict.fromkeys(listener.refusals)),
            len(listener.requests),
            after,
            after.status in flow.statuses,
        )

    @property
    def _described(self) -> Description:
        if self.target.outbound is None:
            raise Unobservable("the target describes no outbound calls")
        return self.target.outbound

    @property
    def _receivers(self) -> Receivers:
        if self.target.receivers is None:
            raise Unobservable("the target describes no receivers")
        return self.target.receivers

    def _flows(self, purpose: str) -> tuple[Flow, ...]:
        names = self._described.exercised_by.get(purpose, ())
        known = {one.name: one for one in cast("Canaries", self.session.probe(Canaries)).flows()}
        missing = [name for name in names if name not in known]
        if missing or not names:
            what = (
                f"no canary flow is called {missing[0]!r}" if missing else f"nothing is said to cause {purpose} calls"
            )
            raise Unobservable(f"{what} (outbound.exercised_by)")
        return tuple(known[name] for name in names)
