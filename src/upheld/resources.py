"""Where the built-in checks, policy and schemas stand: in the wheel beside this package, in a checkout at its root."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def builtin() -> Path:
    """The folder that holds the built-in `checks/`, `policies.yaml`, `waivers.yaml` and `schema/`."""
    packed = _PACKAGE / "builtin"
    return packed if packed.is_dir() else _PACKAGE.parents[1]


def check_folders(policy: Path) -> tuple[Path, ...]:
    """The folders of checks for a policy: the built-in one, and `checks/` beside the policy where there is one."""
    own = policy.resolve().parent / "checks"
    base = builtin() / "checks"
    return (base, own) if own.is_dir() and own != base.resolve() else (base,)
