"""What the plugin relies on in pytest and pytest-xdist beyond their documented interface."""

from __future__ import annotations

import inspect

import pytest
from xdist.scheduler.load import LoadScheduling


def test_a_module_asks_getobj_for_its_module():
    assert "_getobj" in vars(pytest.Module)


def test_a_function_takes_a_callobj_and_runs_by_runtest():
    assert "callobj" in inspect.signature(pytest.Function.__init__).parameters
    assert "runtest" in vars(pytest.Function)


def test_a_report_keeps_attributes_on_its_way():
    report = pytest.TestReport("id", ("file", 0, "id"), {}, "passed", None, "call", upheld_result="{}")
    copied = pytest.TestReport._from_json(report._to_json())
    assert copied.upheld_result == "{}"


def test_a_scheduler_knows_its_config():
    assert "config" in inspect.signature(LoadScheduling.__init__).parameters
