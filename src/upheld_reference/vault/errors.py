"""Why the vault did not do what it was asked.

VaultError
├── VaultUnreachableError   no answer
├── VaultRefusedError       this service may not, or the request is not as described
├── NoSuchCredentialError   the workspace has no such credential
└── UpstreamError           Meta's Graph API did not do its part
"""

from __future__ import annotations


class VaultError(Exception):
    """The vault did not do what it was asked; no message repeats what was sent."""


class VaultUnreachableError(VaultError):
    """No answer came."""


class VaultRefusedError(VaultError):
    """The vault refused the request."""

    def __init__(self, status: int) -> None:
        """Carries the HTTP status."""
        self.status = status
        super().__init__(f"the vault answered {status}")


class NoSuchCredentialError(VaultError):
    """The workspace has no such credential."""


class UpstreamError(VaultError):
    """Meta's Graph API did not do its part."""

    def __init__(self, reason: str) -> None:
        """Carries what may be told to a member."""
        self.reason = reason
        super().__init__(reason)
