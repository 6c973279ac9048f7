"""The published pages, security.txt and the status page, as they should be and as each sabotage makes them."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from upheld_reference.deployment import Deployment

Request = Callable[..., httpx.Response]
Sabotaged = Callable[[str], Deployment]

SENTENCES = (
    "How we protect your data, credentials, and your customers' information across the Rivet platform.",
    "Encryption at rest AES-256 Credentials & sensitive fields",
    "Encryption in transit TLS 1.2+ All API and web traffic",
    "Message log retention 90 days Configurable per workspace",
    "Data is processed in Germany and transferred to South Africa in accordance with our Privacy Policy.",
    "Platform uptime monitored continuously — see status.rivetsoftware.dev",
    "WhatsApp & Meta Credential Security",
    "Access tokens obtained via Meta's Embedded Signup are encrypted immediately on receipt using AES-256",
    "API authentication via short-lived tokens — no long-lived shared secrets exposed to client code",
    "Message logs and automation run data are retained for 90 days by default",
    "We do not sell customer data or WhatsApp contact lists to any third party",
    "We take all reports seriously and commit to acknowledging receipt within 2 business days.",
    "Report a vulnerability",
    "Response Within 2 business days",
    "we genuinely appreciate responsible researchers who help keep our customers safe.",
)


class MainText(HTMLParser):
    """The text within <main>, the elements in it, and the links of the whole page."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[str] = []
        self.links: dict[str, str] = {}
        self._inside = 0
        self._href: str | None = None

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside += tag == "main"
        if self._inside:
            self.elements.append(tag)
        if tag == "a":
            self._href = dict(attrs)["href"]

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "main"
        if tag in {"p", "li", "dt", "dd", "h1", "h2", "h3"}:
            self.words.append(" ")
        if tag == "a":
            self._href = None

    def handle_data(self, data: str) -> None:
        if self._href:
            self.links[data] = self._href
        if self._inside:
            self.words.append(data)


def page_of(answer: httpx.Response) -> MainText:
    parser = MainText()
    parser.feed(answer.text)
    return parser


def fields_of(answer: httpx.Response) -> list[tuple[str, str]]:
    text = answer.text.partition("\n\n")[2].partition("-----BEGIN PGP SIGNATURE-----")[0]
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def expiry_of(answer: httpx.Response) -> dt.datetime:
    return dt.datetime.fromisoformat(dict(fields_of(answer))["Expires"])


def test_the_security_page_carries_every_sentence_verbatim(deployment: Deployment, request_of: Request) -> None:
    answer = request_of(deployment, "www", "/security")
    page = page_of(answer)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert [sentence for sentence in SENTENCES if sentence not in page.text] == []
    assert page.text.startswith("Home / Security Security")
    assert (page.elements.count("h1"), page.elements.count("h2"), page.elements.count("li")) == (1, 8, 37)


def test_the_security_page_links_to_the_channel_it_names(deployment: Deployment, request_of: Request) -> None:
    links = page_of(request_of(deployment, "www", "/security")).links
    assert links["Report a vulnerability"] == "mailto:security@rivetsoftware.dev"
    assert links["Privacy Policy"] == "/privacy"
    assert links["status.rivetsoftware.dev"] == deployment.facts["listeners"]["status"]["url"] + "/"


def test_the_privacy_policy_names_both_places(deployment: Deployment, request_of: Request) -> None:
    text = page_of(request_of(deployment, "www", "/privacy")).text
    assert "Germany" in text
    assert "South Africa" in text


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/", "GET", 200), ("/", "HEAD", 200), ("/site.css", "GET", 200), ("/nope", "GET", 404), ("/", "POST", 405)],
)
def test_pages_answer_as_they_should(
    deployment: Deployment, request_of: Request, path: str, method: str, status: int
) -> None:
    assert request_of(deployment, "www", path, method).status_code == status


def test_security_txt_is_valid(deployment: Deployment, request_of: Request) -> None:
    answer = request_of(deployment, "www", "/.well-known/security.txt")
    www = deployment.facts["listeners"]["www"]["url"]
    fields = fields_of(answer)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    contacts = [value for name, value in fields if name == "Contact"]
    assert [contact.partition(":")[0] for contact in contacts] == ["mailto", "https"]
    assert ("Canonical", f"{www}/.well-known/security.txt") in fields
    assert [name for name, _ in fields].count("Expires") == 1
    remaining = expiry_of(answer) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=30) < remaining < dt.timedelta(days=365)


