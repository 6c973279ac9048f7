"""The checks of security.txt and of the page that names the channel, against real servers."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from upheld.model import Finding, LeftOut, NotObserved
from upheld.probes.clock import Clock
from upheld.probes.http import Http
from upheld.probes.publication import Publication

from ..loopback import Pki, endpoint, load_checks, server_context, web

checks = load_checks("disclosure")
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
HTML = {"Content-Type": "text/html; charset=utf-8"}
WELL_KNOWN = "/.well-known/security.txt"


def at(days: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


WHEN = at(100)
GOOD = f"# Hello\nContact: mailto:security@rivet.example.com\nExpires: {WHEN}\nPreferred-Languages: en, de-ZA\n"


class Site:
    """A site that answers as its test says, and the audit of it."""

    def __init__(self, session_of: Callable[..., Any], context: Any, folder: Path) -> None:
        self.session_of, self.context, self.folder = session_of, context, folder

    def session(self, port: int, **more: Any) -> Any:
        publication = {"page": f"https://www.rivet.example:{port}/security", **more}
        return self.session_of(
            endpoints=[endpoint("www", port)], ca="ca.pem", timeout_seconds=5, publication=publication
        )

    def audit(
        self,
        text: str = GOOD,
        *,
        headers: Mapping[str, str] = TEXT,
        status: int = 200,
        pages: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> list[Any]:
        def answer(method: str, path: str, _: Any) -> Any:
            if pages is not None and path in pages:
                found = pages[path]
            elif path == WELL_KNOWN:
                found = (status, headers, text.encode())
            else:
                found = (404, HTML, b"no")
            return (
                found[0],
                {k: v.replace("{port}", str(self.port)) for k, v in found[1].items()},
                found[2].replace(b"{port}", str(self.port).encode()),
            )

        with web(answer, self.context) as self.port:
            session = self.session(self.port, **more)
            with session.recording("t"):
                arguments = (session.probe(Publication), session.probe(Http), session.probe(Clock))
                return list(checks.security_txt_is_valid(*arguments))


@pytest.fixture
def site(session_of: Callable[..., Any], tmp_path: Path) -> Site:
    return Site(session_of, server_context(Pki(tmp_path).issue("www.rivet.example")), tmp_path)


def failed(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.observed for one in found if isinstance(one, Finding) and not one.passed}


def unseen(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.reason for one in found if isinstance(one, NotObserved)}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("Contact", "CONTACT").replace("Expires", "expires"),
        GOOD.replace("Z\n", "+02:00\n"),
        GOOD.replace("Z\n", ".123z\n"),
        GOOD + "\nContact: tel:+27-11-555-0100\nContact: mailto:a%2Bb@rivet.example.com?subject=x\n",
        GOOD
        + "Canonical: https://other.example/x\nCanonical: https://WWW.rivet.example:{port}/.well-known/security.txt\n",
        GOOD + "Encryption: openpgp4fpr:5f2de5521c63a801ab59ccb603d49de44b29100f\nX-New-Field: value\n",
        "\ufeff" + GOOD,
    ],
)
def test_valid_files_are_upheld(site: Site, text: str) -> None:
    found = site.audit(text)
    assert failed(found) == {}
    assert unseen(found) == {}
    assert {"security.txt", "Expires"} <= {str(one.subject) for one in found}


def test_expiry_far_ahead_is_only_noted(site: Site) -> None:
    found = site.audit(GOOD.replace(WHEN[:10], at(800)[:10]))
    assert failed(found) == {}
    assert "more than the year" in next(one.observed for one in found if one.subject == "Expires")


@pytest.mark.parametrize(
    ("text", "subject", "observed"),
    [
        (GOOD.replace(WHEN[:10], at(-3)[:10]), "Expires", "expired on"),
        (GOOD.replace("Expires", "X-Expires"), "Expires", "no Expires field"),
        (f"{GOOD}Expires: {at(50)}\n", "Expires", "2 Expires fields"),
        (GOOD.replace(WHEN, "2099-12-31"), "Expires", "not a date and time in RFC 3339"),
        (GOOD.replace(WHEN, "Thu, 31 Dec 2099 18:37:07 GMT"), "Expires", "not a date and time in RFC 3339"),
        (GOOD.replace(WHEN, WHEN[:-1]), "Expires", "not a date and time in RFC 3339"),
        (GOOD.replace(WHEN, "2099-13-31T00:00:00Z"), "Expires", "not a date and time in RFC 3339"),
        (GOOD.replace("Contact:", "X:"), "Contact", "no Contact field"),
        (
            GOOD.replace("mailto:", "http://rivet.example/?"),
            "Contact http://rivet.example/?security@rivet.example.com",
            "without TLS",
        ),
        (GOOD.replace("mailto:", ""), "Contact security@rivet.example.com", "no URI"),
        (GOOD.replace("mailto:security@", "mailto:"), "Contact mailto:rivet.example.com", "no mail address"),
        (GOOD + "Contact: tel:nobody\n", "Contact tel:nobody", "no telephone number"),
        (GOOD + "Preferred-Languages: fr\n", "Preferred-Languages", "2 Preferred-Languages fields"),
        (GOOD + "Canonical: https://old.rivet.example/.well-known/security.txt\n", "Canonical", "names https://old"),
        (GOOD + "Canonical: https://www.rivet.example:9/.well-known/security.txt\n", "Canonical", "rivet.example:9/"),
        (GOOD + "Canonical: https://old.rivet.example:{port}/.well-known/security.txt\n", "Canonical", "https://old"),
        (GOOD + "Policy: http://rivet.example/policy\n", "Policy http://rivet.example/policy", "without TLS"),
        (GOOD + "please write to us\n", "security.txt", "a line is no field"),
        ("", "security.txt", "no fields"),
    ],
)
def test_bad_fields_are_refuted(site: Site, text: str, subject: str, observed: str) -> None:
    found = failed(site.audit(text))
    assert observed in found.get(subject, ""), found


@pytest.mark.parametrize(
    ("answer", "observed"),
    [
        ({"status": 404}, "answered 404"),
        ({"status": 401}, "answered 401"),
        ({"status": 204, "text": ""}, "answered 204"),
        ({"headers": HTML}, "not text/plain"),
        ({"headers": {}}, "media type is none"),
        ({"headers": {"Content-Type": "text/plain"}}, "charset is not given"),
        ({"headers": {"Content-Type": "text/plain; charset=latin-1"}}, "charset is latin-1"),
        ({"headers": HTML, "text": "<!doctype html><h1>Welcome</h1>"}, "an HTML page"),
        ({"headers": TEXT, "text": "\n <html>Contact: mailto:a@b.example\n"}, "an HTML page"),
        ({"status": 301, "headers": {"Location": "/gone"}}, "answered 404 after 1 redirects"),
        ({"status": 301, "headers": {"Location": "http://www.rivet.example/security.txt"}}, "without TLS"),
        ({"status": 301, "headers": {}}, "ends in status 301"),
    ],
)
def test_what_is_no_security_txt_is_refuted(site: Site, answer: dict[str, Any], observed: str) -> None:
    assert observed in failed(site.audit(**answer))["security.txt"]


def test_media_type_is_case_insensitive_and_quoted_charset_counts(site: Site) -> None:
    assert failed(site.audit(headers={"Content-Type": 'Text/Plain; Charset="UTF-8"'})) == {}


def test_redirect_to_a_good_file_is_upheld_and_out_of_scope_not_observed(site: Site) -> None:
    pages = {
        "/security.txt": (200, TEXT, (GOOD + "Canonical: https://www.rivet.example:{port}/security.txt\n").encode())
    }
    assert failed(site.audit(status=301, headers={"Location": "/security.txt"}, pages=pages)) == {}
    found = site.audit(status=301, headers={"Location": "https://cdn.example.com/security.txt"})
    assert failed(found) == {}
    assert "outside the target's scope" in unseen(found)["security.txt"]
    assert "redirect loop" in unseen(site.audit(status=301, headers={"Location": WELL_KNOWN}))["security.txt"]
    assert "still limited" in unseen(site.audit(status=429))["security.txt"]


def test_web_contacts_in_scope_must_answer_and_others_are_not_followed(site: Site) -> None:
    pages = {
        "/report": (200, HTML, b"form"),
        "/moved": (302, {"Location": "/gone"}, b""),
        "/busy": (503, HTML, b""),
    }
    text = GOOD + "".join(
        f"Contact: https://www.rivet.example:{{port}}/{path}\n" for path in ("report#part", "gone", "moved", "busy")
    )
    found = site.audit(
        text + "Contact: https://elsewhere.example.com/report\nContact: xmpp:security@rivet.example.com\n", pages=pages
    )
    assert [subject.rpartition("/")[2] for subject in failed(found)] == ["gone", "moved"]
    assert [subject.rpartition("/")[2] for subject in unseen(found)] == [
        "busy",
        "Contact xmpp:security@rivet.example.com",
    ]
    assert [one.reason for one in found if isinstance(one, LeftOut)] == ["outside the target's scope, not followed"]


def test_target_may_say_where_the_file_is_but_not_over_plain_http(site: Site, session_of: Callable[..., Any]) -> None:
    with web({WELL_KNOWN: (200, TEXT, GOOD.encode())}) as port:
        publication = {"page": "https://x.example/", "security_txt": f"http://www.rivet.example:{port}{WELL_KNOWN}"}
        session = session_of(endpoints=[endpoint("www", port, scheme="http")], publication=publication)
        found = list(
            checks.security_txt_is_valid(session.probe(Publication), session.probe(Http), session.probe(Clock))
        )
    assert "not served over HTTPS" in failed(found)["security.txt"]


def test_target_without_publication(session_of: Callable[..., Any]) -> None:
    session = session_of()
    found = list(checks.security_txt_is_valid(session.probe(Publication), session.probe(Http), session.probe(Clock)))
    assert unseen(found) == {"security.txt": "the target describes no publication"}


# --- signatures --------------------------------------------------------------------------------------------------


@pytest.fixture
def gpg() -> Iterator[Callable[..., str]]:
    """Runs gpg with a key ring of its own; its sockets need a short path."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    with tempfile.TemporaryDirectory(prefix="upheld-test-gpg-") as home:

        def run(*arguments: str, text: str | None = None) -> str:
            command = [
                "gpg",
                "--homedir",
                home,
                "--batch",
                "--passphrase",
                "",
                "--pinentry-mode",
                "loopback",
                *arguments,
            ]
            return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60).stdout

        yield run
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, check=False)


