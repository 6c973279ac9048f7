"""Loading target descriptions: every mistake at once, names that must exist, and secrets that are never repeated."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upheld.errors import InputError, Mistake
from upheld.target.load import load_target
from upheld.target.model import Environment

WHOLE = """\
upheld: target/1
name: example
environment: staging
ca: certificates/ca.pem
timeout_seconds: 5
endpoints:
  - {name: www, url: "https://www.example.com", address: 127.0.0.1, pages: [/, /security]}
  - {name: api, url: "https://api.example.com:8443"}
publication: {page: "https://www.example.com/security"}
api:
  endpoint: api
  openapi: https://api.example.com:8443/openapi.json
  logins:
    password: {path: /v1/tokens, json: {email: "{email}", password: "{password}"}}
  refused: {statuses: [401, 403, 404]}
tenants:
  - {name: acme, id: "1"}
identities:
  - {name: owner, tenant: acme, role: owner, login: password, values: {email: a@example.com}, secrets: {password: env:OWNER}}
canary_flows:
  - {name: sign up, path: success, identity: owner, operation: signUp, json: {code: "AQ{canary}"}, statuses: [201]}
database: {url: "file:secrets/database"}
logs: [{name: access, path: logs/access.log}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "target.yaml"
    path.write_text(WHOLE)
    return path


def mistakes(file: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_target(file)
    assert caught.value.mistakes
    return [str(one).replace(f"{file.parent}/", "") for one in caught.value.mistakes]


def with_change(file: Path, before: str, after: str) -> list[str]:
    assert before in WHOLE
    file.write_text(WHOLE.replace(before, after))
    return mistakes(file)


def test_a_target_is_loaded_with_the_digest_of_its_bytes(file: Path) -> None:
    target, digest = load_target(file)
    assert digest == hashlib.sha256(WHOLE.encode()).hexdigest()
    assert (target.name, target.environment, target.timeout_seconds) == ("example", Environment.STAGING, 5.0)
    assert [(one.host, one.port, one.public) for one in target.endpoints] == [
        ("www.example.com", 443, True),
        ("api.example.com", 8443, True),
    ]
    assert target.endpoints[0].pages == ("/", "/security")
    assert target.identities[0].secrets == {"password": "env:OWNER"}
    assert target.api is not None
    assert target.api.refused.statuses == (401, 403, 404)
    assert target.database is not None
    assert target.database.url == "file:secrets/database"


def test_a_target_may_describe_little(file: Path) -> None:
    file.write_text("name: x\nenvironment: production\n")
    target, _ = load_target(file)
    assert (target.endpoints, target.database, target.api) == ((), None, None)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "a log has exactly one of 'path', 'journald', 'docker' and 'kubectl'"),
        ("path: a.log, journald: {unit: a.service}", "a log has exactly one of 'path', 'journald', 'docker' and 'kubectl'"),
        ("path: a.log, connection: 'ssh://a@b'", "the path of a log that is read through a connection must be absolute"),
        ("path: '/var/**/a.log', connection: 'ssh://a@b'", "takes no **"),
        ("kubectl: {selector: app=shop}", "outputs of pods need 'cluster'"),
        ("kubectl: {selector: app=shop}, cluster: 'https://k', connection: 'ssh://a@b'", "no 'connection'"),
        ("kubectl: {pod: a, selector: app=shop}, cluster: 'https://k'", "exactly one of 'pod' and 'selector'"),
        ("kubectl: {selector: '--all'}, cluster: 'https://k'", "kubectl.selector: String should match pattern"),
        ("docker: {container: '--help'}", "docker.container: String should match pattern"),
        ("journald: {unit: '--user'}", "journald.unit: String should match pattern"),
    ],
)  # fmt: skip
def test_where_a_log_is_read_is_one_place(file: Path, log: str, said: str) -> None:
    (found,) = with_change(file, "{name: access, path: logs/access.log}", f"{{name: access, {log}}}")
    assert said in found


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "target.yaml") == ["target.yaml: the file does not exist; expected a YAML file"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("environment: staging", "environment: stagin", "3:14: environment is not valid; got 'stagin'; expected 'production', 'staging' or 'reference'; did you mean 'staging'?"),
        ("environment: staging", "enviroment: staging", "3:1: 'enviroment' is not known here; did you mean 'environment'?"),
        ("upheld: target/1", "upheld: target/2", "1:9: upheld is not valid; got 'target/2'; expected 'target/1'"),
        ("timeout_seconds: 5", "timeout_seconds: 0", "5:18: timeout_seconds: Input should be greater than 0; got 0"),
        ("timeout_seconds: 5", "timeout_seconds: '5'", "5:18: timeout_seconds is not valid; got '5'; expected a number"),
        ("www.example.com\", address", "\", address", "7:22: endpoints.0.url: an http or https URL with a host name; got 'https://'"),
        ("pages: [/", "page: [/", "7:69: 'page' is not known here; did you mean 'pages'?"),
        ("  endpoint: api", "  endpoint: apy", "11:13: no endpoint is called 'apy'; did you mean 'api'?"),
        ("tenant: acme", "tenant: acne", "19:27: no tenant is called 'acne'; did you mean 'acme'?"),
        ("login: password", "login: pasword", "19:53: no login is called 'pasword'; did you mean 'password'?"),
        ("identity: owner", "identity: onwer", "21:46: no identity is called 'onwer'; did you mean 'owner'?"),
        ("name: api", "name: www", "8:12: two endpoint entries are called 'www': the first is at 7:12; expected a name of its own"),
        ("path: success", "path: sucess", "21:27: canary_flows.0.path is not valid; got 'sucess'; expected 'success', 'validation error', 'upstream error' or 'crash'; did you mean 'success'?"),
        ("path: logs", "paht: logs", "23:23: 'paht' is not known here; did you mean 'path'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_place(file: Path, before: str, after: str, said: str) -> None:
    found = with_change(file, before, after)
    assert f"target.yaml:{said}" in "\n".join(found)


def test_an_intrusive_check_is_allowed_by_its_right_name_only(file: Path) -> None:
    file.write_text(WHOLE + "allow_intrusive: [limits.limits_every_endpoint, limits.limit_every_endpoint]\n")
    with pytest.raises(InputError) as caught:
        load_target(file, ["limits.limits_every_endpoint", "tls.refuses_old_versions"])
    assert str(caught.value).endswith(
        "target.yaml:24:49: no check is called 'limits.limit_every_endpoint'; did you mean 'limits.limits_every_endpoint'?"
    )
    assert len(load_target(file)[0].allow_intrusive) == 2


def test_limits_are_of_hosts_that_something_is_sent_to(file: Path) -> None:
    file.write_text(WHOLE + "limits:\n  requests: 5\n  hosts:\n    api.exmaple.com: {requests: 9}\n")
    assert mistakes(file) == [
        "target.yaml:27:5: the target names no host 'api.exmaple.com'; did you mean 'api.example.com'?"
    ]
    file.write_text(WHOLE + "limits: {hosts: {qqq: {requests: 9}}}\nallow_intrusive: [qqq]\n")
    with pytest.raises(InputError) as caught:
        load_target(file, ["tls.refuses_old_versions"])
    assert [one.expected for one in caught.value.mistakes] == ["a host that the target names", "the name of a check"]
    file.write_text(WHOLE + "limits: {hosts: {API.example.com: {requests: 9}}}\n")
    limits = load_target(file)[0].limits
    assert limits is not None
    assert limits.of("api.example.com").requests == 9


def test_deliveries_with_ids_are_looked_for_in_a_list(file: Path) -> None:
    webhooks = "webhooks: {identity: owner, ping: ping, signature: {header: S, value: '(?P<signature>.+)'}, %s}\n"
    for status in ("/status", "/01/status"):
        file.write_text(WHOLE + webhooks % f"delivery: /id, status: {status}")
        (said,) = mistakes(file)
        assert said.startswith("target.yaml:24:")
        assert "status leads to the first entry of the list, like /0/status" in said
    for status, found in (
        ("/0/status", ("", "/status")),
        ("/0", ("", "")),
        ("/data/0/last/state", ("/data", "/last/state")),
        ("/01/0/status", ("/01", "/status")),
    ):
        file.write_text(WHOLE + webhooks % f"delivery: /id, status: {status}")
        described = load_target(file)[0].webhooks
        assert described is not None
        assert described.in_entry() == found


def test_every_mistake_is_said_at_once(file: Path) -> None:
    text = WHOLE
    for before, after in (
        ("environment: staging", "environment: stage"),
        ("tenant: acme", "tenant: acne"),
        ("identity: owner", "identity: onwer"),
        ("name: access", "nam: access"),
        ("password: env:OWNER", "password: hunter2"),
    ):
        text = text.replace(before, after)
    file.write_text(text)
    found = mistakes(file)
    assert [int(one.split(":")[1]) for one in found] == [3, 19, 19, 21, 23, 23]


def test_a_wrong_query_of_a_login_is_said_with_its_line(file: Path) -> None:
    login = 'json: {email: "{email}", password: "{password}"}'
    (found,) = with_change(file, login, login + ', token: "$.data["')
    assert found.startswith("target.yaml:14:")
    assert "no JSONPath query" in found


@pytest.mark.parametrize(
    "part",
    [
        'sessions: {whoami: me, identity: owner, refresh_token: "$.a["}',
        'sessions: {whoami: me, identity: owner, refresh: {operation: again, token: "$.a["}}',
        'sessions: {whoami: me, identity: owner, refresh: {operation: again, refresh_token: "$.a["}}',
        'staff: {me: me, api: {endpoint: api, openapi: /s.json}, login: {token: "$.a[", steps: [{operation: a, json: {}}]}}',
        'staff: {me: me, api: {endpoint: api, openapi: /s.json}, login: {token: /a, expires_in: "$.a[", steps: [{operation: a, json: {}}]}}',
        'staff: {me: me, api: {endpoint: api, openapi: /s.json}, login: {token: /a, steps: [{operation: a, json: {}, gives: {b: "$.a["}}]}}',
    ],
)
def test_a_wrong_query_of_sessions_and_of_staff_is_said_with_its_line(file: Path, part: str) -> None:
    file.write_text(f"{WHOLE}{part}\n")
    found = [one for one in mistakes(file) if "no JSONPath query" in one]
    assert [one.partition(":")[2].split(":")[0] for one in found] == [str(WHOLE.count("\n") + 1)]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("password: env:OWNER", "password: hunter2-the-secret", 19),
        ("password: env:OWNER", "password: [hunter2-the-secret]", 19),
        ("secrets: {password: env:OWNER}", "secrets: hunter2-the-secret", 19),
        ("values: {email: a@example.com}", "values: {password: hunter2-the-secret}", 19),
        ('password: "{password}"', "password: hunter2-the-secret", 14),
        ('url: "file:secrets/database"', 'url: "postgresql://u:hunter2-the-secret@db/x"', 22),
        ('database: {url: "file:secrets/database"}', 'database: "postgresql://u:hunter2-the-secret@db/x"', 22),
        ('database: {url: "file:secrets/database"}', 'database: {url: env:A, urls: "postgresql://u:hunter2-the-secret@db/x"}', 22),
    ],
)  # fmt: skip
def test_a_secret_in_the_file_is_refused_and_not_repeated(file: Path, before: str, after: str, line: int) -> None:
    found = with_change(file, before, after)
    assert found
    assert all("hunter2-the" not in one for one in found)
    assert found[0].startswith(f"target.yaml:{line}:")


