"""A real browser for tests: Debian's chromium, driven by Playwright; tests skip with the reason where there is none."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

from upheld_reference.deployment import Deployment

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextlib.contextmanager
def chromium() -> Iterator[Callable[[Deployment | None], Browser]]:
    """Starts browsers in which a deployment's names, where there is one, lead to its addresses, and no other name leads anywhere.

    Playwright runs once at a time, so that tests share one of these.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium on PATH")
    with playwright.sync_playwright() as started, contextlib.ExitStack() as stack:

        def launch(deployment: Deployment | None) -> Browser:
            listeners = deployment.facts["listeners"].values() if deployment else ()
            names = {(facts["host_name"], facts["address"]) for facts in listeners}
            rules = ", ".join([*(f"MAP {name} {address}" for name, address in sorted(names)), "MAP * ~NOTFOUND"])
            flags = [*_FLAGS, f"--host-resolver-rules={rules}, EXCLUDE 127.0.0.1"]
            running: Browser = started.chromium.launch(executable_path=program, args=flags)
            stack.callback(running.close)
            return running

        yield launch


class Tab:
    """A page in a context of its own, with what it asked for and what it complained about."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        # The deployment's authority is in no trust store; that certificates verify is what the tests of transit show.
        self.context = browser.new_context(ignore_https_errors=True, **options)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def log_in(self, deployment: Deployment, name: str) -> None:
        identity = next(one for one in deployment.facts["identities"] if one["name"] == name)
        self.page.goto(f"{deployment.facts['listeners']['app']['url']}/login")
        self.page.fill("#email", identity["email"])
        self.page.fill("#password", identity["password"])
        self.page.click("main button")
        self.page.wait_for_url("**/inbox")
