"""What a reader of each format sees of a run: the documents read by their own rules, with nothing of the exporter's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from upheld.exporting.rows import Shown


@dataclass(frozen=True)
class Format:
    """How a format is read: `sees` gives each row's verdict by its name; `order` has the verdicts, best first, and the first is the only
    good one; `table` says which of them each status is meant to be. `whole` is the verdict on the run, if the format has one:
    `whole_good` of a run that came to its end, and unless `whole_of_run_only`, in which all claims are upheld.
    """

    sees: Callable[[bytes], Mapping[str, str]]
    order: tuple[str, ...]
    table: Mapping[Shown, str]
    whole: Callable[[bytes], str] | None = None
    whole_good: str = ""
    whole_of_run_only: bool = False


def junit(data: bytes) -> dict[str, str]:
    """As a CI service counts test cases."""
    seen = {}
    for case in ET.fromstring(data).iter("testcase"):
        seen[case.attrib["name"]] = case[0].tag if len(case) else "passed"
    return seen


def sarif(data: bytes) -> dict[str, str]:
    """The worst kind of the results of a claim; a code scanning service shows an alert for each."""
    (run,) = json.loads(data)["runs"]
    order = ("pass", "review", "open", "fail")
    seen = {rule["id"]: "no alert" for rule in run["tool"]["driver"]["rules"] if "/" not in rule["id"]}
    for result in run["results"]:
        name = result["ruleId"].partition("/")[0]
        kind = result.get("kind", "fail")
        seen[name] = max(kind, seen[name], key=lambda one: order.index(one) if one in order else -1)
    return seen


def sarif_whole(data: bytes) -> str:
    """Whether the tool says that it ran to its end."""
    (run,) = json.loads(data)["runs"]
    return "ran" if run["invocations"][0]["executionSuccessful"] else "broke off"


READERS: dict[str, Format] = {
    "junit": Format(
        junit,
        ("passed", "skipped", "error", "failure"),
        {
            Shown.UPHELD: "passed",
            Shown.ATTESTED: "skipped",
            Shown.PARTIAL: "skipped",
            Shown.UNCOVERED: "error",
            Shown.LAPSED: "error",
            Shown.INCONCLUSIVE: "error",
            Shown.REFUTED: "failure",
        },
    ),
    "sarif": Format(
        sarif,
        ("no alert", "review", "open", "fail"),
        {
            Shown.UPHELD: "no alert",
            Shown.ATTESTED: "review",
            Shown.PARTIAL: "open",
            Shown.UNCOVERED: "open",
            Shown.LAPSED: "open",
            Shown.INCONCLUSIVE: "open",
            Shown.REFUTED: "fail",
        },
        sarif_whole,
        whole_good="ran",
        whole_of_run_only=True,
    ),
}
