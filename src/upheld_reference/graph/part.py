"""The stand-in for Meta's Graph API, as a part of the deployment."""

from __future__ import annotations

from upheld_reference.graph import standin
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan

GRAPH = ListenerPlan("graph", "graph.rivet.example", audience="outside")
"""Where the platform reaches it."""


class GraphPart(Part):
    """Answers in Meta's place."""

    listeners = (GRAPH,)

    def build(self) -> None:
        """It keeps a log of its own, as it is Meta's."""
        self.platform.listeners[GRAPH.name].app = standin.build(self.platform.logs)
