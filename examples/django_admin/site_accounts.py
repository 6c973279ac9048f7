"""Makes the tables as their owner, accounts, one that is deleted again, and a login of long ago.

Run once, before the server starts; prints a session that has expired.
"""

from __future__ import annotations

import json
import os
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
os.environ["SITE_ACCOUNT"] = "owner"
django.setup()

from datetime import timedelta  # noqa: E402

from axes.models import AccessLog  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

call_command("migrate", verbosity=0)
users = {}
for name, password in json.load(sys.stdin).items():
    users[name] = User.objects.create_user(
        name, f"{name}@{name}.example", password, is_staff=True, is_superuser=name in {"ada", "eve", "root"}
    )
users["zoe"].delete()
AccessLog.objects.create(username="ada", ip_address="192.0.2.1", user_agent="of long ago", path_info="/admin/login/")
AccessLog.objects.update(attempt_time=timezone.now() - timedelta(days=100))
old = SessionStore()
old[SESSION_KEY] = str(users["ada"].pk)
old[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
old[HASH_SESSION_KEY] = users["ada"].get_session_auth_hash()
old.set_expiry(-60)
old.create()
print(old.session_key, end="")
