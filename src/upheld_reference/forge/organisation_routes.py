"""What the API answers about the organisation, its people and the token itself."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from upheld_reference.forge.accounts import AUDITOR, OWNER
from upheld_reference.forge.answers import VERSION, missing, page, plain, tagged
from upheld_reference.forge.world import World

_NEVER_RESET = 4_102_444_800


def root(world: World, _request: Request) -> Response:
    """Where things are."""
    return plain({"current_user_url": f"{world.url}/user", "rate_limit_url": f"{world.url}/rate_limit"})


def versions(_world: World, _request: Request) -> Response:
    """The versions of the API."""
    return plain([VERSION])


def rate_limit(_world: World, _request: Request) -> Response:
    """How much may still be asked; it does not count."""
    rate = {"limit": 5000, "remaining": 5000, "reset": _NEVER_RESET, "used": 0}
    return plain({"resources": {"core": rate, "search": {**rate, "limit": 30, "remaining": 30}}, "rate": rate})


def current_user(world: World, request: Request) -> Response:
    """The owner of the token."""
    return tagged(request, world.accounts.whole_user(AUDITOR))


def user(world: World, request: Request) -> Response:
    """An account."""
    login = request.path_params["username"]
    if login == OWNER:
        return tagged(request, {**world.accounts.whole_user(login), "type": "Organization"})
    if not world.accounts.known(login):
        raise missing()
    return tagged(request, world.accounts.whole_user(login))


def organisation(world: World, request: Request) -> Response:
    """The organisation."""
    return tagged(request, world.accounts.organisation())


def members(world: World, request: Request) -> Response:
    """Its members."""
    return page(request, world.accounts.members(), world.accounts.user)


def teams(world: World, request: Request) -> Response:
    """Its teams."""
    return page(request, world.accounts.teams(), world.accounts.team)


def team(world: World, request: Request) -> Response:
    """One of its teams."""
    return tagged(request, world.accounts.whole_team(_slug(world, request)))


def team_members(world: World, request: Request) -> Response:
    """The members of a team."""
    return page(request, world.accounts.team_members(_slug(world, request)), world.accounts.user)


def membership(world: World, request: Request) -> Response:
    """Whether somebody is in a team: 404 if not."""
    slug, login = _slug(world, request), request.path_params["username"]
    if login not in world.accounts.team_members(slug):
        raise missing()
    return tagged(request, world.accounts.membership(slug, login))


def _slug(world: World, request: Request) -> str:
    slug: str = request.path_params["team_slug"]
    if slug not in world.accounts.teams():
        raise missing()
    return slug


ROUTES: tuple[tuple[str, str, Callable[[World, Request], Response]], ...] = (
    ("/", "metadata", root),
    ("/versions", "metadata", versions),
    ("/rate_limit", "metadata", rate_limit),
    ("/user", "metadata", current_user),
    ("/users/{username}", "metadata", user),
    ("/orgs/{org}", "metadata", organisation),
    ("/orgs/{org}/members", "members", members),
    ("/orgs/{org}/teams", "members", teams),
    ("/orgs/{org}/teams/{team_slug}", "members", team),
    ("/orgs/{org}/teams/{team_slug}/members", "members", team_members),
    ("/orgs/{org}/teams/{team_slug}/memberships/{username}", "members", membership),
)
"""Path, the right that a token needs for it, and what answers."""
