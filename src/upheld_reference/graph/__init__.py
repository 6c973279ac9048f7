"""Meta's Graph API: the platform's client of it, and a stand-in that answers in Meta's place."""
