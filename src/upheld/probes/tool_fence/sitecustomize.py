"""What the Pythons of other tools load when they start: the fence, around the places that UPHELD_FENCE names.

The folder of this file is put on the tool's PYTHONPATH, and nothing else of this project is.
"""

import importlib.util
import os
import sys
from pathlib import Path


def _put_up() -> None:
    path = Path(__file__).resolve().parents[1] / "fence.py"
    spec = importlib.util.spec_from_file_location("_upheld_fence", path)
    assert spec is not None  # noqa: S101  (the file is beside this one)
    assert spec.loader is not None  # noqa: S101
    fence = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = fence
    spec.loader.exec_module(fence)
    places = set()
    for one in os.environ.get("UPHELD_FENCE", "").split():
        host, _, port = one.rpartition(":")
        places.add((host, int(port)))
    fence.stay(lambda host, port: (host, port) in places, lambda _name, _port: None)


if "UPHELD_FENCE" in os.environ:
    try:
        _put_up()
    except BaseException as error:  # Python itself would go on without the fence.
        print(f"the fence could not be put up: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(70)
