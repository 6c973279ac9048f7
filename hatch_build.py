"""Put the built-in checks, policy and schemas into the wheel, in standard builds only (an editable install reads them in place)."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuiltIn(BuildHookInterface):  # type: ignore[type-arg]
    """Include `checks/` and its companions as `upheld/builtin/`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to a standard build."""
        if version == "standard":
            for name in ("checks", "schema", "policies.yaml", "waivers.yaml", "calibration.json"):
                build_data["force_include"][name] = f"upheld/builtin/{name}"
