"""The reference deployment: a small multi-tenant messaging platform that keeps the promises which upheld audits.

It imports nothing of ``upheld``. ``upheld_reference.deployment.start`` runs one as a child process; ``embedded`` does so as
a target that an auditor finds by its entry point.
"""

from upheld_reference.embedding import embedded

__all__ = ["embedded"]
