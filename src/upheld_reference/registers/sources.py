"""The registers as they lie in the package: YAML in which dates stand as days from the start of the deployment.

``!day -40`` is a date, ``!at -40 09:15`` a local moment of that day; both become strings when they are read.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

from upheld_reference.registers.clock import Clock

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is not in every build


def text(name: str) -> str:
    """The file ``name`` below the folder `data`, as it lies in the package."""
    return resources.files(__package__).joinpath("data", *name.split("/")).read_text(encoding="utf-8")


def load(name: str, clock: Clock) -> dict[str, Any]:
    """The register ``name`` (without ending) with its dates worked out by ``clock``."""

    class Loader(_Safe):  # type: ignore[misc]
        """Reads plain YAML and the two tags."""

    def day(loader: Any, node: yaml.ScalarNode) -> str:
        return clock.day(int(loader.construct_scalar(node)))

    def at(loader: Any, node: yaml.ScalarNode) -> str:
        offset, _, time = str(loader.construct_scalar(node)).partition(" ")
        return clock.at(int(offset), time)

    Loader.add_constructor("!day", day)
    Loader.add_constructor("!at", at)
    loader = Loader(text(f"{name}.yaml"))
    try:
        loaded: dict[str, Any] = loader.get_single_data()
    finally:
        loader.dispose()
    return loaded


def dump(content: Any) -> str:
    """``content`` as YAML, in its own order; strings that look like dates are quoted, so that they stay strings."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumped: str = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=118)
    return dumped
