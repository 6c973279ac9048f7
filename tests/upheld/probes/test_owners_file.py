"""Owners files, read as the forges say in their documentation that they read them."""

from __future__ import annotations

import pytest

from upheld import Unobservable
from upheld.probes.owners_file import GITHUB_LOADS, read_owners

PATHS = [
    "README.md",
    "docs/README.md",
    "docs/index.md",
    "docs/.hidden.md",
    "docs/api/index.md",
    "docs/api/deep/index.md",
    "lib/docs/x.txt",
    "app/auth/login.py",
    "auth",
    "my notes/a.md",
    "#odd",
    "web/a[1].js",
]


def covered(kind: str, pattern: str) -> set[str]:
    owners = read_owners(kind, f"{pattern} @shop/security\n", "CODEOWNERS")
    return {path for path in PATHS if owners(path)}


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*", set(PATHS)),
        ("/README.md", {"README.md"}),
        ("README.md", {"README.md", "docs/README.md"}),
        ("api/index.md", {"docs/api/index.md"}),
        ("docs/", {*PATHS[1:7]}),
        ("/docs/", {*PATHS[1:6]}),
        ("/docs/*", {"docs/README.md", "docs/index.md", "docs/.hidden.md"}),
        ("/docs/*.md", {"docs/README.md", "docs/index.md", "docs/.hidden.md"}),
        ("/docs/index.*", {"docs/index.md"}),
        ("/docs/*dd?n*", {"docs/.hidden.md"}),
        ("/docs/*/index.md", {"docs/api/index.md"}),
        ("/docs/**/index.md", {"docs/index.md", "docs/api/index.md", "docs/api/deep/index.md"}),
        ("docs/**/*", {*PATHS[1:7]}),
        # Not as in an ignore file: only before a slash do two stars cross folders, and a name alone is a file's.
        ("/docs/**", {"docs/README.md", "docs/index.md", "docs/.hidden.md"}),
        ("/docs", set()),
        ("auth", {"auth"}),
        ("**/auth/**/*.py", {"app/auth/login.py"}),
        ("/app/*", set()),
        (r"my\ notes/", {"my notes/a.md"}),
        ("my notes/", set()),
        (r"\#odd", {"#odd"}),
        ("/[ad]*/index.md", {"docs/index.md"}),
        ("/[!d]*", {"README.md", "auth", "#odd"}),
        ("/[^a-z]*", {"README.md", "#odd"}),
        (r"a\[1\].js", {"web/a[1].js"}),
        ("readme.md", set()),
        ("*.{md,js}", set()),
    ],
)
def test_patterns_of_gitlab(pattern: str, paths: set[str]) -> None:
    assert covered("gitlab", pattern) == paths