def test_a_plain_value_whose_name_is_secret_says_where_it_belongs(file: Path) -> None:
    (mistake,) = with_change(file, "values: {email: a@example.com}", "values: {api_key: hunter2}")
    assert mistake.endswith(
        "'api_key' is a secret and stands among the plain values; "
        "expected the same name under 'secrets', with a reference (env:NAME or file:PATH)"
    )


# --- nothing but InputError ----------------------------------------------------------------------------------------

LINES = WHOLE.splitlines()
WORDS = st.sampled_from(
    ["{", "}", "[", "]", ": ", ",", "null", "3", "-1", "true", "''", "env:X", "file:x", "https://", "http://[", "https://a:99999", "\n", "  ", "é"]
)  # fmt: skip


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_changed_there_is_a_target_or_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(WORDS) + text[end:]
    file = tmp_path / "target.yaml"
    file.write_text(text)
    said: tuple[Mistake, ...] = ()
    try:
        target, _ = load_target(file)
    except InputError as error:
        said = error.mistakes
    assert said or all(one.port and one.host for one in target.endpoints)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "", "env:A", "https://a", "reference", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "url", "id", "logins", "values", "secrets"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
PARTS = st.dictionaries(
    st.sampled_from(["name", "environment", "endpoints", "api", "tenants", "identities", "canary_flows", "database", "encryption", "retention", "logs", "vantage"]),
    VALUES,
    max_size=8,
)  # fmt: skip


@given(parts=VALUES | PARTS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_the_data_is_there_is_a_target_or_an_input_error(tmp_path: Path, parts: object) -> None:
    file = tmp_path / "target.yaml"
    file.write_text(json.dumps(parts))
    said: tuple[Mistake, ...] = ()
    try:
        target, _ = load_target(file)
    except InputError as error:
        said = error.mistakes
    assert said or target.name
