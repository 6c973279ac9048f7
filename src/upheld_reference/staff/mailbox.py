"""Mail to staff. In the sandbox a folder stands for the mail provider: every message is a file of it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from uuid import uuid4


class Mailbox:
    """Where mail to staff arrives."""

    def __init__(self, folder: Path) -> None:
        """Delivers to ``folder``, which only the platform's own user may enter."""
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def send(self, to: str, subject: str, text: str) -> None:
        """Delivers one message (RFC 5322) as <id>.eml."""
        message = EmailMessage()
        message["From"] = "Rivet staff console <staff@rivetsoftware.dev>"
        message["To"] = to
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Subject"] = subject
        message.set_content(text, cte="8bit")
        path = self.folder / f"{uuid4()}.eml"
        path.touch(mode=0o600)
        path.write_bytes(bytes(message))
