"""The web application's pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import psycopg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from upheld_reference import services
from upheld_reference.api import logins, session
from upheld_reference.api.app import BodyLimit
from upheld_reference.api.session import Caller
from upheld_reference.edge import bundle, pages
from upheld_reference.edge.webapp import forms, inbox, settings
from upheld_reference.edge.webapp.forms import LOGIN_COOKIE, SESSION_COOKIE
from upheld_reference.edge.webapp.sessions import BrowserSessions, new_cookie
from upheld_reference.logs import app_log
from upheld_reference.platform import Platform, Scope

_WRONG = "E-mail address or password is wrong."

Page = Callable[[Request, Caller], Awaitable[Response]]
"""Answers a request of somebody who is logged in."""


class WebApp:
    """The pages of one deployment's web application."""

    def __init__(self, platform: Platform) -> None:
        """Serves the members of the platform's workspaces."""
        self._platform = platform
        self._own = platform.listeners["app"].url
        self._sessions = BrowserSessions(platform.settings.web_session_idle_seconds)

    def build(self) -> Starlette:
        """The application of the listener ``app``."""
        app = Starlette(
            routes=[
                Route("/", self._start, methods=["GET"]),
                Route("/login", self._login_page, methods=["GET"]),
                Route("/login", self._log_in, methods=["POST"]),
                Route("/logout", self._for_members(self._log_out), methods=["POST"]),
                Route("/inbox", self._for_members(self._inbox), methods=["GET"]),
                Route("/inbox.json", self._inbox_data, methods=["GET"]),
                Route("/settings", self._for_members(self._settings), methods=["GET"]),
                Route("/settings/retention", self._for_members(self._set_retention), methods=["POST"]),
                *bundle.routes(),
                *pages.common_routes(),
            ],
            middleware=[Middleware(BodyLimit)],
            exception_handlers={
                HTTPException: self._refuse,
                psycopg.OperationalError: self._unavailable,
                Exception: self._crash,
            },
        )
        app.router.redirect_slashes = False  # Starlette would send browsers to whatever host the request names
        return app

    def account(self, _platform: Platform, scope: Scope) -> str | None:
        """The account that the session cookie of a request proves; the rate limit asks this."""
        for name, value in scope["headers"]:
            if name == b"cookie":
                return self._sessions.member(cookie_parser(value.decode("latin-1")).get(SESSION_COOKIE))
        return None

    async def _caller(self, request: Request, *, used: bool = True) -> Caller | None:
        cookie = request.cookies.get(SESSION_COOKIE)
        return await self._sessions.caller(services.of(self._platform), cookie, used=used)

    def _for_members(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            caller = await self._caller(request)
            if caller is None:
                return RedirectResponse("/login", status_code=303)
            return await page(request, caller)

        return serve

    def _render(self, request: Request, caller: Caller, template: str, **values: Any) -> Response:
        csrf = self._sessions.csrf_token(request.cookies[SESSION_COOKIE])
        return HTMLResponse(pages.render(self._platform, template, caller=caller, csrf=csrf, **values))

    async def _start(self, request: Request) -> Response:
        return RedirectResponse("/inbox" if await self._caller(request) else "/login", status_code=303)

    async def _login_page(self, request: Request) -> Response:
        if await self._caller(request):
            return RedirectResponse("/inbox", status_code=303)
        return self._login_form(request, forms.query(request, forms.LoginQuery).email)

    def _login_form(self, request: Request, email: str, problem: str | None = None, status: int = 200) -> Response:
        cookie = request.cookies.get(LOGIN_COOKIE) or new_cookie()
        html = pages.render(
            self._platform, "login.html", csrf=self._sessions.csrf_token(cookie), email=email, problem=problem
        )
        response = HTMLResponse(html, status_code=status)
        forms.set_cookie(response, LOGIN_COOKIE, cookie)
        return response

    async def _log_in(self, request: Request) -> Response:
        fields = await forms.read(request)
        forms.must_be_ours(request, self._own, fields, self._sessions, LOGIN_COOKIE)
        typed = fields.get("email", "")
        shared = services.of(self._platform)
        try:
            form = forms.parsed(fields, forms.LoginForm)
            cookie = await self._sessions.log_in(shared, form.email, form.password)
        except HTTPException:
            return self._login_form(request, typed, "Please fill in your e-mail address and your password.", 422)
        except logins.LockedError as error:
            problem = "Too many attempts. Please try again later."
            response = self._login_form(request, typed, problem, 429)
            response.headers["retry-after"] = str(error.retry_seconds)
            return response
        except logins.AccountDisabledError:
            return self._login_form(request, typed, "This account has been disabled.", 403)
        except logins.WorkspaceTerminatedError:
            return self._login_form(request, typed, "This workspace has been closed.", 403)
        except logins.LoginError:
            return self._login_form(request, typed, _WRONG, 401)
        # Who was logged in here before is logged out: the new session is another one in any case.
        if old := request.cookies.get(SESSION_COOKIE):
            await self._sessions.log_out(shared, old)
        response = RedirectResponse("/inbox", status_code=303)
        forms.set_cookie(response, SESSION_COOKIE, cookie)
        forms.delete_cookie(response, LOGIN_COOKIE)
        return response

    async def _log_out(self, request: Request, _caller: Caller) -> Response:
        fields = await forms.read(request)
        forms.must_be_ours(request, self._own, fields, self._sessions, SESSION_COOKIE)
        forms.parsed(fields, forms.LogoutForm)
        await self._sessions.log_out(services.of(self._platform), request.cookies[SESSION_COOKIE])
        response = RedirectResponse("/login", status_code=303)
        forms.delete_cookie(response, SESSION_COOKIE)
        return response

    async def _inbox(self, request: Request, caller: Caller) -> Response:
        wanted, contents = await self._wanted(request, caller)
        query = urlencode({name: value for name, value in wanted.model_dump().items() if value is not None})
        data = f"/inbox.json{'?' if query else ''}{query}"
        return self._render(request, caller, "inbox.html", **contents, words=wanted.q or "", data=data)

    async def _inbox_data(self, request: Request) -> Response:
        # A page that refreshes itself must not keep a session alive that nobody uses any more.
        caller = await self._caller(request, used=False)
        if caller is None:
            return JSONResponse({"error": "nobody is logged in"}, 401)
        _, contents = await self._wanted(request, caller)
        return JSONResponse(contents)

    async def _wanted(self, request: Request, caller: Caller) -> tuple[forms.InboxQuery, dict[str, Any]]:
        """What the query asks for, and that; raises a 403 for a role that may not read messages, a 404 for nothing."""
        if not all(session.role_allows(caller, one) for one in ("listConversations", "listMessages")):
            raise HTTPException(403)
        wanted = forms.query(request, forms.InboxQuery)
        contents = await inbox.contents(caller, wanted.conversation, wanted.q)
        if contents is None:
            raise HTTPException(404)
        return wanted, contents

    async def _settings(self, request: Request, caller: Caller) -> Response:
        saved = forms.query(request, forms.SettingsQuery).saved
        return self._render(request, caller, "settings.html", **await settings.contents(caller), saved=saved)

    async def _set_retention(self, request: Request, caller: Caller) -> Response:
        fields = await forms.read(request)
        forms.must_be_ours(request, self._own, fields, self._sessions, SESSION_COOKIE)
        await settings.set_retention(caller, forms.parsed(fields, forms.RetentionForm).days)
        return RedirectResponse("/settings?saved=retention", status_code=303)

    async def _refuse(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if request.url.path.endswith(".json"):
            return JSONResponse({"error": "refused"}, status)
        headers = error.headers if isinstance(error, HTTPException) else None
        html = pages.render(self._platform, "app_error.html", detail=_DETAILS.get(status, _OTHERWISE))
        return HTMLResponse(html, status_code=status, headers=headers)

    async def _unavailable(self, _request: Request, error: Exception) -> Response:
        app_log.error("the web application found no database: %s", type(error).__name__)
        return PlainTextResponse("temporarily unavailable\n", status_code=503, headers={"retry-after": "1"})

    async def _crash(self, request: Request, error: Exception) -> Response:
        app_log.error("%s of the web application failed", request.url.path, exc_info=error)
        return PlainTextResponse("something went wrong here\n", status_code=500)


_OTHERWISE = "Your browser sent something that this page does not take."
_DETAILS = {
    403: "You may not do this, or the form has expired. Please load the page again.",
    404: "There is no such page in your workspace.",
}
