"""Benchmarks run only when somebody measures; here it is seen that they still find what they import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LOAD = "import runpy, sys\nfor path in sys.argv[1:]:\n    print(path, flush=True)\n    runpy.run_path(path, run_name='loaded')"


def test_every_benchmark_can_be_loaded() -> None:
    benches = sorted(str(path) for path in (ROOT / "bench").glob("bench_*.py"))
    assert benches
    done = subprocess.run([sys.executable, "-c", _LOAD, *benches], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout.split()[-1]}\n{done.stderr}"
    assert done.stdout.split() == benches
