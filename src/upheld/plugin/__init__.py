"""The pytest plugin: `pytest policies.yaml` collects the policy and runs its checks.

This module is loaded by every pytest run of an environment that has upheld, so it imports nothing heavy by itself; the
rest is loaded when a policy is named on the command line.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from upheld.plugin.audit import Audit
    from upheld.plugin.brief import Workshop

AUDIT = "upheld-audit"
"""The name under which `upheld run` registers the audit that it has prepared."""

_workshops: pytest.StashKey[Workshop] = pytest.StashKey()
_audits: pytest.StashKey[Audit] = pytest.StashKey()
PACKED = "upheld_result"
"""The attribute of a report in which a worker's result travels."""
INCONCLUSIVE = "upheld_inconclusive"
"""The attribute of a report that says why its check came to no verdict."""


class Hooks:
    """What a conftest.py may say."""

    @staticmethod
    @pytest.hookspec(firstresult=True)
    def pytest_upheld_target() -> str | None:
        """The target that `pytest policies.yaml` audits when `--target` is not given: a name or a path."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let a conftest.py name its target."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of an audit."""
    group = parser.getgroup("upheld", "auditing published claims (pytest policies.yaml)")
    group.addoption("--target", metavar="T", help="what to audit: a target file, or the name of an installed target")
    group.addoption(
        "--sabotage", action="append", default=[], metavar="NAME", help="start the embedded target with this defect"
    )
    group.addoption("--upheld-out", metavar="DIR", help="write run.json and report.html to this folder")


@contextmanager
def wrong_input_is_a_usage_error() -> Iterator[None]:
    """Say what is wrong with the policy or the target as pytest says that its usage is wrong."""
    from upheld.errors import InputError  # noqa: PLC0415

    try:
        yield
    except InputError as error:
        from upheld.redaction import clean  # noqa: PLC0415
        from upheld.reporting.text import safe  # noqa: PLC0415

        said = "\n".join(safe(clean(str(mistake))) for mistake in error.mistakes)
        raise pytest.UsageError(f"{len(error.mistakes)} mistake(s)\n{said}") from None


def _policy_named(config: pytest.Config) -> Path | None:
    """The policy that the command line names; others that lie about in a tree are not collected."""
    base = config.invocation_params.dir
    for argument in config.args:
        path = (base / str(argument).split("::")[0]).resolve()
        if path.suffix in {".yaml", ".yml"} and path.is_file() and _looks_like_policy(path):
            return path
    return None


def _looks_like_policy(path: Path) -> bool:
    if path.stem == "policies":
        return True
    with path.open("rb") as file:
        head = file.read(4096)
    return any(line.startswith((b"upheld:", b"claims:", b"extends:")) for line in head.splitlines())


def _prepared(config: pytest.Config) -> Any:
    """What `upheld run` registered; None in any other run of pytest."""
    return config.pluginmanager.get_plugin(AUDIT)


def _audit(config: pytest.Config, policy: Path) -> Audit:
    """The audit of this run: the one that `upheld run` prepared, or one made from the command line."""
    if _audits not in config.stash:
        prepared = _prepared(config)
        if prepared is None:
            from upheld.plugin.audit import Audit  # noqa: PLC0415
            from upheld.target.start import find  # noqa: PLC0415

            named = config.getoption("target") or config.hook.pytest_upheld_target()
            if not named and not config.option.collectonly:
                raise pytest.UsageError(
                    "no target: name one with --target, or in conftest.py with pytest_upheld_target"
                )
            with wrong_input_is_a_usage_error():
                source = find(named, config.getoption("sabotage"), config.invocation_params.dir) if named else None
                prepared = Audit(policy, source)
            config.add_cleanup(prepared.close)
            config.stash[_audits] = prepared
        else:
            config.stash[_audits] = prepared.audit
    return config.stash[_audits]


