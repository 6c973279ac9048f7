"""Starts examples and audits them: one run each, compared with what is known of the software."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # The examples are no part of the package.

from examples import running  # noqa: E402


@pytest.fixture
def as_expected(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Audits the example of that name and fails with every difference from its `expected.yaml`; `after` is done while it runs still."""

    def run(name: str, after: Callable[[running.Place], None] | None = None) -> None:
        try:
            with running.started(name, tmp_path) as place:
                wrong = running.differences(running.expected(place), running.audit(place))
                if after is not None:
                    after(place)
        except running.NotInstalled as error:
            pytest.skip(f"the software of this example is not there: {error}")
        assert not wrong, "\n".join(wrong)

    return run
