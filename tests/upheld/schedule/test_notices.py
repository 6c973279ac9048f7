"""People are told of changes, once, in words that a stranger may read; what is not delivered is kept and told later."""

from __future__ import annotations

import dataclasses
import email
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller

from ledgers import START, Clock, claim, finding, made, of, run
from loopback import ROOT, free_port
from processes import inside
from upheld.errors import InputError
from upheld.model import Status, Verdict, Waiver
from upheld.schedule.events import What, events
from upheld.schedule.notices import load, message, pending, tell

U, R, DARK = Status.UPHELD, Status.REFUTED, Status.INCONCLUSIVE
SECRET = "s3cr3t-t0ken-of-the-channel"
INTERNAL = "db-7.internal"
AHEAD = timedelta(days=30)


class Mailbox:
    """A mail server that keeps what it gets."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content)))
        return "250 OK"


@pytest.fixture(scope="module")
def mailbox():
    box = Mailbox()
    box.port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()


class Receiver(ThreadingHTTPServer):
    """A web hook that keeps what it gets, and answers with the status that it is told."""

    status = 200

    def __init__(self):
        self.bodies = []
        super().__init__(("127.0.0.1", 0), Hook)


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hook():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    return made(tmp_path / "ledger.sqlite", clock)


@pytest.fixture
def config(tmp_path, hook, monkeypatch):
    """One destination, a web hook whose URL holds a secret."""
    monkeypatch.setenv("THE_HOOK", f"json://127.0.0.1:{hook.server_port}/{SECRET}")
    return written(tmp_path, "destinations:\n  - {name: hook, url: 'env:THE_HOOK'}\n")


def written(folder, text):
    path = folder / "notify.yaml"
    path.write_text(f"upheld: notify/1\n{text}", encoding="utf-8")
    return path


def broken(name):
    return claim(name, R, finding(f"{INTERNAL} port 5432", Verdict.FAIL, f"{INTERNAL} answers with password=hunter2"))


def told(ledger, config, clock):
    said = []
    return tell(ledger, ledger.runs(), load(config), config.parent, clock.at, said.append), said


def test_a_change_is_told_once_and_what_recovered_too(ledger, config, clock, hook):
    day = timedelta(days=1)
    ledger.add(run("r0", START, claim("one"), claim("two")))
    assert told(ledger, config, clock)[0].events == 0
    ledger.add(run("r1", START + day, broken("one"), claim("two")))
    assert dataclasses.astuple(told(ledger, config, clock)[0]) == (1, 1, 0)
    for number, one in enumerate((broken("one"), claim("one", DARK), broken("one")), 2):
        ledger.add(run(f"r{number}", START + number * day, one, claim("two")))
        assert dataclasses.astuple(told(ledger, config, clock)[0]) == (0, 0, 0)
    ledger.add(run("r5", START + 5 * day, claim("one"), claim("two")))
    told(ledger, config, clock)
    ledger.add(run("r6", START + 6 * day, claim("one"), claim("two")))
    assert told(ledger, config, clock)[0].events == 0
    ledger.add(run("r7", START + 7 * day, broken("one"), claim("two")))
    told(ledger, config, clock)
    assert [one["title"] for one in hook.bodies] == [
        "shop (staging): 1 claim newly refuted",
        "shop (staging): 1 claim recovered",
        "shop (staging): 1 claim newly refuted",
    ]
    assert hook.bodies[0]["message"] == "one (high), “Promise one.”: refuted since 2026-03-03 09:30 UTC"
    assert ledger.verify().holds


def test_nothing_internal_and_no_secret_is_told_or_kept_of_a_destination(ledger, config, clock, hook, tmp_path):
    ledger.add(run("r1", START, broken("one")), tmp_path)
    told(ledger, config, clock)
    said = json.dumps(hook.bodies)
    for internal in (INTERNAL, "5432", "hunter2", str(tmp_path), "own.one"):
        assert internal not in said
    notes = [body for kind in ("notice", "delivery") for _, body in ledger.notes(kind)]
    assert len(notes) == 2
    assert not any(SECRET.encode() in body or b"127.0.0.1" in body for body in notes)


def test_a_delivery_that_fails_is_kept_said_without_its_secret_and_made_up_for(ledger, config, clock, hook):
    hook.status = 500
    ledger.add(run("r1", START, broken("one")))
    result, said = told(ledger, config, clock)
    assert (result.delivered, result.failed) == (0, 1)
    assert "hook was not told of entry 2: it was not accepted; it is tried again next time" in said
    assert SECRET not in "".join(said)
    assert len(list(pending(ledger, clock.at))) == 1
    assert told(ledger, config, clock)[0].failed == 1
    hook.status, before = 200, len(hook.bodies)
    result, _ = told(ledger, config, clock)
    assert (result.events, result.delivered, result.failed) == (0, 1, 0)
    assert len(hook.bodies) == before + 1
    assert list(pending(ledger, clock.at)) == []
    assert [json.loads(body)["delivered"] for _, body in ledger.notes("delivery")] == [False, False, True]


def test_a_destination_without_its_secret_or_that_nobody_knows_fails_alone(ledger, clock, hook, tmp_path, monkeypatch):
    monkeypatch.setenv("THE_HOOK", f"json://127.0.0.1:{hook.server_port}")
    monkeypatch.setenv("STRANGE", "no-such-service://x")
    lines = [
        f"  - {{name: {name}, url: 'env:{url}'}}\n"
        for name, url in (("a", "NOT_SET_X"), ("b", "STRANGE"), ("c", "THE_HOOK"))
    ]
    config = written(tmp_path, "destinations:\n" + "".join(lines))
    ledger.add(run("r1", START, broken("one")))
    result, said = told(ledger, config, clock)
    assert (result.delivered, result.failed, len(hook.bodies)) == (1, 2, 1)
    assert "no variable NOT_SET_X" in said[0]
    assert "the URL is none that Apprise knows" in said[1]


def test_what_is_behind_a_message_that_fails_waits_with_it_and_is_not_pruned(ledger, config, clock, hook, tmp_path):
    hook.status = 500
    for number in range(3):
        ledger.add(run(f"r{number}", START + timedelta(days=number), *(broken(f"c{one}") for one in range(number + 1))))
        assert told(ledger, config, clock)[0].failed == number + 1
    assert len(list(ledger.notes("delivery"))) == 3  # One try for each time, however much waits.
    clock.passes(days=900)
    done = inside(tmp_path, "ledger", "prune", "--keep", "1s", "--ledger", "ledger.sqlite")
    assert "1 entries were let go" in done.stdout
    assert "from entry 2 on everything is kept" in done.stdout
    renamed = written(tmp_path, "destinations:\n  - {name: other, url: 'env:THE_HOOK'}\n")
    result, said = told(ledger, renamed, clock)
    assert (result.delivered, result.failed) == (0, 3)
    assert said == ["no destination has the name hook any more: 3 messages wait for it"]
    hook.status, hook.bodies = 200, []
    again = written(tmp_path, "destinations:\n  - {name: hook, url: 'env:THE_HOOK'}\n")
    assert told(ledger, again, clock)[0].delivered == 3
    assert len(hook.bodies) == 3


def test_a_mail_arrives_whole(ledger, clock, mailbox, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "THE_MAIL", f"mailto://127.0.0.1:{mailbox.port}/?from=upheld@shop.example&to=anna@shop.example&mode=insecure"
    )
    config = written(tmp_path, "destinations:\n  - {name: anna, url: 'env:THE_MAIL'}\n")
    ledger.add(
        run("r1", START, broken("one"), claim("two", U, waivers=(Waiver("two", "because", "bob", "2026-03-20"),)))
    )
    result, said = told(ledger, config, clock)
    assert (result.events, result.delivered) == (2, 1), said
    ((recipients, mail),) = mailbox.mails
    assert recipients == ["anna@shop.example"]
    text = "".join(
        part.get_payload(decode=True).decode() for part in mail.walk() if part.get_content_type() == "text/plain"
    )
    assert "one (high), “Promise one.”: refuted since 2026-03-02 09:30 UTC" in text
    assert "a waiver that two (high), “Promise two.” rests on lapses on 2026-03-21, in 18 days" in text
    assert INTERNAL not in text


def test_what_lapses_is_told_once_before_it_does(ledger, clock):
    waivers = (Waiver("one", "because", "bob", "2026-05-01"),)
    ledger.add(run("r1", START, claim("one", U, waivers=waivers)))
    rows = ledger.runs()
    assert events(ledger, rows, START, AHEAD) == []
    (one,) = events(ledger, rows, START + timedelta(days=40), AHEAD)
    assert (one.what, one.thing, one.claim, one.at) == (What.LAPSING, "waiver", "one", "2026-05-02T00:00:00.000Z")
    _, text = message("shop", [one], START + timedelta(days=99))
    assert text.endswith("rests on lapsed on 2026-05-02")


def test_who_wants_little_is_told_little(ledger, clock, hook, tmp_path, monkeypatch):
    monkeypatch.setenv("THE_HOOK", f"json://127.0.0.1:{hook.server_port}")
    config = written(
        tmp_path,
        "destinations:\n"
        "  - {name: a, url: 'env:THE_HOOK', owners: [legal]}\n"
        "  - {name: b, url: 'env:THE_HOOK', severities: [low]}\n"
        "  - {name: c, url: 'env:THE_HOOK', tell: [unseen]}\n",
    )
    ledger.add(run("r0", START, claim("one"), claim("two")))
    ledger.add(run("r1", START + timedelta(days=1), broken("one"), claim("two", DARK)))
    told(ledger, config, clock)
    assert [one["title"] for one in hook.bodies] == ["shop (staging): 1 claim no longer observed"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("destinations: []\n", "at least 1"),
        ("destinations: [{name: a, url: 'https://hooks.example/secret-part'}]\n", "must be a reference"),
        ("destinations: [{name: a, url: 'env:A'}, {name: a, url: 'env:B'}]\n", "two destinations have the name 'a'"),
        ("destinations: [{name: a, url: 'env:A', tell: [everything]}]\n", "tell"),
    ],
)
def test_a_wrong_file_is_refused_and_no_secret_repeated(tmp_path, text, says):
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, text))
    assert says in str(caught.value)
    assert "secret-part" not in str(caught.value)


def test_the_services_that_are_promised_are_known():
    import apprise

    slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/general"
    teams = "workflows://prod-01.westeurope.logic.azure.com:443/" + "a" * 32 + "/" + "b" * 43
    for url in (slack, teams, "mailtos://a:b@mail.example", "jsons://hooks.example/x"):
        assert apprise.Apprise().add(url), url


def test_the_command_delivers_what_stands(ledger, config, tmp_path, hook):
    ledger.add(of({"one": R}, "r1"))
    hook.status = 503
    options = ("notify", "notify.yaml", "--ledger", "ledger.sqlite")
    failed = inside(tmp_path, *options)
    assert (failed.returncode, failed.stdout) == (3, "1 new, 0 messages delivered, 1 not delivered\n")
    hook.status = 200
    done = inside(tmp_path, *options)
    assert (done.returncode, done.stdout) == (0, "0 new, 1 messages delivered, 0 not delivered\n")


def test_the_example_of_the_documentation_is_valid(tmp_path):
    _, _, rest = (ROOT / "docs" / "schedule.md").read_text(encoding="utf-8").partition("<!-- notify -->\n```yaml\n")
    (tmp_path / "notify.yaml").write_text(rest.partition("```")[0], encoding="utf-8")
    assert [one.tell for one in load(tmp_path / "notify.yaml").destinations][1] == (What.LAPSING,)
