"""Makes the tables, accounts, a private place for three of them, one of which is deleted, and a session that has expired.

Run once, before the server starts; prints the session.
"""

from __future__ import annotations

import json
import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from wiki.models import URLPath  # noqa: E402

call_command("migrate", verbosity=0)
users = {name: User.objects.create_user(name, password=password) for name, password in json.load(sys.stdin).items()}
root = URLPath.create_root(title="Wiki", content="Everybody's own articles are below their name.")
root.article.other_write = root.article.group_write = False
root.article.save()
for name in ("ada", "bob", "zoe"):
    URLPath.create_urlpath(
        root,
        name,
        title=f"Articles of {name}",
        content=f"{name}@{name}.example reads this, and nobody else.",
        article_kwargs={
            "owner": users[name],
            "group_read": False,
            "group_write": False,
            "other_read": False,
            "other_write": False,
        },
    )
users["zoe"].delete()
old = SessionStore()
old[SESSION_KEY] = str(users["ada"].pk)
old[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
old[HASH_SESSION_KEY] = users["ada"].get_session_auth_hash()
old.set_expiry(-60)
old.create()
print(old.session_key, end="")
