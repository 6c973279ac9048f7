"""Members of a workspace as their browsers send requests, without a browser: cookies are kept, forms carry their tokens."""

from __future__ import annotations

import html
import re
import ssl
import time
from typing import Any, Self

import httpx

from upheld_reference.deployment import Deployment


class _Loopback(httpx.HTTPTransport):
    """Reaches every host on 127.0.0.1 and verifies the certificate against the name that was asked for."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


class WebMember:
    """A browser of its own at the address ``source``, for one listener of a deployment."""

    def __init__(self, deployment: Deployment, listener: str = "app", source: str = "127.0.0.1") -> None:
        trusted = ssl.create_default_context(cafile=deployment.facts["ca_file"])
        self.facts = deployment.facts
        self.url: str = deployment.facts["listeners"][listener]["url"]
        transport = _Loopback(verify=trusted, local_address=source)
        self.client = httpx.Client(base_url=self.url, transport=transport, trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.client.close()

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """One request, repeated when the rate limit (not the lockout, which answers with a page) says so."""
        while True:
            answer = self.client.request(method, path, **request)
            if answer.status_code != 429 or answer.headers["content-type"].startswith("text/html"):
                return answer
            time.sleep(int(answer.headers["retry-after"]))

    def get(self, path: str, **request: Any) -> httpx.Response:
        return self.send("GET", path, **request)

    def csrf(self, path: str = "/login") -> str:
        """The token in the first form of a page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return html.unescape(found[1])

    def post(self, path: str, fields: dict[str, str], **request: Any) -> httpx.Response:
        headers = {"origin": self.url, "sec-fetch-site": "same-origin", **request.pop("headers", {})}
        return self.send("POST", path, data=fields, headers=headers, **request)

    def log_in(self, name: str, password: str | None = None) -> httpx.Response:
        """Sends the login form as the identity ``name``, with another password if one is given."""
        identity = next(one for one in self.facts["identities"] if one["name"] == name)
        fields = {"csrf": self.csrf(), "email": identity["email"], "password": password or identity["password"]}
        return self.post("/login", fields)