def test_signatures_are_verified(site: Site, gpg: Callable[..., str]) -> None:
    for name in ("one@example.com", "two@example.com"):
        gpg("--quick-gen-key", name, "ed25519", "sign", "never")
        (site.folder / f"{name}.asc").write_text(gpg("--armor", "--export", name))
    signed = gpg("--local-user", "one@example.com", "--clear-sign", text=GOOD)
    right = {"security_txt_key": "one@example.com.asc"}
    found = site.audit(signed, **right)
    assert failed(found) == {}
    assert found[-1].observed == "the signature verifies"
    assert "does not match" in failed(site.audit(signed.replace("# Hello", "# Hallo"), **right))["signature"]
    assert "another key" in failed(site.audit(signed, security_txt_key="two@example.com.asc"))["signature"]
    assert "names no OpenPGP key" in unseen(site.audit(signed))["signature"]
    assert "cannot be read" in unseen(site.audit(signed, security_txt_key="none.asc"))["signature"]
    (site.folder / "junk.asc").write_text("junk")
    assert "holds no OpenPGP public key" in unseen(site.audit(signed, security_txt_key="junk.asc"))["signature"]
    without = gpg("--local-user", "one@example.com", "--clear-sign", text=GOOD.replace("Expires", "# Expires"))
    assert failed(site.audit(without, **right))["Expires"] == "no Expires field"
    # What stands outside of the signature is anyone's.
    smuggled = f"Expires: {at(5)}\n{without}Contact: mailto:thief@example.com\n"
    found = site.audit(smuggled, **right)
    assert failed(found)["Expires"] == "no Expires field"
    assert not any("thief" in str(one.subject) for one in found)


