"""Which targets may start: the shares of a host never add up to more than the fleet's limits, whatever happens in whatever order."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from upheld.fleet.admitting import Admitting, Share, Wanted
from upheld.target.manners import HostLimit, Limits

HOSTS = ("a.example", "b.example", "c.example")
QUARANTINE = 35.0
LIMITS = st.builds(
    HostLimit,
    requests=st.none() | st.integers(1, 30),
    per_second=st.none() | st.floats(0.5, 50),
    burst=st.integers(1, 5),
)


def of(limits: Limits):
    return limits.of


class Fleet(RuleBasedStateMachine):
    """Any order of starts, ends, losses, withdrawals and time that passes."""

    @initialize(
        limits=st.dictionaries(st.sampled_from(HOSTS), LIMITS),
        general=LIMITS,
        members=st.lists(st.frozensets(st.sampled_from(HOSTS)), min_size=1, max_size=8),
        abreast=st.integers(1, 4),
        spent=st.dictionaries(st.sampled_from(HOSTS), st.integers(0, 30)),
        own=st.dictionaries(st.sampled_from(HOSTS), st.integers(1, 5)),
    )
    def begin(self, limits, general, members, abreast, spent, own):
        self.limits = Limits(**general.model_dump(), hosts=limits)
        self.now = 100.0
        self.before = spent
        wanted = [Wanted(f"m{number}", hosts, own) for number, hosts in enumerate(members)]
        self.all = {one.name: one for one in wanted}
        self.admitting = Admitting(wanted, of(self.limits), quarantine=QUARANTINE, abreast=abreast, spent=spent)
        self.shares: dict[str, dict[str, Share]] = {}
        self.sent = dict(spent)
        self.lost: list[tuple[float, str, float]] = []
        self.through: set[str] = set()

    @rule(free=st.integers(0, 4))
    def admit(self, free):
        admitted = self.admitting.admit(self.now, free)
        assert len(admitted) <= free
        for one in admitted:
            assert one.name not in self.shares
            self.shares[one.name] = dict(one.shares)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.shares)
    @rule(data=st.data())
    def one_ends(self, data):
        name = data.draw(st.sampled_from(sorted(self.shares)))
        shares = self.shares.pop(name)
        sent = {
            host: data.draw(st.integers(0, share.requests if share.requests is not None else 50), label=host)
            for host, share in shares.items()
        }
        self.admitting.ended(name, sent, self.now)
        self.through.add(name)
        for host, count in sent.items():
            self.sent[host] = self.sent.get(host, 0) + count

    @precondition(lambda self: self.shares)
    @rule(data=st.data(), again=st.booleans())
    def one_is_lost(self, data, again):
        name = data.draw(st.sampled_from(sorted(self.shares)))
        for host, share in self.shares.pop(name).items():
            self.sent[host] = self.sent.get(host, 0) + (share.requests or 0)
            self.lost.append((self.now + QUARANTINE, host, share.per_second or 0.0))
        self.admitting.lost(name, self.now, again=again)
        if not again:
            self.through.add(name)

    @rule()
    def some_are_hopeless(self):
        for name, reason in self.admitting.hopeless():
            assert "used up" in reason
            self.through.add(name)
            empty = [
                host
                for host in self.all[name].hosts
                if (most := self.limits.of(host).requests) is not None and self.sent.get(host, 0) >= most
            ]
            assert empty, "nothing may be given up while a budget is left"

    @invariant()
    def no_host_is_sent_more_than_its_limits(self):
        for host in HOSTS:
            limit = self.limits.of(host)
            shares = [one[host] for one in self.shares.values() if host in one]
            if limit.requests is not None:
                out = sum(one.requests for one in shares)
                assert self.sent.get(host, 0) + out <= max(limit.requests, self.before.get(host, 0))
            if limit.per_second is not None:
                rate = sum(one.per_second for one in shares)
                rate += sum(lost for until, name, lost in self.lost if name == host and until > self.now)
                assert rate <= limit.per_second * (1 + 1e-9)
                assert sum(one.burst for one in shares) <= limit.burst

    @invariant()
    def nobody_is_forgotten(self):
        states = [self.admitting.running, self.admitting.waiting, frozenset(self.through)]
        assert self.admitting.running == self.shares.keys()
        assert sum(map(len, states)) == len(self.all)
        assert frozenset().union(*states) == self.all.keys()

    @invariant()
    def it_never_waits_for_nothing(self):
        """Whoever waits while nobody is under way is admitted at the next change, or is hopeless."""
        if self.admitting.running or not self.admitting.waiting:
            return
        trial = Admitting(
            [dataclasses.replace(self.all[name], not_before=0) for name in sorted(self.admitting.waiting)],
            of(self.limits),
            quarantine=QUARANTINE,
            spent=self.sent,
        )
        if trial.admit(self.now, 1):
            assert self.admitting.next_change(self.now) is not None or self.some_may_start()

    def some_may_start(self) -> bool:
        hosts = {name for one in self.admitting.waiting for name in self.all[one].hosts}
        return not any(self.admitting.out(host, self.now)[0] for host in hosts)


Fleet.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestFleet = Fleet.TestCase


def test_one_after_the_other_where_they_share_a_limited_host():
    wanted = [Wanted(name, frozenset({"a.example"})) for name in ("one", "two")]
    admitting = Admitting(wanted, of(Limits(per_second=10)), quarantine=QUARANTINE)
    (first,) = admitting.admit(0.0, 8)
    assert first.name == "one"
    assert first.shares == {"a.example": Share(None, 10.0, 1)}
    assert admitting.admit(1.0, 8) == []
    admitting.ended("one", {}, 2.0)
    assert admitting.admit(2.05, 8) == [], "its bucket is not full again"
    assert admitting.next_change(2.05) == 2.1
    assert [one.name for one in admitting.admit(2.1, 8)] == ["two"]


def test_hosts_without_a_limit_are_audited_side_by_side():
    wanted = [Wanted(str(number), frozenset({"a.example"})) for number in range(5)]
    admitting = Admitting(wanted, None, quarantine=QUARANTINE)
    assert [one.name for one in admitting.admit(0.0, 3)] == ["0", "1", "2"]
    assert all(not one.shares for one in admitting.admit(0.0, 3))


def test_a_budget_is_divided_and_what_is_left_of_it_goes_to_the_others():
    wanted = [Wanted(name, frozenset({"a.example"})) for name in ("one", "two", "three")]
    admitting = Admitting(wanted, of(Limits(requests=90)), quarantine=QUARANTINE)
    (first,) = admitting.admit(0.0, 8)
    assert first.shares["a.example"].requests == 30
    admitting.ended("one", {"a.example": 10}, 1.0)
    (second,) = admitting.admit(1.0, 8)
    assert second.shares["a.example"].requests == 40


def test_a_targets_own_budget_is_not_exceeded_by_its_share():
    admitting = Admitting(
        [Wanted("one", frozenset({"a.example"}), {"a.example": 7})], of(Limits(requests=90)), quarantine=QUARANTINE
    )
    (first,) = admitting.admit(0.0, 8)
    assert first.shares["a.example"].requests == 7


def test_a_lost_share_is_nobody_elses_before_its_lease_has_run_out():
    wanted = [Wanted("one", frozenset({"a.example"})), Wanted("two", frozenset({"a.example"}))]
    admitting = Admitting(wanted, of(Limits(per_second=10, requests=100)), quarantine=QUARANTINE)
    admitting.admit(0.0, 8)
    admitting.lost("one", 5.0, again=True)
    assert admitting.admit(5.0 + QUARANTINE - 0.1, 8) == []
    admitted = admitting.admit(5.0 + QUARANTINE, 8)
    assert [one.name for one in admitted] == ["two"]
    assert admitted[0].shares["a.example"].requests == 25, "50 of 100 count as sent, and two wait"


def test_whoever_finds_no_budget_is_told_why():
    wanted = [Wanted("one", frozenset({"a.example"})), Wanted("two", frozenset({"a.example", "b.example"}))]
    admitting = Admitting(wanted, of(Limits(hosts={"a.example": HostLimit(requests=1)})), quarantine=QUARANTINE)
    admitting.admit(0.0, 1)
    assert admitting.hopeless() == [], "what is leased may come back"
    admitting.ended("one", {"a.example": 1}, 1.0)
    assert admitting.hopeless() == [("two", "the fleet's budget of 1 requests to a.example is used up (limits)")]
    assert not admitting.waiting


@given(st.integers(1, 60), st.integers(1, 20))
def test_every_target_gets_a_part_of_a_budget_that_is_large_enough(requests, members):
    wanted = [Wanted(str(number), frozenset({"a.example"})) for number in range(members)]
    admitting = Admitting(wanted, of(Limits(requests=requests)), quarantine=QUARANTINE)
    now = 0.0
    started = 0
    while admitted := admitting.admit(now, 1):
        started += 1
        admitting.ended(admitted[0].name, {"a.example": admitted[0].shares["a.example"].requests}, now)
    assert started == min(members, requests)


def test_what_an_earlier_part_of_the_run_left_is_respected():
    admitting = Admitting(
        [Wanted("one", frozenset({"a.example"}))],
        of(Limits(requests=10)),
        quarantine=QUARANTINE,
        spent={"a.example": 6},
        resting={"a.example": 50.0},
    )
    assert admitting.admit(49.0, 1) == []
    (first,) = admitting.admit(50.0, 1)
    assert first.shares["a.example"].requests == 4
