"""Where the platform's code goes without TLS: plain URLs of given hosts, and verification of certificates switched off.

Python is read as a syntax tree, so that a comment or a docstring is none of it; everything else line by line. Nothing in
the code is run, and no comment in it can ask to be passed over.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.git import Git
from upheld.probes.resting import Resting, Rests, code_ending_with, code_folders

if TYPE_CHECKING:
    from upheld.target.code import Repository

_PYTHON = (".py", ".pyw")
_OTHERS = (
    *(".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte"),
    *(".go", ".rb", ".php", ".java", ".kt", ".kts", ".scala", ".cs", ".rs", ".swift", ".ex", ".exs"),
    *(".sh", ".bash", ".zsh", ".ps1", ".mk"),
    *(".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".json", ".env", ".properties", ".j2", ".tf", ".service"),
)
_NAMED = re.compile(r"(Dockerfile|Containerfile|Makefile|Procfile|\.env)(\..*)?")
_COMMENT = re.compile(r"\s*(#(?!!)|//|/\*|\*[\s/]|--\s|<!--)")
_HOLE = "\ufffc"
_PLAIN = re.compile(r"(?i)\bhttp://(?:[^/\s@\"'`]*@)?(?P<host>\[[^\]\s]*\]|[^/\s:?#\"'`<>\\,;)\]|]*)")
_LOOPBACK = re.compile(r"(?i)localhost|127(\.\d+){3}|\[?::1\]?")
_WHOLE_HOST = re.compile(r"(?i)[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\]")
_OFF = (
    # Each as its own documentation names it: Node's tls and https, Go's crypto/tls, Ruby's OpenSSL, PHP's curl, curl(1),
    # wget(1), git-config(1), Python's http.client (PEP 493), Java's and .NET's callbacks that take everything.
    ("reject-unauthorized-off", re.compile(r"(?i)\brejectUnauthorized['\"]?\s*[:=]\s*(false|0)\b")),
    ("node-verification-off", re.compile(r"NODE_TLS_REJECT_UNAUTHORIZED\W{0,6}\s*[:=]?\s*['\"]?0\b")),
    ("insecure-skip-verify", re.compile(r"\b(?i:InsecureSkipVerify|insecure_skip_verify)['\"]?\s*[:=]\s*true\b")),
    ("verify-none", re.compile(r"\b(OpenSSL::SSL::)?VERIFY_NONE\b")),
    ("curl-verify-off", re.compile(r"(?i)CURLOPT_SSL_VERIFY(PEER|HOST)\W{1,4}\s*(false|0)\b")),
    ("curl-insecure", re.compile(r"\bcurl\b[^|;&\n]*\s(--insecure|--proxy-insecure|-[a-zA-Z]*k[a-zA-Z]*)(\s|$)")),
    ("wget-insecure", re.compile(r"\bwget\b[^|;&\n]*\s--no-check-certificate\b")),
    ("git-verification-off", re.compile(r"(?i)\bhttp\.sslVerify['\"]?[\s=]+['\"]?(false|0)|\bGIT_SSL_NO_VERIFY\W{1,4}\s*(1|true)")),
    ("python-verification-off", re.compile(r"PYTHONHTTPSVERIFY\W{1,4}\s*0\b")),
    ("trusts-everything", re.compile(r"\b(NoopHostnameVerifier|ALLOW_ALL_HOSTNAME_VERIFIER|DangerousAcceptAnyServerCertificateValidator|danger_accept_invalid_certs\(\s*true)")),
)  # fmt: skip
_SWITCHES = {
    "verify",
    "verify_ssl",
    "ssl_verify",
    "verify_certs",
    "check_hostname",
    "assert_hostname",
    "use_tls_verify",
}
"""Keywords and attributes of Python's clients (httpx, requests, urllib3, ssl) by which False switches verification off."""
_UNVERIFIED = {"_create_unverified_context", "_create_stdlib_context"}


@dataclass(frozen=True, slots=True)
class Weakness:
    """One place in the code: `rule` says what it does, `text` is what stands there."""

    rule: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        """`verification-off in app/call.py:12`."""
        return f"{self.rule} in {self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class ReadCode:
    """What was read: how many files, of them in Python, and `clients`, which make the calls; which could not be read, and why.

    `plain` are URLs with http of the given hosts, anywhere. In the clients, `unverified` switches verification off, and
    `open_ended` are URLs with http of a host that is put in when the code runs.
    """

    files: int
    python: int
    clients: int
    clients_in_python: int
    unread: tuple[tuple[str, str], ...]
    plain: tuple[Weakness, ...]
    unverified: tuple[Weakness, ...]
    open_ended: tuple[Weakness, ...]