def test_the_https_contact_and_the_policy_answer(deployment: Deployment, request_of: Request) -> None:
    fields = fields_of(request_of(deployment, "www", "/.well-known/security.txt"))
    www = deployment.facts["listeners"]["www"]["url"]
    for name, value in fields:
        if value.startswith("https:"):
            assert value.startswith(www), name
            assert request_of(deployment, "www", value.removeprefix(www).partition("#")[0]).status_code == 200


def test_the_status_page_is_fresh_and_complete(deployment: Deployment, request_of: Request) -> None:
    report = request_of(deployment, "status", "/status.json").json()
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(report["checked_at"])
    assert dt.timedelta(0) <= age < dt.timedelta(seconds=15)
    assert {component["status"] for component in report["components"]} == {"operational"}
    names = {component["host_name"] for component in report["components"]}
    public = {facts["host_name"] for facts in deployment.facts["listeners"].values() if facts["public"]}
    assert names == {None, deployment.facts["listeners"]["graph"]["host_name"], *public}
    assert report["components"][0]["name"] in request_of(deployment, "status", "/").text


def test_access_log_has_no_query_string(deployment: Deployment, request_of: Request) -> None:
    request_of(deployment, "www", "/logged-path?seen=never-in-the-log")
    log = Path(deployment.facts["logs"]) / "access.log"
    for _ in range(100):  # the line is written once the answer is out, so that it may come after it
        if "GET /logged-path 404" in (text := log.read_text(encoding="utf-8")):
            break
        time.sleep(0.05)
    assert "GET /logged-path 404" in text
    assert "never-in-the-log" not in text


@pytest.mark.parametrize(
    ("sabotage", "added", "missing"),
    [
        ("page_with_new_sentence", ["Independent penetration tests are carried out every quarter"], []),
        (
            "page_with_changed_number",
            ["Message logs and automation run data are retained for 60 days by default"],
            ["Message logs and automation run data are retained for 90 days by default"],
        ),
        ("page_with_removed_sentence", [], [SENTENCES[10]]),
        (
            "page_with_swapped_figures",
            [
                "Encryption at rest TLS 1.2+ Credentials & sensitive fields",
                "Encryption in transit AES-256 All API and web traffic",
            ],
            [
                "Encryption at rest AES-256 Credentials & sensitive fields",
                "Encryption in transit TLS 1.2+ All API and web traffic",
            ],
        ),
    ],
)
def test_the_page_says_something_else(
    sabotaged: Sabotaged, request_of: Request, sabotage: str, added: list[str], missing: list[str]
) -> None:
    text = page_of(request_of(sabotaged(sabotage), "www", "/security")).text
    assert [sentence for sentence in added if sentence not in text] == []
    assert [sentence for sentence in SENTENCES if sentence not in text] == missing


def test_security_txt_is_expired(sabotaged: Sabotaged, request_of: Request) -> None:
    answer = request_of(sabotaged("security_txt_expired"), "www", "/.well-known/security.txt")
    assert expiry_of(answer) < dt.datetime.now(dt.UTC)


def test_security_txt_does_not_expire(sabotaged: Sabotaged, request_of: Request) -> None:
    answer = request_of(sabotaged("security_txt_without_expires"), "www", "/.well-known/security.txt")
    assert "Expires" not in dict(fields_of(answer))
    assert "Contact" in dict(fields_of(answer))


def test_security_txt_has_a_plain_http_contact(sabotaged: Sabotaged, request_of: Request) -> None:
    answer = request_of(sabotaged("security_txt_http_contact"), "www", "/.well-known/security.txt")
    contacts = [value.partition(":")[0] for name, value in fields_of(answer) if name == "Contact"]
    assert contacts == ["mailto", "http"]


