"""Defects of the published page: it promises something else than what the policy carries."""

from __future__ import annotations

from collections.abc import Callable

from upheld_reference.edge import pages
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIMS = ("publication.page-matches-policy",)


@sabotage(breaks=_CLAIMS, shows=("no claim",))
def page_with_new_sentence(platform: Platform) -> None:
    """The security page promises something that nothing backs: a penetration test every quarter."""
    last = "<li>Post-incident reviews are conducted to prevent recurrence</li>"
    _edit(platform, last, f"{last}\n<li>Independent penetration tests are carried out every quarter</li>")


@sabotage(
    breaks=_CLAIMS,
    shows=(
        "60",
        "90",
    ),
)
def page_with_changed_number(platform: Platform) -> None:
    """The security page says that message logs are kept for 60 days by default instead of 90."""
    _edit(platform, "retained for 90 days by default", "retained for 60 days by default")


@sabotage(breaks=_CLAIMS, shows=("page",))
def page_with_removed_sentence(platform: Platform) -> None:
    """The security page no longer says that customer data and contact lists are not sold."""
    _edit(platform, "<li>We do not sell customer data or WhatsApp contact lists to any third party</li>\n", "")


@sabotage(breaks=_CLAIMS, shows=("follows 'Encryption at rest'",))
def page_with_swapped_figures(platform: Platform) -> None:
    """The headline figures of the security page for encryption at rest and in transit have changed places."""
    first, second = "<dd><strong>AES-256</strong></dd>", "<dd><strong>TLS 1.2+</strong></dd>"
    label = "<dt>Encryption in transit</dt>"
    _edit(platform, f"<dt>Encryption at rest</dt>{first}", f"<dt>Encryption at rest</dt>{second}")
    _edit(platform, f"{label}{second}", f"{label}{first}")


@sabotage(
    breaks=("disclosure-channel",),
    shows=(
        "names none of",
        "mailto:",
    ),
)
def page_without_contact_link(platform: Platform) -> None:
    """The words "Report a vulnerability" on the security page lead nowhere: the link to the contact is gone."""
    link = '<a href="mailto:security@rivetsoftware.dev">Report a vulnerability</a>'
    _edit(platform, link, "Report a vulnerability")


@sabotage(breaks=("no-bounty", *_CLAIMS), shows=("rewarded",))
def page_offers_bounty(platform: Platform) -> None:
    """The security page promises rewards to those who report a vulnerability."""
    last = "researchers who help keep our customers safe.</p>"
    _edit(
        platform, last, f"{last}\n<p>Valid reports are rewarded with up to 5,000 euros by our bug bounty programme.</p>"
    )


@sabotage(breaks=("no-bounty",), shows=("links to https://bounty.example.com",))
def footer_links_to_bounty(platform: Platform) -> None:
    """The footer of every page, the security page among them, links to a bug bounty programme."""
    last = '<li><a href="{{ status }}/">Status</a></li>\n</ul>\n{% endblock %}\n</div>\n</footer>'
    link = '<li><a href="https://bounty.example.com/programmes/rivet">Bug bounty</a></li>'
    edit_template(platform, "base.html", last, f"{link}\n{last}")


def edit_template(
    platform: Platform, template: str, before: str, after: str | Callable[[], str], *, everywhere: bool = False
) -> None:
    """Has ``template`` read with ``before`` replaced once, or ``everywhere``; a deployment whose template lacks it fails.

    An ``after`` that is a function is called when the template is read, when the listeners have their ports.
    """
    right = pages.source

    def check(_built: Platform) -> None:
        if before not in right(template):
            raise ValueError(f"the template {template} has no {before!r} to change")

    def source(name: str) -> str:
        if name != template:
            return right(name)
        changed = after() if callable(after) else after
        return right(name).replace(before, changed, -1 if everywhere else 1)

    platform.replace(pages, "source", source)
    platform.on("built", check)


def _edit(platform: Platform, before: str, after: str) -> None:
    edit_template(platform, "security.html", before, after, everywhere=True)