class TlsInCode(Probe):
    """The code under `repository.code` in the target, at the branch's head."""

    name = "tls_in_code"
    detached = True
    needs = ("repository",)
    rests: ClassVar[Resting] = {
        "read": Rests(
            content=code_ending_with(*_PYTHON, *_OTHERS, named=lambda name: _NAMED.fullmatch(name) is not None),
            folders=lambda target, arguments: (*code_folders(target), *arguments.get("clients", ())),
        )
    }

    @look
    def read(self, hosts: tuple[str, ...], clients: tuple[str, ...]) -> ReadCode:
        """Read all code for URLs of `hosts`, and the folders or files `clients` (all code, when empty) for more.

        Raises Unobservable when there is no code, or none where the clients are said to be.
        """
        paths = self._paths()
        inside = [path for path in paths if not clients or any(_below(path, one) for one in clients)]
        for one in clients:
            if not any(_below(path, one) for path in paths):
                raise Unobservable(f"no code is in {one}, which the target names as that of the calls")
        names = {one.lower().rstrip(".") for one in hosts}
        unread: list[tuple[str, str]] = []
        plain: list[Weakness] = []
        unverified: list[Weakness] = []
        open_ended: list[Weakness] = []
        meant = set(inside)
        for path in paths:
            try:
                urls, switches = self._look_at(path)
            except Unobservable as unobservable:
                unread.append((path, unobservable.reason))
                continue
            for host, found in urls:
                if host is None:
                    open_ended += [found] if path in meant else []
                elif any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in names):
                    plain.append(found)
            unverified += switches if path in meant else []
        if len(unread) == len(paths):
            raise Unobservable(f"none of {len(paths)} files could be read: {unread[0][0]}: {unread[0][1]}")
        bad = {path for path, _ in unread}
        read, seen = [path for path in paths if path not in bad], [path for path in inside if path not in bad]
        return ReadCode(
            len(read),
            sum(path.endswith(_PYTHON) for path in read),
            len(seen),
            sum(path.endswith(_PYTHON) for path in seen),
            tuple(unread),
            tuple(plain),
            tuple(unverified),
            tuple(open_ended),
        )

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Repository:
        if self.target.repository is None:
            raise Unobservable("the target describes no repository")
        return self.target.repository

    @property
    def _git(self) -> Git:
        return cast("Git", self.session.probe(Git))

    def _look_at(self, path: str) -> tuple[list[tuple[str | None, Weakness]], list[Weakness]]:
        """What stands in one file, or what was seen in it when it was read before."""
        cache = self.session.cache
        if cache is None:
            return _look_at(path, self._git.text(path))
        made_of = {"path": path, "content": self._git.identity(path)}
        known = cache.get("tls_in_code", made_of)
        if known is not None:
            return [(host, Weakness(**one)) for host, one in known[0]], [Weakness(**one) for one in known[1]]
        urls, switches = _look_at(path, self._git.text(path))
        kept = [[host, dataclasses.asdict(one)] for host, one in urls], [dataclasses.asdict(one) for one in switches]
        cache.put("tls_in_code", made_of, kept)
        return urls, switches

    def _paths(self) -> list[str]:
        paths = self._git.paths()
        for one in self._described.code:
            if not any(_below(path, one) for path in paths):
                raise Unobservable(f"the branch has no folder {one}, which the target names as code")
        found = [
            path
            for path in paths
            if any(_below(path, one) for one in self._described.code)
            and (path.endswith((*_PYTHON, *_OTHERS)) or _NAMED.fullmatch(path.rpartition("/")[2]))
        ]
        if not found:
            raise Unobservable("the code has no file of a language that is known here")
        return found


def _below(path: str, folder: str) -> bool:
    name = folder.strip("/").removeprefix("./")
    return name in {"", "."} or path == name or path.startswith(f"{name}/")


def _look_at(path: str, text: str) -> tuple[list[tuple[str | None, Weakness]], list[Weakness]]:
    """Plain URLs with their hosts (None for one that is put in later), and what switches verification off."""
    if path.endswith(_PYTHON):
        return _look_at_python(path, text)
    urls: list[tuple[str | None, Weakness]] = []
    switches: list[Weakness] = []
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line):
            continue
        urls += _urls(path, number, line)
        switches += [Weakness(rule, path, number, found[0][:200]) for rule, one in _OFF if (found := one.search(line))]
    return urls, switches


def _urls(path: str, line: int, text: str) -> Iterator[tuple[str | None, Weakness]]:
    """Plain URLs in a text, in which `_HOLE` stands for what is put in when the code runs."""
    for found in _PLAIN.finditer(text):
        host, shown = found["host"].lower(), found[0].replace(_HOLE, "…")[:200]
        if _WHOLE_HOST.fullmatch(host):
            if not _LOOPBACK.fullmatch(host):
                yield host.rstrip("."), Weakness("plain-url", path, line, shown)
        elif host:
            yield None, Weakness("plain-url", path, line, shown)


