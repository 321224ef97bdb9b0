from functools import partial

import pytest
import torch
from avalanche.evaluation.metrics import accuracy_metrics, forgetting_metrics
from torch import nn

from clsim.experiment.checkpoint.codec import NotStorable
from clsim.experiment.checkpoint.plugin_state import state_of


class Thing:
    def __init__(self, **attributes):
        vars(self).update(attributes)


class Says(Thing):
    def state_dict(self):
        return {"n": self.n}

    def load_state_dict(self, state):
        self.n = state["n"]


def test_what_changed_and_what_may_have_changed_inside_is_stored():
    thing = Thing(rate=0.1, name="a", counts=[1], seen=set(), later=None, rows=torch.zeros(2))
    kept = state_of(thing)
    thing.counts.append(2)
    thing.rows += 1
    thing.later = (5, 2)
    state = kept.state()
    assert set(state) == {"counts", "seen", "later", "rows"}
    fresh = Thing(rate=0.1, name="a", counts=[1], seen={3}, later=None, rows=torch.zeros(2))
    state_of(fresh).restore(state)
    assert fresh.counts == [1, 2]
    assert fresh.seen == set()
    assert fresh.later == (5, 2)
    assert torch.equal(fresh.rows, torch.ones(2))


def test_what_it_was_made_with_stays():
    layer = nn.Linear(1, 1)
    thing = Thing(
        loss=torch.nn.functional.mse_loss,
        part=layer,
        make=partial(max, 1),
        losses=[(1.0, min)],
        layout=torch.channels_last,
        other=(min, 3),
    )
    assert state_of(thing, known=[layer]).state() == {}


def test_an_object_that_says_itself_is_asked():
    thing = Says(n=3, other=object())
    state = state_of(thing).state()
    assert state == {"n": 3}
    fresh = Says(n=0, other=object())
    state_of(fresh).restore(state)
    assert fresh.n == 3


def test_generators_and_parts_that_say_themselves_are_given_back_in_place():
    thing = Thing(draw=torch.Generator().manual_seed(3), schedule=Says(n=4))
    kept = state_of(thing)
    torch.rand(5, generator=thing.draw)
    state = kept.state()
    wanted = torch.rand(3, generator=thing.draw)
    fresh = Thing(draw=torch.Generator(), schedule=Says(n=0))
    draw, schedule = fresh.draw, fresh.schedule
    state_of(fresh).restore(state)
    assert fresh.draw is draw
    assert torch.equal(torch.rand(3, generator=draw), wanted)
    assert fresh.schedule is schedule
    assert schedule.n == 4


def test_metrics_of_avalanche_go_on_counting():
    accuracy, again = accuracy_metrics(stream=True)[0], accuracy_metrics(stream=True)[0]
    attributes = state_of(accuracy)
    accuracy._metric.update(torch.tensor([1, 2, 3]), torch.tensor([1, 2, 0]))
    state_of(again).restore(attributes.state())
    again._metric.update(torch.tensor([1]), torch.tensor([1]))
    assert again.result() == 3 / 4


def test_what_avalanche_remembers_of_earlier_sessions_is_kept():
    first, again = forgetting_metrics(stream=True)[0], forgetting_metrics(stream=True)[0]
    attributes = state_of(first)
    first.forgetting.update(0, 0.9, initial=True)
    state_of(again).restore(attributes.state())
    again.forgetting.update(0, 0.5)
    assert again.forgetting.result() == pytest.approx({0: 0.4})


@pytest.mark.parametrize(
    "thing",
    [
        Thing(policy=Thing(images=[1])),  # what is inside may have changed
        Thing(teacher=nn.Linear(1, 1)),  # weights that nobody else stores
        Thing(stream=iter([1])),
    ],
)
def test_what_could_not_be_given_back_is_told_by_name(thing):
    (name,) = vars(thing)
    with pytest.raises(NotStorable) as raised:
        state_of(thing).state()
    assert "Thing" in str(raised.value) and name in str(raised.value)


def test_a_state_of_something_else_is_refused():
    with pytest.raises(ValueError, match="has no draw"):
        state_of(Thing()).restore({"draw": {"generator": torch.Generator().get_state()}})
