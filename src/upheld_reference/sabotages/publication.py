"""Defects of the published page: it promises something else than what the policy carries."""

from __future__ import annotations

from upheld_reference.edge import pages
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIMS = ("publication.page-matches-policy",)


@sabotage(breaks=_CLAIMS)
def page_with_new_sentence(platform: Platform) -> None:
    """The security page promises something that nothing backs: a penetration test every quarter."""
    last = "<li>Post-incident reviews are conducted to prevent recurrence</li>"
    _edit(platform, last, f"{last}\n<li>Independent penetration tests are carried out every quarter</li>")


@sabotage(breaks=_CLAIMS)
def page_with_changed_number(platform: Platform) -> None:
    """The security page says that message logs are kept for 60 days by default instead of 90."""
    _edit(platform, "retained for 90 days by default", "retained for 60 days by default")


@sabotage(breaks=_CLAIMS)
def page_with_removed_sentence(platform: Platform) -> None:
    """The security page no longer says that customer data and contact lists are not sold."""
    _edit(platform, "<li>We do not sell customer data or WhatsApp contact lists to any third party</li>\n", "")


@sabotage(breaks=("disclosure-channel",))
def page_without_contact_link(platform: Platform) -> None:
    """The words "Report a vulnerability" on the security page lead nowhere: the link to the contact is gone."""
    link = '<a href="mailto:security@rivetsoftware.dev">Report a vulnerability</a>'
    _edit(platform, link, "Report a vulnerability")


def _edit(platform: Platform, before: str, after: str) -> None:
    """Has the security page's template read with ``before`` replaced; raises ValueError if the page lacks it."""
    right = pages.source
    if before not in right("security.html"):
        raise ValueError(f"the security page has no {before!r} to change")

    def source(name: str) -> str:
        return right(name).replace(before, after) if name == "security.html" else right(name)

    platform.replace(pages, "source", source)
