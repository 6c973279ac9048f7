"""`python -m examples NAME`: start an example, audit it and compare the verdicts with the expected ones."""

from __future__ import annotations

import sys

from examples.running import main

sys.exit(main(sys.argv[1:]))
