"""Whether a claim's words promise more than its checks can show: the strength lint.

Too weak is a mistake in the policy, with the words and the parameter side by side; stricter is fine; where the words state
nothing, nothing is said. How each parameter is compared stands in `parameters.yaml`, beside this code.
"""

from __future__ import annotations

from upheld.strength.lint import Decider, Weakness, over_endpoints, weaknesses
from upheld.strength.runs import of_run

__all__ = ["Decider", "Weakness", "of_run", "over_endpoints", "weaknesses"]