def test_pretended_signature_is_refuted(site: Site, gpg: Callable[..., str]) -> None:
    gpg("--quick-gen-key", "one@example.com", "ed25519", "sign", "never")
    (site.folder / "key.asc").write_text(gpg("--armor", "--export"))
    text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{GOOD}\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"
    assert "no valid signature" in failed(site.audit(text, security_txt_key="key.asc"))["signature"]


def test_the_signature_of_a_key_that_has_expired_is_refuted(site: Site) -> None:
    from pysequoia import SignatureMode, Tsk, sign

    key = Tsk.generate("one@example.com")
    signed = sign(key.signer(), GOOD.encode(), mode=SignatureMode.CLEAR).decode("ascii")
    expired = key.extract_certificate().set_expiration(
        dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5), key.certifier()
    )
    (site.folder / "key.asc").write_text(str(expired))
    assert failed(site.audit(signed, security_txt_key="key.asc"))["signature"] == "the signing key has expired"


# --- the page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("main", "named"),
    [
        ('<a href="mailto:Security@rivet.example.com?subject=x">Report</a>', True),
        ("Write to security@rivet.example.com.", True),
        ("Call +27-11-555-0100", True),
        ('<a href="/report">Report</a>', True),
        ('<a href="https://Rivet.example.com/desk">Report</a>', True),
        ('<a href="https://rivet.example.com:8443/desk">Report</a>', False),
        ('<a href="https://elsewhere.example.com/desk">Report</a>', False),
        ("Report to https://rivet.example.com:443/desk.", False),
        ('<a href="mailto:sales@rivet.example.com">Report</a>', False),
        ("Write to cybersecurity@rivet.example.com", False),
        ("Write to security@rivet.example.com.evil.example", False),
        ("Report a vulnerability", False),
    ],
)
def test_page_names_the_channel(site: Site, main: str, named: bool) -> None:
    def answer(method: str, path: str, _: Any) -> Any:
        text = f"{GOOD}Contact: tel:+27-11-555-0100\nContact: https://www.rivet.example:{port}/report\n"
        text += f"Contact: https://www.rivet.example:{port}/security#here\n"
        text += "Contact: https://rivet.example.com:443/desk\nContact: mailto:\n"
        return (
            (200, TEXT, text.encode())
            if path == WELL_KNOWN
            else (200, HTML, f"<main>{main} <a href='#here'>x</a></main>".encode())
        )

    with web(answer, site.context) as port:
        (found,) = checks.page_names_the_channel(site.session(port).probe(Publication))
    assert found.passed is named, found


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"/security": (200, HTML, b"<main>x</main>")},
        {"/security": (200, HTML, b"<main>x</main>"), WELL_KNOWN: (200, TEXT, b"")},
    ],
)
def test_page_or_file_that_cannot_be_read_is_not_observed(site: Site, pages: dict[str, Any]) -> None:
    with web(pages, site.context) as port:
        (found,) = checks.page_names_the_channel(site.session(port).probe(Publication))
    assert isinstance(found, NotObserved)
