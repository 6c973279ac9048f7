"""Text of users that comes out of the web application as markup."""

from __future__ import annotations

from starlette.responses import JSONResponse

from upheld_reference.api import errors
from upheld_reference.edge import part
from upheld_reference.edge.webapp import site
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.sabotages.publication import edit_template

_CLAIM = "input-output"
_INLINE_TOO = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "/inbox",
        "in a message: a script in it ran",
    ),
)
def stored_markup_unescaped_in_inbox(platform: Platform) -> None:
    """The inbox puts the text of messages into its page as it is, so that a script in a message runs for who reads it."""
    edit_template(platform, "inbox.html", "<p>{{ message.text }}</p>", "<p>{{ message.text | safe }}</p>")
    platform.replace(part, "APP_POLICY", _INLINE_TOO)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "/login, parameter email",
        "a script in it ran",
    ),
)
def markup_unescaped_in_login_error(platform: Platform) -> None:
    """The login page repeats the e-mail address as it was typed, so that a script in it runs."""
    edit_template(platform, "login.html", 'value="{{ email }}"', 'value="{{ email | safe }}"')
    platform.replace(part, "APP_POLICY", _INLINE_TOO)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "/inbox.json",
        "data served as text/html",
    ),
)
def inbox_data_served_as_html(platform: Platform) -> None:
    """The inbox's data is served as HTML, so that a script in a message runs for who opens its address."""

    class AsHtml(JSONResponse):
        media_type = "text/html"

    platform.replace(site, "JSONResponse", AsHtml)
    platform.replace(part, "APP_POLICY", _INLINE_TOO)


@sabotage(breaks=(_CLAIM,), shows=("text/html",))
def refusals_served_as_html(platform: Platform) -> None:
    """The API's refusals say that they are HTML, so that a browser would take what they repeat for a page."""

    class AsHtml(JSONResponse):
        media_type = "text/html"

    platform.replace(errors, "JSONResponse", AsHtml)
