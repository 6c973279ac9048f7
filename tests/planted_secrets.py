"""Made-up secrets of many kinds, each as it stands where one would meet it; nobody's, and none that any service would take.

`SOURCES` says by which document each format was made.
"""

from __future__ import annotations

import base64
import json
import random
import string
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote

ALNUM = string.ascii_letters + string.digits
BASE64URL = ALNUM + "-_"
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
ODD = ALNUM + "!#%*+,.-?@^_~"

SOURCES = {
    "github-classic": "GitHub docs, About authentication to GitHub, token formats; GitHub blog 2021-04-05 on their shape",
    "github-fine-grained": "GitHub docs, About authentication to GitHub, token formats",
    "gitlab": "GitLab docs, Token overview, token prefixes",
    "slack-bot": "Slack docs, Token types",
    "slack-webhook": "Slack docs, Sending messages using incoming webhooks",
    "stripe": "Stripe docs, API keys",
    "stripe-webhook": "Stripe docs, Check the webhook signatures",
    "aws-key": "AWS IAM user guide, IAM identifiers, unique ID prefixes",
    "aws-secret": "AWS CLI user guide, Configuration and credential file settings",
    "google-api-key": "Google Cloud docs, Manage API keys",
    "google-client": "Google Identity docs, OAuth 2.0 for web server applications",
    "google-access": "Google Identity docs, OAuth 2.0 for web server applications",
    "sendgrid": "Twilio SendGrid docs, API keys",
    "twilio": "Twilio docs, API keys overview",
    "mailgun": "Mailgun docs, Authentication",
    "npm": "GitHub blog 2021-09-23 on npm's token format",
    "pypi": "PyPI help, API tokens; pypitoken on their macaroons",
    "digitalocean": "DigitalOcean blog on token formats of its API",
    "vault": "HashiCorp Vault docs, Tokens, token prefixes",
    "databricks": "Databricks docs, Personal access tokens",
    "shopify": "Shopify changelog 2020-09-14 on prefixes of tokens",
    "openai": "OpenAI docs, API keys",
    "huggingface": "Hugging Face docs, User access tokens",
    "atlassian": "Atlassian developer changelog 2023 on prefixes of API tokens",
    "telegram": "Telegram Bot API, Authorizing your bot",
    "age": "age(1), the format of identities",
    "meta": "Meta for Developers, Access token guide",
    "jwt": "RFC 7519 §3",
    "private-key": "RFC 7468 §10 and §11",
    "openssh-key": "openssh-key-v1, PROTOCOL.key",
    "bearer": "RFC 6750 §2.1",
    "basic": "RFC 7617 §2",
    "session-cookie": "RFC 6265 §4.1 and §4.2",
    "postgresql-url": "PostgreSQL docs, 34.1.1.2 Connection URIs",
    "mongodb-url": "MongoDB docs, Connection strings",
    "redis-url": "IANA provisional registration of the scheme redis",
    "odbc": "Microsoft docs, Connection string syntax",
    "azure-storage": "Microsoft docs, Configure Azure Storage connection strings",
    "json-password": "RFC 8259; the name is what everybody calls it",
    "json-in-json": "what loggers make of a body that they log as text",
    "environment": "twelve-factor app, III; the names are those of Django and Rails",
    "form": "WHATWG URL, application/x-www-form-urlencoded",
    "xml": "what SOAP services send",
    "otp-seed": "Google Authenticator wiki, Key URI format",
    "api-key-header": "OpenAPI 3.1, security scheme of type apiKey",
    "identity-number": "South African Identification Act 68 of 1997; SARS guide on how an identity number is made up",
    "card-number": "ISO/IEC 7812-1, with the ranges of the large networks",
    "iban": "ISO 13616-1, SWIFT IBAN registry",
    "social-security-number": "SSA, Social Security number randomization",
    "link-token": "what links for resetting a password carry",
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A secret, and the text in which it stands. Its ends are what of it is random, first and last."""

    kind: str
    value: str
    text: str

    @property
    def fragments(self) -> tuple[str, ...]:
        """What must not be seen of it: all of it, and its first and last dozen characters that are not known beforehand."""
        core = self.value
        for known in (
            "-----",
            "AGE-SECRET-KEY-1",
            "github_pat_",
            "dop_v1_",
            "sk_live_",
            "sk-proj-",
            "GOCSPX-",
            "ATATT3",
            "eyJ",
        ):
            core = core.split(known)[-1] if known != "-----" and core.startswith(known) else core
        if core.startswith("-----"):
            core = "".join(line for line in core.splitlines() if not line.startswith("-----"))
            return (core[:40], core[-60:-20])
        return (core, core[-12:])


def _from(rng: random.Random, alphabet: str, length: int) -> str:
    """Characters by chance, among which a digit, a small letter and a capital stand where the alphabet has them."""
    found = rng.choices(alphabet, k=length)
    for place, group in enumerate((string.digits, string.ascii_lowercase, string.ascii_uppercase)):
        if some := [one for one in group if one in alphabet]:
            found[2 + place] = rng.choice(some)
    return "".join(found)


def _odd(rng: random.Random, length: int = 18) -> str:
    """A password as a manager makes it, which begins and ends with a letter."""
    return f"{rng.choice(string.ascii_letters)}{_from(rng, ODD, length - 2)}{rng.choice(string.ascii_letters)}"


def _encoded(rng: random.Random, size: int) -> str:
    return base64.b64encode(rng.randbytes(size)).decode()


def _luhn(digits: str) -> str:
    for last in string.digits:
        total = 0
        for place, digit in enumerate(reversed(digits + last)):
            number = int(digit) * (1 + place % 2)
            total += number - 9 if number > 9 else number
        if total % 10 == 0:
            return digits + last
    raise AssertionError


def _born(rng: random.Random) -> str:
    born = date(1950, 1, 1) + timedelta(days=rng.randrange(20_000))
    return _luhn(f"{born:%y%m%d}{rng.randrange(1000, 9999)}{rng.randrange(2)}8")


def _iban(rng: random.Random) -> str:
    bank = f"COBA{rng.randrange(10**13, 10**14)}"
    digits = "".join(str(int(one, 36)) for one in f"{bank}GB00")
    return f"GB{98 - int(digits) % 97:02}{bank}"


def _pem(rng: random.Random, name: str) -> str:
    body = _encoded(rng, 180)
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"


def _jwt(rng: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'sub': _from(rng, ALNUM, 20)})}.{_from(rng, BASE64URL, 43)}"


Make = Callable[[random.Random], tuple[str, str]]


def _bare(make: Callable[[random.Random], str]) -> Make:
    def made(rng: random.Random) -> tuple[str, str]:
        value = make(rng)
        return value, value

    return made


def _in(form: str, make: Callable[[random.Random], str]) -> Make:
    def made(rng: random.Random) -> tuple[str, str]:
        value = make(rng)
        return value, form.replace("{}", value)

    return made


def _session(rng: random.Random) -> tuple[str, str]:
    value = _from(rng, ALNUM, 32)
    return value, rng.choice((f"Set-Cookie: sid={value}; Path=/; HttpOnly", f"Cookie: theme=dark; sid={value}"))


def _json_in_json(rng: random.Random) -> tuple[str, str]:
    value = _odd(rng)
    return value, json.dumps({"level": "info", "body": json.dumps({"user": "ann", "client_secret": value, "retry": 3})})


def _environment(rng: random.Random) -> tuple[str, str]:
    value = _from(rng, ALNUM, 40)
    name = rng.choice(("DATABASE_PASSWORD", "SECRET_KEY", "SECRET_KEY_BASE", "export STRIPE_API_KEY"))
    return value, f"{name}={value}"


def _form(rng: random.Random) -> tuple[str, str]:
    value = _from(rng, ALNUM, 16)
    inner = f"user=ann&password={value}&remember=1"
    return value, rng.choice((inner, f"body={quote(inner)}"))


MAKERS: dict[str, Make] = {
    "github-classic": _bare(lambda rng: f"ghp_{_from(rng, ALNUM, 36)}"),
    "github-fine-grained": _bare(lambda rng: f"github_pat_{_from(rng, ALNUM, 22)}_{_from(rng, ALNUM, 59)}"),
    "gitlab": _bare(lambda rng: f"glpat-{_from(rng, BASE64URL, 19)}a"),
    "slack-bot": _bare(lambda rng: f"xoxb-{rng.randrange(10**11, 10**12)}-{rng.randrange(10**11, 10**12)}-{_from(rng, ALNUM, 24)}"),
    "slack-webhook": _in(
        "https://hooks.slack.com/services/{}", lambda rng: f"T{_from(rng, UPPER, 9)}/B{_from(rng, UPPER, 9)}/{_from(rng, ALNUM, 24)}"
    ),
    "stripe": _bare(lambda rng: f"sk_live_{_from(rng, ALNUM, 24)}"),
    "stripe-webhook": _bare(lambda rng: f"whsec_{_from(rng, ALNUM, 32)}"),
    "aws-key": _bare(lambda rng: f"AKIA{_from(rng, UPPER, 16)}"),
    "aws-secret": _in("aws_secret_access_key = {}", lambda rng: _from(rng, ALNUM + "/+", 39) + "a"),
    "google-api-key": _bare(lambda rng: f"AIza{_from(rng, BASE64URL, 34)}a"),
    "google-client": _bare(lambda rng: f"GOCSPX-{_from(rng, BASE64URL, 27)}a"),
    "google-access": _bare(lambda rng: f"ya29.{_from(rng, BASE64URL, 60)}a"),
    "sendgrid": _bare(lambda rng: f"SG.{_from(rng, BASE64URL, 22)}.{_from(rng, BASE64URL, 42)}a"),
    "twilio": _bare(lambda rng: f"SK{_from(rng, HEX, 32)}"),
    "mailgun": _bare(lambda rng: f"key-{_from(rng, HEX, 32)}"),
    "npm": _bare(lambda rng: f"npm_{_from(rng, ALNUM, 36)}"),
    "pypi": _bare(lambda rng: f"pypi-AgEIcHlwaS5vcmc{_from(rng, BASE64URL, 80)}a"),
    "digitalocean": _bare(lambda rng: f"dop_v1_{_from(rng, HEX, 64)}"),
    "vault": _bare(lambda rng: f"hvs.{_from(rng, BASE64URL, 90)}a"),
    "databricks": _bare(lambda rng: f"dapi{_from(rng, HEX, 32)}"),
    "shopify": _bare(lambda rng: f"shpat_{_from(rng, HEX, 32)}"),
    "openai": _bare(lambda rng: f"sk-proj-{_from(rng, BASE64URL, 47)}a"),
    "huggingface": _bare(lambda rng: f"hf_{_from(rng, ALNUM, 34)}"),
    "atlassian": _bare(lambda rng: f"ATATT3xFfGF0{_from(rng, BASE64URL, 60)}={zlib.crc32(rng.randbytes(4)):08X}"),
    "telegram": _in("https://api.telegram.org/bot{}/getMe", lambda rng: f"{rng.randrange(10**9, 10**10)}:AA{_from(rng, BASE64URL, 32)}a"),
    "age": _bare(lambda rng: f"AGE-SECRET-KEY-1{_from(rng, UPPER, 58)}"),
    "meta": _bare(lambda rng: f"EAAG{_from(rng, ALNUM, 120)}"),
    "jwt": _bare(_jwt),
    "private-key": _bare(lambda rng: _pem(rng, rng.choice(("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")))),
    "openssh-key": _bare(lambda rng: _pem(rng, "OPENSSH PRIVATE KEY")),
    "bearer": _in("Authorization: Bearer {}", lambda rng: _from(rng, BASE64URL, 39) + "a"),
    "basic": _in("authorization: Basic {}", lambda rng: base64.b64encode(f"ann:{_odd(rng)}".encode()).decode()),
    "session-cookie": _session,
    "postgresql-url": _in("postgresql://app:{}@db.internal:5432/rivet?sslmode=require", lambda rng: _from(rng, ALNUM + "!*.~", 20) + "a"),
    "mongodb-url": _in("mongodb+srv://app:{}@cluster0.internal/rivet?w=majority", lambda rng: _from(rng, ALNUM, 20)),
    "redis-url": _in("redis://:{}@cache.internal:6379/0", lambda rng: _from(rng, ALNUM, 24)),
    "odbc": _in("Server=db.internal;Uid=app;Pwd={};Encrypt=yes", lambda rng: _from(rng, ALNUM + "!*#", 17) + "a"),
    "azure-storage": _in(
        "DefaultEndpointsProtocol=https;AccountName=rivet;AccountKey={};EndpointSuffix=core.windows.net", lambda rng: _encoded(rng, 64)
    ),
    "json-password": _in('{"user": "ann", "password": "{}", "remember": true}', lambda rng: f"{_odd(rng, 9)} {_odd(rng, 9)}"),
    "json-in-json": _json_in_json,
    "environment": _environment,
    "form": _form,
    "xml": _in("<login><user>ann</user><password>{}</password></login>", _odd),
    "otp-seed": _in("otpauth://totp/rivet:ann?secret={}&issuer=rivet", lambda rng: _from(rng, string.ascii_uppercase + "234567", 32)),
    "api-key-header": _in("X-Api-Key: {}", lambda rng: _from(rng, ALNUM, 32)),
    "identity-number": _in("identity number {} of the customer", _born),
    "card-number": _in("paid by card {} today", lambda rng: _luhn(f"4{rng.randrange(10**13, 10**14)}")),
    "iban": _in("to the account {} by transfer", _iban),
    "social-security-number": _in(
        "SSN {} on file", lambda rng: f"{rng.randrange(100, 600)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}"
    ),
    "link-token": _in("https://app.example.com/reset?token={}&user=ann", lambda rng: _from(rng, BASE64URL, 42) + "a"),
}  # fmt: skip

# Where a secret is known by the name behind which it stands, that name goes with it.
STANDS_ALONE = frozenset(
    kind
    for kind in MAKERS
    if kind not in {"json-password", "json-in-json", "xml", "private-key", "openssh-key", "session-cookie"}
)


def planted(seed: int, of_each: int) -> Iterator[Planted]:
    """So many secrets of each kind, all different; the same for the same seed."""
    rng = random.Random(seed)
    seen: set[str] = set()
    for _ in range(of_each):
        for kind, make in MAKERS.items():
            value, text = make(rng)
            while value in seen:
                value, text = make(rng)
            seen.add(value)
            yield Planted(kind, value, text)
