"""The host checks on recorded facts, good and bad, missing, old and garbled, and on this machine itself."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from upheld import Finding, LeftOut, NotObserved
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.clock import Clock
from upheld.probes.host import Host

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
NOW = datetime.now(UTC)
BLOB = b"\0\0\0\x0bssh-ed25519" + b"k" * 32
FINGERPRINT = f"SHA256:{base64.b64encode(hashlib.sha256(BLOB).digest()).decode().rstrip('=')}"
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()}"


def disk(name: str, *layers: tuple[str, str], uuid: str | None = None) -> dict[str, Any]:
    """A disk with layers on it, each a name and a type, the lowest first."""
    node: dict[str, Any] = {"name": name, "kname": name, "path": f"/dev/{name}", "type": "disk"}
    below = node
    for layer, kind in layers:
        above = {"name": layer, "kname": f"dm-{layer}", "path": f"/dev/mapper/{layer}", "type": kind}
        below["children"] = [above]
        below = above
    below["uuid"] = uuid
    return node


def mount(target: str, source: str, fstype: str = "ext4", **more: Any) -> dict[str, Any]:
    return {"target": target, "source": source, "fstype": fstype, **more}


def log(*ages: float, end: str = "INFO All upgrades installed") -> str:
    lines = []
    for age in ages:
        at = NOW - timedelta(days=age)
        lines += [
            f"{at:%Y-%m-%d %H:%M:%S},000 INFO Starting unattended upgrades script",
            f"{at:%Y-%m-%d %H:%M:%S},900 {end}",
        ]
    return "\n".join(lines)


def changelog(package: str, version: str, days: float) -> str:
    signed = format_datetime(NOW - timedelta(days=days))
    return f"{package} ({version}) bookworm-security; urgency=high\n\n  * Fix.\n\n -- A B <a@example.com>  {signed}\n"


SSHD = "permitrootlogin no\npasswordauthentication no\nkbdinteractiveauthentication no\npermitemptypasswords no\nhostbasedauthentication no\nauthorizedkeysfile .ssh/authorized_keys /etc/keys/%u\nauthenticationmethods publickey\n"
PASSWD = "root:x:0:0::/root:/bin/bash\nsync:x:4:4::/bin:/bin/sync\ndeploy:x:1000:1000::/srv/deploy:/bin/sh\n"
APT = (
    'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
    'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,label=Debian-Security";\n'
)
GOOD = {
    "block devices": json.dumps(
        {"blockdevices": [disk("sda", ("root", "crypt")), disk("sdb", ("c", "crypt"), ("pg", "lvm"))]}
    ),
    "mounts": json.dumps(
        {"filesystems": [mount("/", "/dev/mapper/root", children=[mount("/var/lib/db", "/dev/mapper/pg[/sub]")])]}
    ),
    "data directory": "/var/lib/db/main\n",
    "write-ahead log": "/var/lib/db/wal\n",
    "temporary space": "scratch|/var/tmp\n",
    "sshd settings": SSHD,
    "accounts": PASSWD,
    "authorized keys": f'==> /srv/deploy/.ssh/authorized_keys <==\n# the pipeline\ncommand="a b",restrict {KEY} pipeline\n',
    "processes": "USER COMMAND\nroot sshd\napp shop-api\n",
    "upgrade settings": APT,
    "upgrade log": log(9, 1, 0.3),
    "pending updates": "Listing...\nopenssl/stable-security 2 amd64 [upgradable from: 1]\nvim/stable 2 amd64 [upgradable from: 1]\n",
    "changelogs": changelog("openssl", "2", 1),
    "provider metadata": "availability-zone: fsn1-dc14\nregion: eu-central\n",
    "firmware": "System Information\n\tManufacturer: Hetzner\n\tProduct Name: vServer\n",
}


class Recorded:
    """A host of which facts were recorded; each can be changed, left out, aged or spoilt."""

    def __init__(self, session_of: Callable[..., Session], folder: Path) -> None:
        self.session_of, self.folder = session_of, folder
        self.facts: dict[str, str | None] = dict(GOOD)
        self.ages: dict[str, float] = {}
        self.described: dict[str, Any] = {
            "services": ["shop-api"],
            "service_accounts": ["deploy"],
            "authorized_fingerprints": {"deploy": [FINGERPRINT]},
        }

    def session(self) -> Session:
        facts = self.folder / "facts"
        facts.mkdir(exist_ok=True)
        files, listed = {}, {}
        for kind, text in self.facts.items():
            if text is not None:
                name = f"{kind.replace(' ', '-')}.txt"
                (facts / name).write_text(text)
                files[kind] = name
                listed[name] = {"collected_at": (NOW - timedelta(hours=self.ages.get(kind, 2))).isoformat()}
        (facts / "facts.yaml").write_text(yaml.safe_dump({"files": listed}))
        return self.session_of(host={"recorded": {"folder": "facts", "files": files}, **self.described})

    def run(self, check: str, **parameters: Any) -> list[Any]:
        return run(self.session(), check, **parameters)


def run(session: Session, check: str, **parameters: Any) -> list[Any]:
    one = CHECKS[f"host.{check}"]
    with session.recording("t"):
        return list(one.run([session.probe(kind) for kind in one.probes.values()], parameters))


@pytest.fixture
def host(session_of: Callable[..., Session], tmp_path: Path) -> Recorded:
    return Recorded(session_of, tmp_path)


def shown(found: list[Any]) -> dict[str, Any]:
    """By subject: whether it passed, or why it was not observed; without what was left out."""
    return {
        str(one.subject): one.passed if isinstance(one, Finding) else one.reason
        for one in found
        if not isinstance(one, LeftOut)
    }


PARAMETERS = {"stands_where_promised": {"provider": "Hetzner", "country": "DE"}}
ALL = [
    "stands_where_promised",
    "facts_are_fresh",
    "database_lies_on_encrypted_devices",
    "upgrades_run_unattended",
    "security_updates_are_installed_in_time",
    "only_declared_accounts_can_log_in",
    "ssh_refuses_root_and_passwords",
    "only_declared_keys_are_let_in",
    "services_do_not_run_as_root",
]
NEEDED = {
    "stands_where_promised": ("firmware", "provider metadata"),
    "database_lies_on_encrypted_devices": ("block devices", "mounts", "data directory", "write-ahead log"),
    "upgrades_run_unattended": ("upgrade settings", "upgrade log"),
    "security_updates_are_installed_in_time": ("pending updates", "changelogs"),
    "only_declared_accounts_can_log_in": ("accounts",),
    "ssh_refuses_root_and_passwords": ("sshd settings",),
    "only_declared_keys_are_let_in": ("authorized keys", "sshd settings", "accounts"),
    "services_do_not_run_as_root": ("processes",),
}


@pytest.mark.parametrize("check", ALL)
def test_a_good_host_passes(host: Recorded, check: str) -> None:
    found = shown(host.run(check, **PARAMETERS.get(check, {})))
    assert found
    assert set(found.values()) == {True}, found


@pytest.mark.parametrize(("check", "kind"), [(check, kind) for check, kinds in NEEDED.items() for kind in kinds])
@pytest.mark.parametrize("how", ["missing", "empty", "garbage", "old", "of tomorrow", "undated", "a folder"])
def test_what_cannot_be_seen_is_never_a_pass(host: Recorded, check: str, kind: str, how: str) -> None:
    spoilt = {"missing": None, "empty": "", "garbage": "\x07?!{[\nnothing of the kind"}
    if how in spoilt:
        host.facts[kind] = spoilt[how]
    host.ages[kind] = {"old": 24 * 31, "of tomorrow": -24}.get(how, 2)
    session = host.session()
    if how == "undated":
        (host.folder / "facts" / "facts.yaml").write_text("files: {}\n")
    if how == "a folder":
        path = host.folder / "facts" / f"{kind.replace(' ', '-')}.txt"
        path.unlink()
        path.mkdir()
    from upheld.errors import Unobservable

    try:
        found = run(session, check, **PARAMETERS.get(check, {}))
    except Unobservable:
        return
    assert any(isinstance(one, NotObserved) for one in found), found
    assert not any(isinstance(one, Finding) and not one.passed for one in found), found


def test_a_host_elsewhere_is_refuted(host: Recorded) -> None:
    check = ("stands_where_promised", PARAMETERS["stands_where_promised"])
    for zone, passed in (("hel1-dc2", False), ("nbg1-dc3", True)):
        host.facts["provider metadata"] = f"availability-zone: {zone}\nregion: eu-central\n"
        assert shown(host.run(check[0], **check[1]))["place of the machine"] is passed
    # The region spans countries: without a zone nothing shows where the host is.
    host.facts["provider metadata"] = "region: eu-central\n"
    assert "not known to lie in one country" in shown(host.run(check[0], **check[1]))["place of the machine"]
    assert shown(host.run(check[0], **check[1], zones={"eu-central": "DE"}))["place of the machine"] is True
    # Another provider in the right country.
    host.facts["provider metadata"] = json.dumps({"droplet_id": 1, "region": "fra1"})
    host.facts["firmware"] = "\tManufacturer: DigitalOcean\n\tProduct Name: Droplet\n"
    assert shown(host.run(check[0], **check[1])) == {
        "maker of the machine": False,
        "provider by its metadata": False,
        "place of the machine": True,
    }


def test_the_age_of_facts_is_judged_by_the_manifest(host: Recorded) -> None:
    host.ages = {"firmware": 24 * 400, "accounts": 24 * 29}
    found = shown(host.run("facts_are_fresh"))
    assert found.pop("firmware (firmware.txt)") is False
    assert set(found.values()) == {True}
    assert set(shown(host.run("facts_are_fresh", facts=("accounts",))).values()) == {True}
    host.facts["accounts"] = None
    assert "names no file" in shown(host.run("facts_are_fresh", facts=("accounts",)))["accounts"]


def test_a_date_without_a_fact_behind_it_shows_nothing(host: Recorded) -> None:
    host.facts["firmware"] = "\n"
    assert "firmware.txt is empty" in shown(host.run("facts_are_fresh", facts=("firmware",)))["firmware"]


@pytest.mark.parametrize(
    ("devices", "mounts", "outcome"),
    [
        # The write-ahead log is mounted inside the encrypted data volume.
        (
            [disk("sda", ("c", "crypt"), ("pg", "lvm")), disk("sdc")],
            [mount("/", "/dev/mapper/pg", children=[mount("/var/lib/db/wal", "/dev/sdc")])],
            False,
        ),
        # A volume over two disks of which one is plain.
        ([disk("sda", ("c", "crypt"), ("pg", "lvm")), disk("sdb", ("pg", "lvm"))], [mount("/", "/dev/mapper/pg")], False),
        ([disk("sda", ("c", "crypt"), ("pg", "lvm")), disk("sdb", ("d", "crypt"), ("pg", "lvm"))], [mount("/", "/dev/mapper/pg")], True),
        # A file system over two disks, of which findmnt names one.
        ([disk("sda", ("c", "crypt"), uuid="u"), disk("sdb", uuid="u")], [mount("/", "/dev/mapper/c", "btrfs")], False),
        # Encrypted by name only.
        ([disk("sda", ("luks-crypt", "lvm"))], [mount("/", "/dev/mapper/luks-crypt")], False),
        # Mounted over: what was mounted last at a place is what shows.
        ([disk("sda", ("c", "crypt")), disk("sdb")], [mount("/", "/dev/mapper/c"), mount("/", "/dev/sdb")], False),
        # A path that merely begins like a mount's is not in it.
        ([disk("sda", ("c", "crypt")), disk("sdb")], [mount("/", "/dev/mapper/c"), mount("/var/lib/db/wal-old", "/dev/sdb")], True),
        ([disk("sda", ("c", "crypt"))], [mount("/", "tank/root", "zfs")], "ZFS may encrypt by itself"),
        ([disk("sda", ("c", "crypt"))], [mount("/", "server:/x", "nfs4")], "on another machine"),
        ([disk("sda", ("c", "crypt"))], [mount("/", "/dev/sdz")], "lsblk does not list"),
        ([disk("sda", ("c", "crypt"))], [mount("/boot", "/dev/mapper/c")], "lists no mount"),
    ],
)  # fmt: skip
def test_devices_are_followed_to_the_disks(host: Recorded, devices: Any, mounts: Any, outcome: bool | str) -> None:
    host.facts["block devices"] = json.dumps({"blockdevices": devices})
    host.facts["mounts"] = json.dumps({"filesystems": mounts})
    [found] = shown(host.run("database_lies_on_encrypted_devices", places=("write-ahead log",))).values()
    assert found is outcome if isinstance(outcome, bool) else outcome in found


@pytest.mark.parametrize(
    ("settings", "entries", "bad"),
    [
        (APT.replace('Upgrade "1"', 'Upgrade "0"'), log(0.3), {"unattended upgrades"}),
        (APT.replace('Lists "1"', 'Lists "0"'), log(0.3), {"renewal of package lists"}),
        (APT.replace('Upgrade "1"', 'Upgrade "30"'), log(0.3), {"unattended upgrades"}),
        (APT + 'APT::Periodic::Unattended-Upgrade "0";\n', log(0.3), {"unattended upgrades"}),
        (APT + 'APT::Periodic::Enable "0";\n', log(0.3), {"unattended upgrades"}),
        (APT.replace("Debian-Security", "Debian"), log(0.3), {"origins of upgrades"}),
        (APT, log(60, 40), {"runs of unattended upgrades"}),
        (APT, log(0.3, end="ERROR Cache lock can not be acquired, exiting"), {"runs of unattended upgrades"}),
        (APT, log(40) + "\n" + log(0.3, end="INFO Packages that will be upgraded: x"), {"runs of unattended upgrades"}),
        ('APT::Architecture "amd64";\n', log(0.3), {"unattended upgrades", "renewal of package lists", "origins of upgrades"}),
    ],
)  # fmt: skip
def test_upgrades_that_do_not_run_are_refuted(host: Recorded, settings: str, entries: str, bad: set[str]) -> None:
    host.facts |= {"upgrade settings": settings, "upgrade log": entries}
    found = shown(host.run("upgrades_run_unattended"))
    assert {subject for subject, passed in found.items() if passed is False} == bad


def test_the_log_of_upgrades_is_in_the_hosts_own_time(host: Recorded) -> None:
    host.described["time_zone"] = "Pacific/Kiritimati"  # 14 hours ahead, so that the last run was so much earlier
    host.facts["upgrade log"] = log(1.5)
    assert shown(host.run("upgrades_run_unattended"))["runs of unattended upgrades"] is False
    host.described["time_zone"] = "Nowhere/Else"
    assert "no time zone" in shown(host.run("upgrades_run_unattended"))["runs of unattended upgrades"]


def test_a_security_update_that_waits_is_refuted(host: Recorded) -> None:
    host.facts["changelogs"] = changelog("openssl", "2", 8)
    assert shown(host.run("security_updates_are_installed_in_time")) == {"openssl 2": False}
    assert shown(host.run("security_updates_are_installed_in_time", within_days=9.0)) == {"openssl 2": True}
    # The changelog of another version does not date this one.
    host.facts["changelogs"] = changelog("openssl", "1", 8)
    assert "no changelog" in shown(host.run("security_updates_are_installed_in_time"))["openssl 2"]
    host.facts["pending updates"] = "Listing...\n"
    assert shown(host.run("security_updates_are_installed_in_time")) == {"security updates": True}


@pytest.mark.parametrize(
    ("line", "passed"),
    [
        ("lukas:x:1002:1002::/home/lukas:/bin/bash", False),
        ("lukas:x:1002:1002::/home/lukas:/usr/sbin/nologin", False),
        ("lukas:x:300:300::/home/lukas:/bin/zsh", False),
        ("lukas:x:300:300::/home/lukas:", False),
        ("toor:x:0:0::/root:/bin/sh", False),
        ("www-data:x:33:33::/var/www:/usr/sbin/nologin", None),
    ],
)
def test_accounts_of_people_are_refuted(host: Recorded, line: str, passed: bool | None) -> None:
    host.facts["accounts"] = f"{PASSWD}{line}\n"
    found = shown(host.run("only_declared_accounts_can_log_in"))
    assert found.pop(line.partition(":")[0], None) is passed
    assert set(found.values()) == {True}


def test_without_declared_accounts_nothing_shows(host: Recorded) -> None:
    host.described |= {"service_accounts": [], "authorized_fingerprints": {}, "services": []}
    for check in ("only_declared_accounts_can_log_in", "only_declared_keys_are_let_in", "services_do_not_run_as_root"):
        [found] = host.run(check)
        assert isinstance(found, NotObserved)


@pytest.mark.parametrize(
    ("before", "after", "subject"),
    [
        ("permitrootlogin no", "permitrootlogin yes", "permitrootlogin"),
        ("permitrootlogin no", "permitrootlogin without-password", "permitrootlogin"),
        ("passwordauthentication no", "passwordauthentication yes", "passwordauthentication"),
        ("kbdinteractiveauthentication no", "kbdinteractiveauthentication yes", "kbdinteractiveauthentication"),
        ("permitemptypasswords no", "permitemptypasswords yes", "permitemptypasswords"),
        ("methods publickey", "methods publickey,password password", "authenticationmethods"),
    ],
)
def test_settings_that_let_in_are_refuted(host: Recorded, before: str, after: str, subject: str) -> None:
    host.facts["sshd settings"] = SSHD.replace(before, after)
    found = shown(host.run("ssh_refuses_root_and_passwords"))
    assert {name for name, passed in found.items() if passed is False} == {subject}
    host.facts["sshd settings"] = SSHD.replace(before, "")
    if subject != "authenticationmethods":
        assert "did not print" in shown(host.run("ssh_refuses_root_and_passwords"))[subject]


def test_undeclared_keys_are_refuted(host: Recorded) -> None:
    other = base64.b64encode(b"\0\0\0\x0bssh-ed25519" + b"o" * 32).decode()
    host.facts["authorized keys"] = f"{GOOD['authorized keys']}ssh-ed25519 {other} lukas@example.com\n"
    assert shown(host.run("only_declared_keys_are_let_in"))["lukas@example.com (deploy)"] is False
    # A declared key for another account.
    host.facts["authorized keys"] = f"==> /root/.ssh/authorized_keys <==\n{KEY} pipeline\n"
    assert shown(host.run("only_declared_keys_are_let_in"))["pipeline (root)"] is False
    # The server reads elsewhere, or takes keys from a command.
    host.facts["authorized keys"] = GOOD["authorized keys"]
    host.facts["sshd settings"] = SSHD.replace(
        "authorizedkeysfile .ssh/authorized_keys", "authorizedkeysfile /other/%u"
    )
    assert "no such file was read" in shown(host.run("only_declared_keys_are_let_in"))["authorizedkeysfile"]
    host.facts["sshd settings"] = f"{SSHD}authorizedkeyscommand /usr/bin/sss_ssh_authorizedkeys %u\n"
    assert "sss_ssh" in shown(host.run("only_declared_keys_are_let_in"))["authorizedkeyscommand"]


def test_a_service_as_root_is_refuted(host: Recorded) -> None:
    host.facts["processes"] = "USER COMMAND\napp shop-api\nroot shop-api\n"
    assert shown(host.run("services_do_not_run_as_root")) == {"shop-api": False}
    host.described["services"] = ["shop-background-worker"]
    for user, passed in (("root", False), ("app", True)):
        host.facts["processes"] = f"USER COMMAND\n{user} {'shop-background-worker'[:15]}\n"
        assert shown(host.run("services_do_not_run_as_root")) == {"shop-background-worker": passed}
    host.described["services"] = ["shop-api"]
    host.facts["processes"] = "USER COMMAND\napp shop-worker\n"
    assert "no process" in shown(host.run("services_do_not_run_as_root"))["shop-api"]


@pytest.fixture
def here(session_of: Callable[..., Session]) -> Iterator[Callable[..., Session]]:
    """This machine, looked at through a connection."""
    pytest.importorskip("testinfra", reason="the extra 'host' is not installed")

    def make(**described: Any) -> Session:
        return session_of(host={"connection": "local://", **described})

    return make


def test_a_connection_shows_what_runs_now(here: Callable[..., Session]) -> None:
    session = here(services=["bash"], commands={"processes": "printf 'USER COMMAND\\nroot bash\\n'"})
    [found] = run(session, "services_do_not_run_as_root")
    assert found.passed is False
    accounts = session.probe(Host).accounts()  # type: ignore[attr-defined]
    assert any(one.name == "root" for one in accounts.accounts)
    assert abs(accounts.collected_at - session.probe(Clock).now()) < timedelta(minutes=1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("command", "words"),
    [("exit 3", "ended with 3"), ("no-such-program-here", "ended with 127"), ("true", "no heading"), ("head -c 20000000 /dev/zero", "more than")],
)  # fmt: skip
def test_a_command_that_fails_shows_nothing(here: Callable[..., Session], command: str, words: str) -> None:
    from upheld.errors import Unobservable

    with pytest.raises(Unobservable, match=words):
        run(here(services=["x"], commands={"processes": command}), "services_do_not_run_as_root")


def test_a_connection_that_cannot_be_made_shows_nothing(session_of: Callable[..., Session]) -> None:
    from upheld.errors import Unobservable

    session = session_of(host={"connection": "ssh://nobody@127.0.0.1:1", "services": ["x"]})
    with pytest.raises(Unobservable):
        run(session, "services_do_not_run_as_root")


def test_a_connection_needs_to_know_where_the_database_is(here: Callable[..., Session]) -> None:
    found = run(here(database_paths={"data directory": "/no/such/folder"}), "database_lies_on_encrypted_devices")
    assert all(isinstance(one, NotObserved) for one in found)
    assert "ended with 1" in found[0].reason
    assert "does not say where" in found[1].reason


def test_a_host_has_one_way_to_look(session_of: Callable[..., Session]) -> None:
    for described in (
        {},
        {"connection": "local://", "recorded": {"folder": "x", "files": {}}},
        {"connection": "ftp://x"},
    ):
        with pytest.raises(ValueError, match=r"recorded|pattern"):
            session_of(host=described)


@pytest.fixture
def reference(
    session_of: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Session]:
    """The host facts of the reference with the named sabotage, written by its own part; no server is needed for that."""
    from upheld_reference import sabotages
    from upheld_reference.host.part import HostPart
    from upheld_reference.platform import Platform
    from upheld_reference.settings import Settings
    from upheld_reference.target_host import host_parts

    def make(*names: str) -> Session:
        platform = Platform(Settings(folder=tmp_path))
        monkeypatch.setattr(platform, "replace", monkeypatch.setattr)
        sabotages.apply(platform, names)
        part = HostPart(platform)
        part.build()
        return session_of(**host_parts({**part.facts(), "folder": str(tmp_path)}))

    return make


@pytest.mark.parametrize("check", ALL)
def test_the_reference_passes(reference: Callable[..., Session], check: str) -> None:
    session = reference()
    assert session.target.samples == ("host facts (sample of a production host)",)
    found = shown(run(session, check, **PARAMETERS.get(check, {})))
    assert set(found.values()) == {True}, found


@pytest.mark.parametrize(
    ("sabotage", "check", "words"),
    [
        ("data_directory_on_plain_device", "database_lies_on_encrypted_devices", "not encrypted on /dev/sdc"),
        ("wal_on_plain_device", "database_lies_on_encrypted_devices", "not encrypted on /dev/sdc"),
        ("only_root_disk_encrypted", "database_lies_on_encrypted_devices", "not encrypted on /dev/sdb"),
        ("host_region_elsewhere", "stands_where_promised", "Helsinki"),
        ("host_other_provider", "stands_where_promised", "DigitalOcean"),
        ("host_facts_too_old", "facts_are_fresh", "400 days ago"),
        ("unattended_upgrades_off", "upgrades_run_unattended", "switched off"),
        ("unattended_upgrades_stale", "upgrades_run_unattended", "40.3 days ago"),
        ("security_update_pending_too_long", "security_updates_are_installed_in_time", "35.0 days ago"),
        ("engineer_key_authorized", "only_declared_keys_are_let_in", "not declared"),
        ("engineer_account_on_host", "only_declared_accounts_can_log_in", "undeclared, number 1002"),
        ("ssh_root_login_permitted", "ssh_refuses_root_and_passwords", "yes"),
        ("ssh_password_login_permitted", "ssh_refuses_root_and_passwords", "yes"),
        ("service_runs_as_root", "services_do_not_run_as_root", "as root"),
    ],
)
def test_each_defect_of_the_reference_is_found_by_its_check_alone(
    reference: Callable[..., Session], sabotage: str, check: str, words: str
) -> None:
    session = reference(sabotage)
    for one in ALL:
        parameters = {"facts": ("provider metadata", "firmware")} if one == "facts_are_fresh" else {}
        found = run(session, one, **PARAMETERS.get(one, parameters))
        bad = [finding.observed for finding in found if isinstance(finding, Finding) and not finding.passed]
        assert bool(bad) is (one == check), (one, bad)
        assert one != check or any(words in observed for observed in bad), bad
