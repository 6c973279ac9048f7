"""Names the target that `pytest policies.yaml` audits here; nothing else."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_upheld_target() -> str:
    """The embedded reference deployment."""
    return "reference"
