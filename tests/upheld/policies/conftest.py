"""A few checks of our own, in a folder as a project keeps them, and a way to write and load policies over them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from upheld.catalogue import Catalogue
from upheld.errors import InputError
from upheld.policies import Policy, load

TODAY = date(2026, 11, 23)

CHECKS = '''
from collections.abc import Iterator
from enum import StrEnum

from upheld import INSPECTED, OBSERVED, Finding, check
from upheld.probes.clock import Clock


class Version(StrEnum):
    """A version."""

    TLS_1_2 = "TLS 1.2"
    TLS_1_3 = "TLS 1.3"


@check(basis=OBSERVED, exclusive=True)
def refuses_old(clock: Clock, *, minimum: Version = Version.TLS_1_2, hosts: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Every endpoint refuses versions older than `minimum`."""
    yield Finding("x", passed=True, expected="", observed="")


@check(basis=INSPECTED, intrusive=True)
def is_kept(clock: Clock, *, days: int, factor: float = 1.5, strict: bool = True) -> Iterator[Finding]:
    """Nothing is kept longer than `days`."""
    yield Finding("x", passed=True, expected="", observed="")


@check(basis=OBSERVED)
def is_plain(clock: Clock) -> Iterator[Finding]:
    """It is plain."""
    yield Finding("x", passed=True, expected="", observed="")
'''


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The checks tls.refuses_old, tls.is_kept and tls.is_plain."""
    folder = tmp_path_factory.mktemp("checks")
    (folder / "tls.py").write_text(CHECKS, encoding="utf-8")
    return Catalogue.load(folder)


class Project:
    """A folder of policy files."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        self.catalogue = catalogue

    def write(self, name: str, text: str) -> Path:
        """Write a file as it is; gives its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def policy(self, *claims: str, name: str = "policies.yaml", head: str = "name: Test\n") -> Path:
        """Write a policy of claims, each the YAML of one; gives its path."""
        listed = "".join("  - " + claim.strip().replace("\n", "\n    ") + "\n" for claim in claims)
        return self.write(name, f"upheld: policy/1\n{head}claims:\n{listed}" if claims else f"upheld: policy/1\n{head}")

    def load(self, name: str = "policies.yaml") -> Policy:
        """Load a policy of this folder."""
        return load(self.folder / name, self.catalogue, today=TODAY)

    def mistakes(self, name: str = "policies.yaml") -> list[str]:
        """What is wrong with a policy of this folder, each mistake as a line with paths relative to the folder."""
        with pytest.raises(InputError) as caught:
            self.load(name)
        assert caught.value.mistakes
        return [str(one).replace(f"{self.folder}/", "") for one in caught.value.mistakes]


@pytest.fixture
def project(tmp_path: Path, catalogue: Catalogue) -> Project:
    """An empty folder for policy files."""
    return Project(tmp_path, catalogue)


@pytest.fixture
def claim() -> Callable[..., str]:
    """The YAML of a claim, with what it needs and what is asked for."""

    def make(identity: str = "a", more: str = "") -> str:
        return f'id: {identity}\nstatement: "It is {identity}."\nsection: S\nseverity: high\nowner: platform\n{more}'

    return make
