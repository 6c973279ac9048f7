"""Access tokens: good for a short time only, for whoever they were issued to, until the session ends."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.sessions import Issued, Sessions


@check(basis=OBSERVED)
def tokens_are_short_lived(sessions: Sessions, *, most_minutes: int = 60) -> Iterator[Finding | NotObserved]:
    """An access token is valid for no longer than `most_minutes`, by its own word and by what the login tells.

    Decides: how long a token that somebody gets hold of would be good for.

    How: a session is begun, and the expiry in its token (the claim `exp` of a JSON web token) is compared with the
    auditor's clock; so is the lifetime that the answer tells. Of an opaque token only the answer can tell. The token must open
    what is closed without one (control).

    Refuted by: a longer lifetime, and a JSON web token without an expiry, which never ends.

    Cannot see: whether the expiry is looked at, which `forged_and_expired_tokens_are_refused` decides.

    References: RFC 9700 §2.2.1, RFC 6750 §5.3, RFC 8725 §3.1, OWASP ASVS 3.5.
    """
    issued = sessions.issue()
    subject, expected = f"token of {issued.identity}", f"valid for at most {most_minutes} minutes"
    if issued.kind == "jwt" and issued.lifetime_seconds is None:
        yield Finding(subject, False, expected, "it carries no expiry, so that it never ends", seen=(issued,))
        return
    known = [one for one in (issued.lifetime_seconds, issued.told_seconds) if one is not None]
    if not known:
        yield NotObserved(subject, "neither the token nor the login's answer tells when it expires", expected)
        return
    minutes = max(known) / 60
    # A second for the way: the token was issued a little before it was looked at.
    passed = max(known) <= most_minutes * 60 + 1
    if passed:
        _control(sessions, issued)
        if sessions.use_none().worked:
            reason = "whoever has no token is let in too, so that it does not matter for how long one is valid"
            yield NotObserved(subject, reason, expected)
            return
    yield Finding(subject, passed, expected, f"valid for {minutes:.0f} minutes", seen=(issued,))


@check(basis=OBSERVED)
def forged_and_expired_tokens_are_refused(sessions: Sessions) -> Iterator[Finding | NotObserved]:
    """A token that has expired, was altered, is not signed, or is signed with another key is refused.

    Decides: whether the API looks at signature, algorithm and expiry of the tokens that it is sent.

    How: a session is begun; its token is accepted (control). Then the same request is made with the token forged in each
    way of the list that comes with upheld, and with the expired tokens of the deployment that the target refers to.

    Refuted by: an answer with such a token that is as good as with the right one.

    Cannot see: keys that are weak without being on the list, and expiry where the target refers to no expired token.

    References: RFC 8725 §2 and §3, RFC 7519 §4.1.4, OWASP WSTG-SESS-10, CWE-347, CWE-613.
    """
    issued = sessions.issue()
    _control(sessions, issued)
    for forgery in sessions.forgeries():
        subject, expected = f"token forged: {forgery}", "refused"
        try:
            reply = sessions.use_forged(issued.handle, forgery.name)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        # Some forgeries end in an error of the verifier: that is for the checks of input to find.
        observed = f"answered {reply.status}" + (", as to the right token" if reply.worked else "")
        yield Finding(subject, not reply.worked, expected, observed, seen=(reply,))
    _control(sessions, issued)
    count = sessions.expired()
    if not count:
        yield NotObserved("expired token", "the target refers to no token that has expired (sessions.expired)")
    for index in range(count):
        subject, expected = f"expired token {index + 1}", "refused"
        try:
            used = sessions.use_expired(index)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        if used.expired_seconds_ago is not None and used.expired_seconds_ago <= 0:
            yield NotObserved(subject, "it has not expired yet", expected, seen=(used,))
            continue
        observed = f"answered {used.reply.status}" + (", as to a valid token" if used.reply.worked else "")
        yield Finding(subject, not used.reply.worked, expected, observed, seen=(used,))


@check(basis=OBSERVED, intrusive=True)
def revoked_sessions_are_refused(sessions: Sessions) -> Iterator[Finding | NotObserved | LeftOut]:
    """Once a session is revoked, its access token and its refresh token are refused.

    Decides: whether a token whose theft was noticed can be stopped before it expires.

    How: a session is begun, its token is accepted (control), the session is revoked, and the token and the refresh token
    are used again. Where the target says that there are no refresh tokens, each kind of login must be seen to hand out none.

    Refuted by: an answer that is as good as before, or new tokens.

    Cannot see: other ways to end a session (a change of password, say).

    References: RFC 7009 §2, RFC 9700 §4.14.2, OWASP WSTG-SESS-06, CWE-613.
    """
    issued = sessions.issue()
    _control(sessions, issued)
    reply = sessions.revoke(issued.handle)
    if not reply.worked:
        raise Unobservable(f"the session could not be revoked: it answered {reply.status}")
    used = sessions.use(issued.handle)
    observed = f"answered {used.status}" + (", as before" if used.worked else "")
    yield Finding("access token of a revoked session", not used.worked, "refused", observed, seen=(used,))
    if not sessions.has_refresh_tokens():
        yield from _none_is_handed_out(sessions)
        return
    subject = "refresh token of a revoked session"
    try:
        refreshed = sessions.refresh(issued.handle)
    except Unobservable as unobservable:
        yield NotObserved(subject, unobservable.reason, "refused")
        return
    observed = f"answered {refreshed.status}" + (" with new tokens" if refreshed.worked else "")
    yield Finding(subject, not refreshed.worked, "refused", observed, seen=(refreshed,))


@check(basis=OBSERVED, intrusive=True)
def refresh_tokens_work_once(sessions: Sessions) -> Iterator[Finding | NotObserved | LeftOut]:
    """A refresh token is exchanged for a new one, and is refused when it comes a second time; or none is handed out.

    Decides: whether a refresh token that was stolen is noticed, or is a long-lived secret.

    How: a session is begun and its refresh token exchanged; the new access token is accepted (control). Then the old
    refresh token is sent again. Where the target says that there are none, each kind of login must be seen to hand out none: its
    answers, headers and cookies hold nothing else that looks made by chance, and no operation speaks of refreshing.

    Refuted by: an exchange that gives no new refresh token, and a second exchange of the old one that works.

    Cannot see: whether the session ends at the second exchange, as it should; and refresh tokens that are bound to a client.

    References: RFC 9700 §4.14.2, RFC 6749 §10.4.
    """
    if not sessions.has_refresh_tokens():
        yield from _none_is_handed_out(sessions)
        return
    issued = sessions.issue()
    first = sessions.refresh(issued.handle)
    if not first.worked:
        raise Unobservable(f"a fresh refresh token cannot be exchanged: it answered {first.status}")
    control = sessions.use(first.handle)
    if not control.worked:
        raise Unobservable(f"the token that a refresh gave is not accepted: it answered {control.status}")
    observed = "it gave another one" if first.rotated else "it gave no other one"
    yield Finding("exchanged refresh token", first.rotated, "a new refresh token comes with the exchange", observed)
    again = sessions.refresh(issued.handle)
    observed = f"answered {again.status}" + (" with new tokens" if again.worked else "")
    yield Finding("refresh token that was exchanged before", not again.worked, "refused", observed, seen=(again,))


def _none_is_handed_out(sessions: Sessions) -> Iterator[Finding | NotObserved | LeftOut]:
    """Whether the target's word holds that logins hand out no refresh tokens; what speaks against it leaves the matter open."""
    expected = "no refresh token is handed out, as the target says"
    if exchanges := sessions.exchanges():
        reason = f"the target says that there are none, and the API has {exchanges[0]} (sessions.refresh)"
        yield NotObserved("refresh tokens", reason, expected)
    logins = sessions.logins()
    if not logins:
        yield NotObserved(
            "refresh tokens", "no identity logs in by a request, so that no answer could hold one", expected
        )
    for login, identity in logins:
        subject = f"login {login}"
        try:
            found = sessions.handed_out(identity)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        for place, reason in found.left_out:
            yield LeftOut(f"{subject}: {place}", reason)
        if found.places:
            what = f"what may be one stands at {', '.join(found.places)} (sessions.refresh, or sessions.other_values)"
            yield NotObserved(subject, f"the target says that there are none, and {what}", expected, seen=(found,))
        else:
            yield Finding(subject, True, expected, "its answers hold nothing that may be one", seen=(found,))


def _control(sessions: Sessions, issued: Issued) -> None:
    reply = sessions.use(issued.handle)
    if not reply.worked:
        raise Unobservable(f"the right token is not accepted either: it answered {reply.status}")
