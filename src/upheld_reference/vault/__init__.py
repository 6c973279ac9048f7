"""The vault: the one service that holds credentials, and the only one that ever sees them in plain text."""
