"""The security headers that every answer carries."""

from __future__ import annotations

from upheld_reference.platform import Asgi, Message, Receive, Scope, Send
from upheld_reference.settings import Settings

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the web pages: no script at all, styles and images of their own."""

APP_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The Content-Security-Policy of the web application: its own script, which makes no markup out of text."""

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of answers that are no pages."""

_UNUSED_FEATURES = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")


def hsts(settings: Settings) -> str:
    """The value of Strict-Transport-Security (RFC 6797 §6.1)."""
    return f"max-age={settings.hsts_max_age_seconds}; includeSubDomains"


class SecureHeaders:
    """ASGI middleware that adds the security headers to every answer, also to errors; it is the outermost one.

    A header that the application set itself is left alone. Strict-Transport-Security is sent over TLS only
    (RFC 6797 §7.2).
    """

    def __init__(
        self, app: Asgi, settings: Settings, content_security_policy: str = API_POLICY, *, private: bool = False
    ) -> None:
        """Wraps ``app``; of a ``private`` one no answer may be kept by a cache (RFC 9111 §5.2.2.5)."""
        self.app = app
        self.headers = {
            b"x-content-type-options": b"nosniff",
            # Not "no-referrer": browsers would then send forms with "Origin: null".
            b"referrer-policy": b"same-origin" if private else b"strict-origin-when-cross-origin",
            b"content-security-policy": content_security_policy.encode("ascii"),
            b"permissions-policy": ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES).encode("ascii"),
            b"cross-origin-opener-policy": b"same-origin",
            b"cross-origin-resource-policy": b"same-origin",
        }
        if private:
            self.headers[b"cache-control"] = b"no-store"
        self.tls_headers = {b"strict-transport-security": hsts(settings).encode("ascii")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", ())}
                wanted = self.headers | (self.tls_headers if scope["scheme"] == "https" else {})
                added = [(name, value) for name, value in wanted.items() if name not in present]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self.app(scope, receive, send_with_headers)