@pytest.mark.parametrize("pattern", ["/a[z-a].js", "/a[].js", "/a[b/c].js"])
def test_patterns_that_are_not_understood_decide_nothing(pattern: str) -> None:
    with pytest.raises(Unobservable, match="CODEOWNERS:1: the pattern"):
        covered("gitlab", pattern)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*", set(PATHS)),
        ("*.md", {path for path in PATHS if path.endswith(".md")}),
        ("/README.md", {"README.md"}),
        ("docs/", {*PATHS[1:7]}),
        ("/docs/", {*PATHS[1:6]}),
        ("/docs", {*PATHS[1:6]}),
        ("/docs/**", {*PATHS[1:6]}),
        ("auth", {"auth", "app/auth/login.py"}),
        ("**/api", {"docs/api/index.md", "docs/api/deep/index.md"}),
        ("/docs/**/index.md", {"docs/index.md", "docs/api/index.md", "docs/api/deep/index.md"}),
        # Not as in an ignore file: this is of what is in the folder itself, and brackets and backslashes do not work.
        ("docs/*", {"docs/README.md", "docs/index.md", "docs/.hidden.md"}),
        ("/[ad]*", set()),
        (r"\#odd", set()),
        ("!*.md", set()),
        ("/", set()),
        (r"/my\ notes/*", {"my notes/a.md"}),
    ],
)
def test_patterns_of_github(pattern: str, paths: set[str]) -> None:
    assert covered("github", pattern) == paths


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        ("* @shop/security # and @shop/others\n", ("@shop/security",)),
        ("* @shop/security\n/app/ @shop/others #@shop/security\n", ("@shop/others",)),
        ("* @shop/security\n/app/\n", ()),
        # A line that is not valid is passed over.
        ("* @shop/security\n/app/ shop/others\n", ("@shop/security",)),
        ("* @shop/security\n[App]\n!/app/ @shop/others\n", ("@shop/security",)),
        ("* a@shop.example.com @anna-b\n", ("a@shop.example.com", "@anna-b")),
    ],
)
def test_owners_on_github(text: str, owners: tuple[str, ...]) -> None:
    (said,) = read_owners("github", text, "CODEOWNERS")("app/login.py")
    assert said.owners == owners
    assert (said.section, said.optional, said.approvals) == ("", False, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* @a\n/app/ @b/c\n", [(2, ("@b/c",), "", False, 1)]),
        ("* @a\n[App]\n/app/ @b\n", [(1, ("@a",), "", False, 1), (3, ("@b",), "App", False, 1)]),
        ("[App][2] @a @b/c\n/app/\n*.js @d\n", [(2, ("@a", "@b/c"), "App", False, 2)]),
        ("[App] @a\n/app/ @b\n", [(2, ("@b",), "App", False, 1)]),
        ("^[App] @a\n/app/\n", [(2, ("@a",), "App", True, 1)]),
        ("[App][0] @a\n/app/\n", [(2, ("@a",), "App", False, 1)]),
        # Of one name, however it is written, is one section; it asks if a part of it does.
        ("[App]\n/app/ @a\n[Web]\n*.js @b\n^[APP]\n/app/login.py @c\n", [(6, ("@c",), "App", False, 1)]),
        # What is excluded stays so in its section, and in no other.
        ("* @a\n!/app/\n/app/login.py @b\n", [(2, (), "", False, 1)]),
        ("* @a\n[App]\n*.py @b\n!*.py\n", [(1, ("@a",), "", False, 1), (4, (), "App", False, 1)]),
        # There are no comments after an entry, and what is no owner is none.
        ("* @a # @b, not @c\n", [(1, ("@a", "@b", "@c"), "", False, 1)]),
        ("* shop/security\n", [(1, (), "", False, 1)]),
        ("[App] @a\n* nobody\n", [(2, (), "App", False, 1)]),
        ("* a.b@shop.example.com @@maintainers @@guest\n", [(1, ("a.b@shop.example.com", "@@maintainers"), "", False, 1)]),
        ("  # @a\n* @b # x\n# [App]\n", [(2, ("@b",), "", False, 1)]),
        # A heading that cannot be read is an entry; a pattern that comes again keeps its place.
        ("* @a\n[App\n/app/ @b\n", [(3, ("@b",), "", False, 1)]),
        ("/app/ @a\n*.py @b\n/app/ @c\n", [(2, ("@b",), "", False, 1)]),
    ],
)  # fmt: skip
def test_sections_of_gitlab(text: str, said: list[tuple[object, ...]]) -> None:
    found = read_owners("gitlab", text, "CODEOWNERS")("app/login.py")
    assert [(one.line, one.owners, one.section, one.optional, one.approvals) for one in found] == said


def test_a_file_that_github_does_not_load_says_nothing() -> None:
    assert read_owners("github", "* @a\n" + "#" * (GITHUB_LOADS - 6), "CODEOWNERS")("app/login.py")
    assert read_owners("github", "* @a\n" + "#" * (GITHUB_LOADS - 5), "CODEOWNERS")("app/login.py") == ()


def test_odd_patterns_come_to_an_end() -> None:
    owners = read_owners("gitlab", f"{'**/a*' * 30}{'*a' * 200}b @a\n" * 20, "CODEOWNERS")
    assert owners("/".join(["a" * 200] * 100)) == ()