def _workshop(config: pytest.Config, policy: Path) -> Workshop:
    if _workshops not in config.stash:
        from upheld.plugin.brief import Brief, Ground, Workshop  # noqa: PLC0415

        workerinput = getattr(config, "workerinput", None)
        if workerinput is None:
            config.stash[_workshops] = _audit(config, policy).workshop()
        else:
            from upheld.plugin.forking import catalogue_of  # noqa: PLC0415

            brief = Brief.read(Path(workerinput["upheld_brief"]))
            config.stash[_workshops] = Workshop(
                brief.plan, lambda: brief, lambda: Ground.read(brief.scratch), catalogue=catalogue_of(brief.folders)
            )
            # Now, while the target starts: loading them takes longer than anything else of a worker's beginning.
            config.stash[_workshops].load()
        config.add_cleanup(config.stash[_workshops].close)
    return config.stash[_workshops]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the policy that the command line names."""
    if file_path.suffix not in {".yaml", ".yml"} or _policy_named(parent.config) != file_path.resolve():
        return None
    from upheld.plugin.items import PolicyFile  # noqa: PLC0415

    workshop = _workshop(parent.config, file_path)
    node: PolicyFile = PolicyFile.from_parent(parent, path=file_path)
    node.workshop = workshop
    return node


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let exclusive checks run last: the others need not wait for them, nor for the limits that they leave behind.

    After every other plugin: whatever order one may give, this holds in it.
    """
    if any(hasattr(item, "planned") for item in items):
        from upheld.plugin.scheduling import kind  # noqa: PLC0415

        items.sort(key=lambda item: kind(getattr(item, "planned", None)))


class Distribution:
    """Hooks that exist only where pytest-xdist does."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where its brief is."""
        policy = _policy_named(node.config)
        if policy is not None and not node.config.option.collectonly:
            with wrong_input_is_a_usage_error():
                node.workerinput["upheld_brief"] = str(_audit(node.config, policy).brief_file())

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Hand out the checks of a policy by how they get on with each other; anything else as pytest-xdist does."""
        policy = _policy_named(config)
        if policy is None or config.getoption("dist") not in {"load", "worksteal"}:
            return None
        from upheld.plugin.scheduling import ByKind, kind  # noqa: PLC0415

        audit = _audit(config, policy)
        # The number of a second use of the same check says nothing of its kind.
        return ByKind(config, log, lambda node_id: kind(audit.planned_at(node_id.partition("[")[0])))


def pytest_configure(config: pytest.Config) -> None:
    """Register the hooks that need pytest-xdist, and refuse distributions that lose items."""
    config.pluginmanager.register(Distribution(), "upheld-distribution")
    prepared = _prepared(config)
    if prepared is not None and prepared.worker is not None:
        config.option.tx = [prepared.worker] * len(config.option.tx)
    if config.getoption("dist", "no") in {"loadgroup", "loadscope", "loadfile"} and _policy_named(config) is not None:
        raise pytest.UsageError("--dist loadgroup, loadscope and loadfile lose or ignore checks; use load or worksteal")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report carry the result to the controller."""
    report = yield
    result = getattr(item, "result", None)
    planned = getattr(item, "planned", None)
    if planned is not None:
        _without_secrets(report, item.config.stash[_workshops].clean)
    if planned is None or report.when != "call" or result is None:
        return report
    if result.verdict == "inconclusive":
        setattr(report, INCONCLUSIVE, result.reason)
    if hasattr(item.config, "workerinput"):
        from upheld.plugin.transport import pack  # noqa: PLC0415

        setattr(report, PACKED, pack(result, item.config.stash[_workshops].brief.scratch))
    return report


def _without_secrets(report: pytest.TestReport, clean: Callable[[str], str]) -> None:
    """Take secrets out of what pytest itself shows: tracebacks with values in them, what was printed and logged."""
    if report.longrepr is not None and not isinstance(report.longrepr, tuple):
        text = str(report.longrepr)
        cleaned = clean(text)
        if cleaned != text:
            report.longrepr = cleaned
    report.sections = [(title, clean(text)) for title, text in report.sections]


@pytest.hookimpl(tryfirst=True)
def pytest_warning_recorded(warning_message: warnings.WarningMessage) -> None:
    """Take secrets out of warnings, of which pytest makes a summary."""
    redaction = sys.modules.get("upheld.redaction")  # Without it nothing was audited in this process.
    if redaction is not None:
        text = str(warning_message.message)
        cleaned = redaction.clean(text)
        if cleaned != text:
            warning_message.message = cleaned


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """In the controller, keep account of what was planned and what is reported."""
    config = session.config
    policy = None if hasattr(config, "workerinput") else _policy_named(config)
    if policy is not None:
        from upheld.plugin.accounting import Accounting  # noqa: PLC0415

        config.pluginmanager.register(Accounting(_audit(config, policy), config), "upheld-accounting")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In an interrupted process, wait for nobody before what its checks left behind is undone: there is little time."""
    if (
        exitstatus == pytest.ExitCode.INTERRUPTED
        and (workshop := session.config.stash.get(_workshops, None)) is not None
    ):
        workshop.interrupted = True


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show inconclusive checks as what they are."""
    if hasattr(report, INCONCLUSIVE):
        return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})
    return None
