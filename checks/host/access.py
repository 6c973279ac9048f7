"""Who may get into the host, and as whom its services run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from upheld import INSPECTED, Finding, LeftOut, NotObserved, check
from upheld.probes.host import AuthorizedKeys, Host, SshdSettings

_ROOT = "root"


@check(basis=INSPECTED)
def only_declared_accounts_can_log_in(host: Host) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every account with a shell, or with a number that people get, is a service's or the break-glass procedure's.

    Decides: whether an individual has an account on the host.

    How: reads the account database. Root and accounts of the system without a shell are left aside; every other one must be
    one that the target declares as a service's or as break-glass.

    Refuted by: an undeclared account that has a shell or a number from 1000 to 59999, and a second account with the number 0.

    Cannot see: people who share a declared account, and accounts of a directory service that does not list them.

    References: ISO/IEC 27001:2022 A.5.16, A.8.2; CIS Controls v8 5.1.
    """
    found = host.accounts()
    declared = {*found.service_accounts, *found.break_glass_accounts}
    if not declared:
        yield NotObserved("accounts", "the target declares no account as a service's (host.service_accounts)")
        return
    expected = "only accounts of services and of the break-glass procedure"
    quiet = 0
    for account in found.accounts:
        if account.uid == 0:
            yield Finding(account, account.name == _ROOT, "root alone has the number 0", f"number {account.uid}")
        elif account.name in declared:
            kind = "a service's" if account.name in found.service_accounts else "break-glass"
            yield Finding(account, True, expected, f"declared as {kind}")
        elif account.has_shell or account.personal:
            observed = f"undeclared, number {account.uid}, shell {account.shell or 'the default'}"
            yield Finding(account, False, expected, observed)
        else:
            quiet += 1
    if quiet:
        yield LeftOut("accounts of the system", f"{quiet} of them have neither a shell nor a person's number")


@check(basis=INSPECTED)
def ssh_refuses_root_and_passwords(host: Host) -> Iterator[Finding | NotObserved]:
    """The SSH server lets neither root nor anybody with a password in.

    Decides: whether the host can be entered as root or by whoever knows a password.

    How: reads the settings in force as the server prints them.

    Refuted by: PermitRootLogin other than "no", password or keyboard-interactive authentication, empty passwords, host-based
    authentication, and authentication methods other than public keys.

    Cannot see: settings inside Match blocks, other ways in (a console, an agent of the provider), and accounts of which the
    target's host facts do not speak.

    References: NIST IR 7966; CIS Controls v8 4.1, 5.4.
    """
    settings = host.sshd()
    # What must be said, and whether it may be left unsaid: an old server does not know every keyword.
    wanted = {
        "permitrootlogin": True,
        "passwordauthentication": True,
        "kbdinteractiveauthentication": False,
        "challengeresponseauthentication": False,
        "permitemptypasswords": True,
        "hostbasedauthentication": True,
        "gssapiauthentication": False,
        "kerberosauthentication": False,
    }
    interactive = False
    for keyword, compulsory in wanted.items():
        values = settings.of(keyword)
        if values:
            interactive = interactive or keyword.startswith(("kbd", "challenge"))
            yield Finding(keyword, values[0] == "no", "no", values[0])
        elif compulsory:
            yield NotObserved(keyword, "the SSH server did not print it", "no")
    if not interactive:
        yield NotObserved("kbdinteractiveauthentication", "the SSH server did not print it under any name", "no")
    methods = settings.of("authenticationmethods")
    if methods and methods[0] != "any":
        # Alternatives stand apart by spaces, what is asked for together by commas: each alternative needs a key.
        keyed = all("publickey" in one.split(",") for one in methods[0].split())
        yield Finding("authenticationmethods", keyed, "a public key in each", methods[0])


@check(basis=INSPECTED)
def only_declared_keys_are_let_in(host: Host) -> Iterator[Finding | NotObserved]:
    """Every SSH key that the host lets in is one that the target declares for that account.

    Decides: whether an individual can get in with a key of their own.

    How: takes the fingerprint of each authorised key, and compares it with those that are declared for its account. Whether the
    files that were read are those that the server reads, and whether it takes keys from elsewhere too, shows in its settings.

    Refuted by: a key that is not declared, or declared for another account.

    Cannot see: who holds the private part of a declared key.

    References: NIST IR 7966 §5; ISO/IEC 27001:2022 A.5.17.
    """
    found, settings = host.authorized_keys(), host.sshd()
    declared = dict(found.declared)
    if not declared:
        yield NotObserved("authorised keys", "the target declares no key (host.authorized_fingerprints)")
        return
    for key in found.keys:
        expected = "a key that is declared for that account"
        known = key.fingerprint in declared.get(key.account, ())
        yield Finding(key, known, expected, f"{'declared' if known else 'not declared'}: {key.fingerprint}")
    yield from _elsewhere(found, settings)


@check(basis=INSPECTED)
def services_do_not_run_as_root(host: Host) -> Iterator[Finding | NotObserved]:
    """Each of the platform's services runs, and no process of it runs as root.

    Decides: whether a flaw in a service gives away the whole host.

    How: looks up the processes of each declared service by command, and the account of each.

    Refuted by: a process of a declared service that runs as root.

    Cannot see: services that the target does not declare, privileges that an account has beside being root (capabilities,
    groups, sudo), and a process that gives itself another name.

    References: NIST SP 800-53 Rev. 5 AC-6; CIS Controls v8 5.4.
    """
    found = host.processes()
    if not found.services:
        yield NotObserved("services", "the target declares no service (host.services)")
    for service in found.services:
        # The kernel keeps 15 characters of a command's name.
        users = [one.user for one in found.processes if one.command == service or one.command == service[:15]]
        if not users:
            yield NotObserved(service, "no process of it runs", "runs under an account of its own")
            continue
        shown = ", ".join(sorted(set(users)))
        bad = any(user in {_ROOT, "0"} for user in users)
        yield Finding(service, not bad, "no process of it runs as root", f"{len(users)} processes, as {shown}")


def _elsewhere(found: AuthorizedKeys, settings: SshdSettings) -> Iterator[Finding | NotObserved]:
    """Whether the server takes keys from where nobody looked."""
    for keyword in ("authorizedkeyscommand", "trustedusercakeys", "authorizedprincipalscommand"):
        for value in settings.of(keyword):
            if value != "none":
                yield NotObserved(keyword, f"the SSH server also lets in what {value} names, which was not looked at")
    patterns = [one for value in settings.of("authorizedkeysfile") for one in value.split()]
    if not patterns:
        yield NotObserved("authorizedkeysfile", "the SSH server did not print where it looks for keys")
        return
    # %u is the account, %h its home; a relative path is in the home.
    shapes = [
        re.escape(one if one.startswith(("/", "%h")) else f"%h/{one}").replace("%u", "[^/]+").replace("%h", "/.+")
        for one in patterns
    ]
    read = [one for one in found.files if any(re.fullmatch(shape, one) for shape in shapes)]
    if read:
        yield Finding(
            "authorizedkeysfile", True, "the files that were read", f"{', '.join(patterns)}: {len(read)} files"
        )
    else:
        yield NotObserved(
            "authorizedkeysfile", f"the SSH server reads {', '.join(patterns)}, and no such file was read"
        )
