"""Running reference deployments, and how tests reach them. Nothing here uses upheld."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from upheld_reference import deployment as deployments
from upheld_reference.deployment import Deployment

_HERE = Path(__file__).parent
_BATCHES = (
    ("tls_1_0_on_one_port", "hsts_too_short", "security_txt_expired", "page_with_new_sentence"),
    ("tls_1_1_on_one_port", "hsts_missing", "security_txt_without_expires", "page_with_changed_number"),
    ("certificate_expired", "plain_http_serves_content", "security_txt_http_contact", "page_with_removed_sentence"),
    ("certificate_wrong_name", "security_txt_wrong_media_type", "footer_links_to_bounty"),
    ("certificate_self_signed", "security_txt_canonical_elsewhere"),
    ("security_txt_signature_of_other_text", "page_offers_bounty"),
)
"""Sabotages that do not get in each other's way share a deployment, for each start takes seconds."""


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """One untouched deployment for the whole session; no test may leave it changed."""
    with deployments.start() as running:
        yield running


@pytest.fixture(scope="session")
def sabotaged() -> Iterator[Callable[[str], Deployment]]:
    """Gives a deployment that has the named sabotage, perhaps with others that do not touch it."""
    with contextlib.ExitStack() as stack:
        running: dict[tuple[str, ...], Deployment] = {}

        def having(name: str) -> Deployment:
            batch = next((batch for batch in _BATCHES if name in batch), (name,))
            if batch not in running:
                running[batch] = stack.enter_context(deployments.start(batch))
            return running[batch]

        yield having


@pytest.fixture(scope="session")
def request_of() -> Iterator[Callable[..., httpx.Response]]:
    """Sends a request to a listener under its public name, trusting the deployment's authority only."""
    with contextlib.ExitStack() as stack:
        clients: dict[str, httpx.Client] = {}

        def send(
            running: Deployment, listener: str, path: str, method: str = "GET", *, verify: bool = True, **options: Any
        ) -> httpx.Response:
            facts = running.facts["listeners"][listener]
            trust = ssl.create_default_context(cafile=running.facts["ca_file"])
            if not verify:
                trust.check_hostname = False
                trust.verify_mode = ssl.CERT_NONE
            key = f"{running.folder} {verify}"
            if key not in clients:
                clients[key] = stack.enter_context(httpx.Client(verify=trust, trust_env=False))
            headers = {"host": f"{facts['host_name']}:{facts['port']}", **options.pop("headers", {})}
            return clients[key].request(
                method,
                f"{facts['scheme']}://{facts['address']}:{facts['port']}{path}",
                headers=headers,
                extensions={"sni_hostname": facts["host_name"]},
                **options,
            )

        yield send


@pytest.fixture(scope="session")
def handshake() -> Callable[..., str]:
    """Shakes hands with a listener in exactly one TLS version and returns it; raises ssl.SSLError when refused."""

    def shake(running: Deployment, listener: str, version: ssl.TLSVersion, *, verify: bool = True) -> str:
        facts = running.facts["listeners"][listener]
        context = ssl.create_default_context(cafile=running.facts["ca_file"])
        context.set_ciphers("ALL:@SECLEVEL=0")  # else this client itself could not offer the old versions
        context.minimum_version = context.maximum_version = version
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection((facts["address"], facts["port"]), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=facts["host_name"]) as secure,
        ):
            return str(secure.version())

    return shake


class _Loopback(httpx.HTTPTransport):
    """Reaches every host on 127.0.0.1 and verifies the certificate against the name that was asked for."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


class Rivet:
    """A running deployment as the members of its workspaces use it."""

    def __init__(self, deployment: Deployment) -> None:
        self.facts = deployment.facts
        self._trusted = ssl.create_default_context(cafile=self.facts["ca_file"])
        self._headers: dict[str, tuple[float, dict[str, str]]] = {}
        self._client = self.client()

    def client(self) -> httpx.Client:
        """A client of the API that sends each request as it is, and once."""
        url = self.facts["listeners"]["api"]["url"]
        return httpx.Client(base_url=url, transport=_Loopback(verify=self._trusted), trust_env=False, timeout=10)

    def identity(self, name: str) -> dict[str, Any]:
        return next(identity for identity in self.facts["identities"] if identity["name"] == name)

    def workspace(self, name: str) -> dict[str, Any]:
        return next(workspace for workspace in self.facts["workspaces"] if workspace["name"] == name)

    def path(self, tenant: str, rest: str = "") -> str:
        return f"/v1/workspaces/{self.workspace(tenant)['id']}{rest}"

    def login(self, name: str) -> dict[str, str]:
        """The Authorization header of an identity, with a token that is far from its end."""
        since, header = self._headers.get(name, (float("-inf"), {}))
        if time.monotonic() - since > self.facts["token_lifetime_seconds"] / 2:
            identity = self.identity(name)
            body = {"email": identity["email"], "password": identity["password"]}
            token = self.call("POST", "/v1/tokens", json=body).json()["access_token"]
            header = {"Authorization": f"Bearer {token}"}
            self._headers[name] = (time.monotonic(), header)
        return header

    def call(self, method: str, path: str, who: str | None = None, **request: Any) -> httpx.Response:
        """One request as the identity ``who``, repeated when the rate limit says so."""
        headers = {**(self.login(who) if who else {}), **request.pop("headers", {})}
        while True:
            try:
                response = self._client.request(method, path, headers=headers, **request)
            except httpx.RemoteProtocolError:  # the server closes a connection on which something broke
                response = self._client.request(method, path, headers=headers, **request)
            if response.status_code != 429:
                return response
            time.sleep(int(response.headers.get("Retry-After", "2")))

    def log(self, name: str) -> str:
        return Path(self.facts["logs"], f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def postgres(self, role: str) -> str:
        return str(self.facts["postgres"]["urls"][role])

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="session")
def rivet(deployment: Deployment) -> Iterator[Rivet]:
    """The untouched deployment as its members use it."""
    with contextlib.closing(Rivet(deployment)) as reached:
        yield reached


@pytest.fixture
def sabotaged_rivet() -> Iterator[Callable[[str], Rivet]]:
    """Starts a deployment with one sabotage that ends with the test, and gives it as its members use it."""
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(
            contextlib.closing(Rivet(stack.enter_context(deployments.start([name]))))
        )


@pytest.fixture
def batch() -> Iterator[Callable[[Sequence[str]], tuple[Deployment, Rivet]]]:
    """Starts a deployment with several sabotages that ends with the test, and gives it with its members' view of it."""
    with contextlib.ExitStack() as stack:

        def having(names: Sequence[str]) -> tuple[Deployment, Rivet]:
            running = stack.enter_context(deployments.start(names))
            return running, stack.enter_context(contextlib.closing(Rivet(running)))

        yield having


@pytest.fixture
def sabotaged_rivets() -> Iterator[Callable[..., Rivet]]:
    """As ``sabotaged_rivet``, with any number of sabotages that do not get in each other's way; with none it is untouched."""
    with contextlib.ExitStack() as stack:
        yield lambda *names: stack.enter_context(
            contextlib.closing(Rivet(stack.enter_context(deployments.start(names))))
        )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take one started sabotage of each file in a plain run: `upheld calibrate` proves all of them, as does `nox -s exhaustive`."""
    taken: set[Path] = set()
    ours = [one for one in items if isinstance(one, pytest.Function) and one.path.parent == _HERE]
    for item in ours:
        if "callspec" in vars(item) and item.originalname.startswith("test_sabotage"):
            if item.path in taken:
                item.add_marker(pytest.mark.exhaustive)
            taken.add(item.path)