def _look_at_python(path: str, text: str) -> tuple[list[tuple[str | None, Weakness]], list[Weakness]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        nodes = list(ast.walk(tree))
        urls, switches = [], []
        known = _constants(nodes)
        done = _docstrings(nodes)
        # Breadth first: what a text is put together from comes after the whole.
        for node in nodes:
            line = getattr(node, "lineno", 0)
            switches += [Weakness("verification-off", path, line, one[:200]) for one in _switched_off(node, known)]
            urls += [
                (host, Weakness("plain-scheme", path, line, one[:200])) for host, one in _plain_scheme(node, known)
            ]
            if id(node) in done or (whole := _text(node, known, done)) is None:
                continue
            urls += _urls(path, line, whole)
            switches += [Weakness(rule, path, line, hit[0][:200]) for rule, one in _OFF if (hit := one.search(whole))]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unobservable(f"it is no Python that can be read: {error}") from error
    return urls, switches


def _docstrings(nodes: Sequence[ast.AST]) -> set[int]:
    """Texts that stand alone, which nobody can call."""
    return {id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}


def _constants(nodes: Sequence[ast.AST]) -> dict[str, object]:
    """Names that are given a text or False, once in the whole file."""
    found: dict[str, object] = {}
    given: set[str] = set()
    for node in nodes:
        names: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            names = node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            names = [node.target]
        for name in names:
            if not isinstance(name, ast.Name):
                continue
            value = getattr(node, "value", None)
            if (
                name.id in given
                or not isinstance(value, ast.Constant)
                or not (isinstance(value.value, str) or value.value is False)
            ):
                found.pop(name.id, None)
            else:
                found[name.id] = value.value
            given.add(name.id)
        if isinstance(node, ast.arg):
            found.pop(node.arg, None)
            given.add(node.arg)
    return found


def _text(node: ast.AST, known: dict[str, object], done: set[int]) -> str | None:
    """The text that an expression makes, with holes; None when it makes none. What it is made of is added to `done`."""
    made: str | None = None
    if isinstance(node, ast.Constant):
        made = node.value if isinstance(node.value, str) else None
    elif isinstance(node, ast.JoinedStr):
        made = "".join(
            _part(one.value if isinstance(one, ast.FormattedValue) else one, known, done) for one in node.values
        )
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left, known, done), _text(node.right, known, done)
        if left is not None or right is not None:
            made = _part(node.left, known, done) + _part(node.right, known, done)
    elif (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mod)
        and (left := _text(node.left, known, done)) is not None
    ):
        made = re.sub(r"%(\(\w+\))?[-+ #0]*[\d.]*[a-z]", _HOLE, left)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        whole = _text(node.func.value, known, done)
        made = None if whole is None else re.sub(r"\{[^{}]*\}", _HOLE, whole)
    if made is not None:
        done.add(id(node))
    return made


def _part(node: ast.expr, known: dict[str, object], done: set[int]) -> str:
    found = _text(node, known, done)
    if found is None and isinstance(node, ast.Name) and isinstance(known.get(node.id), str):
        found = str(known[node.id])
    return _HOLE if found is None else found


def _switched_off(node: ast.AST, known: dict[str, object]) -> Iterator[str]:
    """What switches the verification of certificates off, as it is written."""
    if isinstance(node, ast.Call) and not ast.unparse(node.func).endswith(
        "decode"
    ):  # jwt.decode(verify=False) is no TLS.
        for keyword in node.keywords:
            if _is_off(keyword.arg or "", keyword.value, known):
                yield f"{ast.unparse(node.func)}(… {keyword.arg}={ast.unparse(keyword.value)})"
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Attribute) and _is_off(target.attr, node.value, known):
                yield ast.unparse(node)
    if isinstance(node, ast.Attribute) and node.attr in _UNVERIFIED:
        yield ast.unparse(node)


def _is_off(name: str, value: ast.expr, known: dict[str, object]) -> bool:
    written = ast.unparse(value)
    if name in {"verify_mode", "cert_reqs"}:
        return written.endswith("CERT_NONE") or written in {"'NONE'", "0", "'CERT_NONE'"}
    false = written == "False" or (isinstance(value, ast.Name) and known.get(value.id, True) is False)
    # aiohttp takes ssl=False; elsewhere, that is a plain connection, which is no better.
    return false and name in {*_SWITCHES, "ssl"}


_DOWNGRADES = (["https", "http"], ["https:", "http:"], ["https://", "http://"])


def _plain_scheme(node: ast.AST, known: dict[str, object]) -> Iterator[tuple[str | None, str]]:
    """Connections without TLS that no URL shows: the host, where it is written."""
    if not isinstance(node, ast.Call):
        return
    if any(one.arg == "scheme" and _part(one.value, known, set()) == "http" for one in node.keywords):
        yield None, ast.unparse(node)
    called, texts = ast.unparse(node.func), [_part(one, known, set()) for one in node.args]
    if called.endswith(("HTTPConnection", "HTTPConnectionPool")) and not called.endswith("HTTPSConnection"):
        host = texts[0].partition(":")[0].lower() if texts else _HOLE
        if not _LOOPBACK.fullmatch(host):
            yield (None if _HOLE in host else host), ast.unparse(node)
    elif called.endswith(".replace") and texts[:2] in _DOWNGRADES:
        yield None, ast.unparse(node)
    elif called.endswith(("urlunsplit", "urlunparse")) and isinstance(
        node.args[0] if node.args else None, ast.Tuple | ast.List
    ):
        parts = [_part(one, known, set()) for one in node.args[0].elts]  # type: ignore[attr-defined]
        if parts[:1] == ["http"]:
            host = parts[1].lower() if len(parts) > 1 else _HOLE
            yield (None if _HOLE in host else host), ast.unparse(node)
