"""Whether a bot proposes updates for everything that there is to update."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, Finding, check
from upheld.probes.codebase import Codebase


@check(basis=INSPECTED)
def update_bot_covers_every_ecosystem(codebase: Codebase) -> Iterator[Finding]:
    """The update bot's configuration covers every place in the repository where dependencies are named.

    Decides: for each ecosystem and folder with a manifest (Python, npm, container images, pipeline actions, Go, Rust and
    others), whether the bot looks after it.

    How: finds the manifests by their usual names at the branch's head, and reads the configuration of Dependabot or Renovate.

    Refuted by: a place that no entry covers; an entry that does nothing, because it may open no pull request, has no schedule, ignores
    everything or works on another branch; no configuration at all.

    Cannot see: whether the bot is switched on, and whether what it proposes is merged; dependencies without a manifest.

    References: SOC 2 CC7.1, ISO/IEC 27001:2022 A.8.8, OpenSSF Scorecard Dependency-Update-Tool.
    """
    manifests = codebase.manifests()
    bot = codebase.update_bot()
    for manifest in manifests:
        expected = "covered by the update bot"
        if bot is None:
            yield Finding(manifest, False, expected, "the repository has no configuration of an update bot")
            continue
        covering = [one for one in bot.watched if one.covers(manifest)]
        working = [one for one in covering if not one.idle]
        if working:
            observed = f"covered by {bot.file}"
        elif covering:
            observed = f"the entry in {bot.file} does nothing: {covering[0].idle}"
        else:
            observed = f"{bot.file} does not cover it ({manifest.file})"
        yield Finding(manifest, bool(working), expected, observed, seen=(manifests, bot))
