"""Functions take turns, and the fastest call counts."""

from clsim.cli.benchmarks import timing


def test_functions_take_turns_after_one_call_that_does_not_count(monkeypatch):
    clock, calls = [0.0], []
    durations = {"a": iter([100.0, 3.0, 1.0, 2.0]), "b": iter([100.0, 6.0, 5.0, 4.0])}

    def function(name):
        def call():
            calls.append(name)
            clock[0] += next(durations[name])

        return call

    monkeypatch.setattr(timing, "device_time", lambda device: clock[0])
    taken = timing.interleaved({name: function(name) for name in "ab"}, rounds=3)
    assert taken == {"a": 1.0, "b": 4.0}
    assert calls == ["a", "b", "a", "b", "a", "b", "a", "b"]