def test_security_txt_has_the_wrong_media_type(sabotaged: Sabotaged, request_of: Request) -> None:
    answer = request_of(sabotaged("security_txt_wrong_media_type"), "www", "/.well-known/security.txt")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def gpg_verdict(answer: httpx.Response, key: str) -> str:
    """What gpg says of a signed security.txt: GOODSIG, BADSIG, or nothing of the kind."""
    gpg = shutil.which("gpg")
    if gpg is None:
        pytest.skip("there is no gpg on PATH")
    # Not in tmp_path: gpg's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="rivet-gpg-") as home:
        command = [gpg, "--homedir", home, "--batch", "--no-autostart", "--status-fd", "1"]
        subprocess.run([*command, "--import"], input=key, text=True, capture_output=True, check=True)
        verified = subprocess.run(
            [*command, "--verify"], input=answer.text, text=True, errors="replace", capture_output=True, check=False
        ).stdout
    return next((word for word in ("GOODSIG", "BADSIG") if word in verified), "")


def bounty_violations(running: Deployment, request_of: Request) -> set[str]:
    """Where a bounty is offered."""
    found = set()
    if "bounty" in request_of(running, "www", "/.well-known/security.txt").text.lower():
        found.add("security.txt")
    for path in ("/", "/security", "/privacy"):
        text = request_of(running, "www", path).text.lower()
        if "bounty" in text.replace("we do not currently offer a bug bounty programme", ""):
            found.add(path)
    return found


def test_nobody_is_offered_a_bounty(deployment: Deployment, request_of: Request) -> None:
    assert bounty_violations(deployment, request_of) == set()


@pytest.mark.parametrize(
    ("sabotage", "where"),
    [
        ("security_txt_names_bounty", {"security.txt"}),
        ("page_offers_bounty", {"/security"}),
        ("footer_links_to_bounty", {"/", "/security", "/privacy"}),
    ],
)
def test_a_bounty_is_offered(sabotaged: Sabotaged, request_of: Request, sabotage: str, where: set[str]) -> None:
    assert bounty_violations(sabotaged(sabotage), request_of) == where


def test_security_txt_is_signed_with_the_key_that_it_names(deployment: Deployment, request_of: Request) -> None:
    answer = request_of(deployment, "www", "/.well-known/security.txt")
    assert answer.text.startswith("-----BEGIN PGP SIGNED MESSAGE-----\n")
    www = deployment.facts["listeners"]["www"]["url"]
    key = request_of(deployment, "www", dict(fields_of(answer))["Encryption"].removeprefix(www))
    assert key.headers["content-type"] == "application/pgp-keys"
    assert key.text == Path(deployment.facts["security_txt_key"]).read_text(encoding="ascii")
    assert "PRIVATE" not in key.text
    assert gpg_verdict(answer, key.text) == "GOODSIG"


def test_security_txt_was_edited_after_it_was_signed(sabotaged: Sabotaged, request_of: Request) -> None:
    running = sabotaged("security_txt_signature_of_other_text")
    answer = request_of(running, "www", "/.well-known/security.txt")
    assert dict(fields_of(answer))["Preferred-Languages"] == "en, de"
    assert gpg_verdict(answer, request_of(running, "www", "/security-key.asc").text) == "BADSIG"


@pytest.mark.parametrize("listener", ["www", "status", "app"])
@pytest.mark.parametrize("path", ["/", "/no-such-page", "/site.css", "/logo.svg"])
def test_pages_keep_other_sites_out(deployment: Deployment, request_of: Request, listener: str, path: str) -> None:
    headers = request_of(deployment, listener, path).headers
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert ("script-src 'self'" in headers["content-security-policy"]) == (listener == "app")


def test_a_trailing_slash_leads_nowhere(deployment: Deployment, request_of: Request) -> None:
    for listener, path in (("www", "/security/"), ("app", "/login/"), ("status", "/status.json/")):
        answer = request_of(deployment, listener, path, headers={"host": "evil.example"})
        assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_security_txt_is_canonical_elsewhere(sabotaged: Sabotaged, request_of: Request) -> None:
    answer = request_of(sabotaged("security_txt_canonical_elsewhere"), "www", "/.well-known/security.txt")
    assert dict(fields_of(answer))["Canonical"] == "https://old.rivet.example/.well-known/security.txt"
