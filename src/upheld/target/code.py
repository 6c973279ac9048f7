"""Where the code is: the repository, the forge that keeps its changes, the log of deploys, and what is known of dependencies."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.endpoints import Endpoint
from upheld.target.parts import IpAddress, LocalPath, Part, SecretRef, Url


class Repository(Part):
    """A git repository on this machine, as a folder with its whole history (a clone or a mirror, not a shallow one).

    What is left out is looked for where it usually stands. Patterns of paths are those of a shell, in which `*` also
    matches `/`.
    """

    path: LocalPath
    """The folder, relative to the target file."""
    branch: str = "main"
    """The branch that production is deployed from."""
    since: datetime | None = None
    """From when on the rules hold; what the branch had before is not judged."""
    since_commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")
    """The last commit before the rules held; it and what is before it are not judged. Takes precedence over `since`."""
    code: tuple[str, ...] = (".",)
    """The folders with the platform's own code, for static analysis."""
    sensitive_paths: dict[str, tuple[str, ...]] = {}
    """Patterns by area (`auth`, `billing`) of the files whose changes the security team must approve."""
    security_team: str | None = None
    """The team's name on the forge, without the organisation; on GitLab a group below `owner`, or a group's full path."""
    former_security_accounts: tuple[str, ...] = ()
    """Accounts that were in the team when they approved, and are no longer."""
    owners_file: str | None = None
    """Who must approve changes of which files (CODEOWNERS)."""
    lock_files: tuple[str, ...] = ()
    """Lock files besides those that are found by their usual names."""
    left_out_lock_files: dict[str, str] = {}
    """Lock files that pin nothing that is built or run (of an example, say), with the reason."""
    pipelines: tuple[str, ...] = ()
    """The definitions of what runs on every change."""
    update_bot_file: str | None = None
    """The configuration of the bot that proposes updates."""


class Forge(Part):
    """The service that keeps changes, reviews, branch protection and builds; `url` is the root of its API.

    GitHub's is https://api.github.com, that of GitHub Enterprise Server https://HOST/api/v3. The token needs to read
    contents, pull requests, actions, members and administration. GitLab's is https://gitlab.com or the address of a
    self-managed server, with or without /api/v4. The token needs the scope read_api and the role of a maintainer.
    """

    kind: Literal["github", "gitlab"] = "github"
    url: Url
    address: IpAddress | None = None
    """The IP address at which the host must be reached."""
    owner: str
    """The organisation or account that owns the repository; on GitLab the path of its group, with those above it."""
    repository: str
    """The repository's name; on GitLab the last part of the project's path."""
    token: SecretRef
    job_token: bool = False
    """On GitLab: the token is that of a CI job (`CI_JOB_TOKEN`), which may see little, and no access token."""

    @model_validator(mode="after")
    def _job_token_of_gitlab(self) -> Forge:
        if self.job_token and self.kind != "gitlab":
            raise PydanticCustomError("job_token", "only GitLab has tokens of CI jobs (job_token)")
        return self

    @property
    def endpoint(self) -> Endpoint:
        """Where the forge is reached, as the scope takes it."""
        return Endpoint(name="forge", url=self.url, address=self.address, public=False)


class Deploys(Part):
    """The log of deploys: a file with one JSON object a line, and how its fields are called.

    A dot in a name leads into an object: `commit.sha`.
    """

    path: LocalPath
    """The file, relative to the target file."""
    at: str = "at"
    """When it was deployed, in RFC 3339."""
    commit: str = "commit"
    """The full id of the commit."""
    environment: str | None = "environment"
    """Where to; empty where the log is about production only."""
    production: tuple[str, ...] = ("production",)
    """The values of that field that mean production."""


class Advisories(Part):
    """Published advisories in the OSV format: a folder with one record a file, or a service that answers OSV's queries."""

    folder: LocalPath | None = None
    """The mirror's folder, relative to the target file."""
    dated: date | None = None
    """The day on which the mirror was compared with its source."""
    url: Url | None = None
    """The service's root; its queries go to `/v1/query` below it."""
    address: IpAddress | None = None
    """The IP address at which the service must be reached."""
    controls: dict[str, str] = {"PyPI": "jinja2==3.1.3", "npm": "esbuild==0.24.2"}
    """For each ecosystem a package that is known to be vulnerable; when it is not reported, nothing is believed."""

    @model_validator(mode="after")
    def _one_source(self) -> Advisories:
        if (self.folder is None) == (self.url is None):
            raise PydanticCustomError("one_source", "advisories need a folder or a url, one of the two")
        if self.folder is not None and self.dated is None:
            raise PydanticCustomError("undated", "a folder of advisories needs a date (dated)")
        return self

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the service is reached, as the scope takes it."""
        return Endpoint(name="advisories", url=self.url, address=self.address, public=False) if self.url else None
