"""Whether whoever gets at the store of backups can read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from upheld import INSPECTED, OBSERVED, Finding, LeftOut, NotObserved, check
from upheld.probes.backups import Backups, Contents
from upheld.probes.clock import Clock

_SHOWN = {"base": "base backups", "increment": "increments", "wal": "write-ahead log", "other": "other objects"}
_POLL = (0.2, 2.0)
CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of the auditor and of the store may be apart."""


@check(basis=INSPECTED)
def no_object_is_readable_without_its_key(backups: Backups) -> Iterator[Finding | NotObserved | LeftOut]:
    """No object in the store of backups can be read as a dump, an archive, compressed data, text or write-ahead log.

    Decides: whether backups were encrypted before they were put into the store.

    How: reads every object to its end and tries to make something of it without a key: formats by their signatures, decompression also
    behind a header, tar, SQL and other text, pages of write-ahead log, base64 of any of these; and measures the entropy of blocks.
    What the target declares readable is left aside, with its reason.

    Refuted by: an object that can be read, and one whose blocks are less random than ciphertext is.

    Cannot see: whether the encryption is strong, and formats that look like random bytes.

    References: ISO/IEC 27001:2022 A.8.13, A.8.24; NIST SP 800-209.
    """
    found = backups.contents()
    expected = "nothing that can be read without a key"
    yield from _excused(found)
    yield from _unread(found, expected)
    for suspect in found.readable:
        yield Finding(suspect, False, expected, f"readable as {', '.join(suspect.what)}", seen=(found,))
    for group in found.groups:
        bad = [one for one in found.readable if one.kind == group.kind]
        meant = group.objects - sum(one.kind == group.kind for one in found.excused)
        if not bad and meant > 0:
            least = "" if group.entropy is None else f", at least {group.entropy:.2f} bits a byte"
            observed = f"{meant} objects, none readable{least}"
            yield Finding(_SHOWN[group.kind], True, expected, observed, seen=(found,))
    for kind in ("base", "wal"):
        if not any(group.kind == kind and group.objects for group in found.groups):
            yield NotObserved(_SHOWN[kind], "there was none to be read", expected, seen=(found,))


@check(basis=INSPECTED)
def keys_are_not_in_the_store(backups: Backups) -> Iterator[Finding | NotObserved]:
    """The keys that open the backups are not in the store, in no object and in no spelling.

    Decides: whether whoever gets at the backups gets their keys too.

    How: reads every object to its end and looks for the declared keys: raw, in hexadecimal and in base64; and for anything that shows
    itself as a private key.

    Refuted by: an object with a key in it.

    Cannot see: keys that are not declared and look like nothing, and keys inside what is encrypted.

    References: NIST SP 800-57 Part 1 Rev. 5 §6; ISO/IEC 27001:2022 A.8.24.
    """
    found = backups.contents()
    expected = "in no object of the store"
    yield from _unread(found, expected)
    if not found.looked_for:
        yield NotObserved("keys", "the target declares no key of the backups (backups.keys)", expected)
    for suspect in found.holding:
        yield Finding(suspect, False, expected, f"holds {', '.join(suspect.what)}", seen=(found,))
    objects = sum(group.objects for group in found.groups)
    if not any(group.objects for group in found.groups if group.kind != "other"):
        # A catalogue or an index alone is no backup that a key could have been put beside.
        yield NotObserved("backups", "there was none to be read", expected, seen=(found,))
    for what in found.looked_for:
        if objects and not any(what in one.what for one in found.holding):
            yield Finding(what, True, expected, f"in none of {objects} objects", seen=(found,))


@check(basis=OBSERVED, intrusive=True)
def what_is_written_leaves_encrypted(backups: Backups, clock: Clock) -> Iterator[Finding | NotObserved]:
    """A word that is written to the database gets into the store of backups, and cannot be found there without a key.

    Decides: whether what leaves the host for the store is encrypted already.

    How: writes a row with a made-up word, waits until the store has the write-ahead log with it, and looks for the word in every
    spelling in all objects that changed since.

    Refuted by: an object with the word in it.

    Cannot see: base backups that are taken later.

    References: ISO/IEC 27001:2022 A.8.24.
    """
    expected = "in no object of the store"
    began = clock.now()
    try:
        mark = backups.mark()
        end = clock.now() + timedelta(seconds=backups.archive_within_seconds())
        pause, longest = _POLL
        while not (there := backups.holds_segment(mark.segment)) and clock.now() < end:
            clock.wait(pause)
            pause = min(longest, pause * 1.5)
        if not there:
            reason = f"the write-ahead log with it ({mark.segment}) did not get into the store"
            yield NotObserved("the word that was written", reason, expected)
            return
        found = backups.contents((mark.word,), began - CLOCKS_APART)
        yield from _unread(found, expected)
        holding = [one for one in found.holding if any(mark.word in what for what in one.what)]
        for suspect in holding:
            yield Finding(suspect, False, expected, "holds the word that was written to the database", seen=(found,))
        objects = sum(group.objects for group in found.groups if group.kind == "wal")
        if not objects:
            yield NotObserved("the word that was written", "no write-ahead log of that time was read", expected)
        elif not holding:
            observed = f"in none of {objects} segments that were archived since"
            yield Finding("the word that was written", True, expected, observed, seen=(found,))
    finally:
        backups.remove_marks()


def _excused(found: Contents) -> Iterator[LeftOut]:
    for one in found.excused:
        yield LeftOut(one, one.reason)


def _unread(found: Contents, expected: str) -> Iterator[NotObserved]:
    """What was there and could not be read."""
    for group in found.groups:
        for name, reason in group.unread:
            yield NotObserved(name, reason, expected, seen=(found,))
