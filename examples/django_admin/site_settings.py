"""A Django project that is its own administration, with django-axes and django-auditlog, on MariaDB over TLS."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pymysql

pymysql.install_as_MySQLdb()

HERE = Path(__file__).resolve().parent
ACCOUNT = os.environ.get("SITE_ACCOUNT", "app")
SECRET_KEY = (HERE / "secrets" / "key").read_text(encoding="utf-8")
DEBUG = False
ALLOWED_HOSTS = ["admin.example"]
ROOT_URLCONF = "site_urls"
WSGI_APPLICATION = None
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "auditlog",
    "axes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "auditlog.middleware.AuditlogMiddleware",
    "axes.middleware.AxesMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "site",
        "HOST": "127.0.0.1",
        "PORT": 18601,
        "USER": ACCOUNT,
        "PASSWORD": (HERE / "secrets" / f"database-{ACCOUNT}").read_text(encoding="utf-8"),
        "OPTIONS": {
            "charset": "utf8mb4",
            "ssl": {"ca": str(HERE / "certificates" / "ca.pem"), "check_hostname": False},
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
LOGIN_URL = "/admin/login/"
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
AUDITLOG_INCLUDE_TRACKING_MODELS = ["auth.User"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(seconds=8)  # Hours, as a rule; whoever audits it waits for its end.
AXES_LOCKOUT_PARAMETERS = ["username"]
