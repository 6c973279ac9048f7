"""The wiki at the root, its notifications where they must be, and the static files that a web server would serve otherwise."""

from __future__ import annotations

from django.contrib.staticfiles.views import serve
from django.urls import include, path, re_path

urlpatterns = [
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
    path("notifications/", include("django_nyt.urls")),
    path("", include("wiki.urls")),
]
