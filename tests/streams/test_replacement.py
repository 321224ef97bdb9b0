import random
from statistics import mean, pvariance

import pytest
import torch
from helpers.tiny import tiny_dataset
from torch import nn

from clsim.config import load_scenario
from clsim.config.discovery import find_scenario
from clsim.experiment.resolve import plain_stream
from clsim.models.replacement_model import ReplacementModel
from clsim.streams import Replacement, incremental, poisson_arrivals, replacement
from clsim.utils.errors import UserError

PLAIN = {"base_classes": 4, "ways": 2}


def model(name: str) -> ReplacementModel:
    return ReplacementModel(name, nn.Identity())


def names(replacements) -> list[str]:
    return [replacement.model.name for replacement in replacements]


def test_sessions_carry_the_models_that_arrive_in_them_by_time():
    arriving = [
        Replacement(model("late"), 2, after_iterations=7),
        Replacement(model("soon"), 2, after_iterations=3),
        Replacement(model("first"), 0),
        Replacement(model("before"), 2),
    ]
    stream = replacement(tiny_dataset(), **PLAIN, replacements=arriving)
    assert [names(session.replacements) for session in stream.train_stream] == [
        ["first"],
        [],
        ["before", "soon", "late"],
        [],
    ]
    assert names(stream.replacements) == ["first", "before", "soon", "late"]
    assert names(stream.train_stream[1:][1].replacements) == ["before", "soon", "late"]
    assert all(session.replacements == () for session in stream.test_stream)


def test_shares_order_as_iterations_do_and_go_with_a_model_that_comes_before():
    arriving = [
        Replacement(model("b"), 1, after_share=0.5),
        Replacement(model("a"), 1, after_share=0.25),
        Replacement(model("initial"), 1),
    ]
    stream = replacement(tiny_dataset(), **PLAIN, replacements=arriving)
    assert names(stream.train_stream[1].replacements) == ["initial", "a", "b"]


def test_without_replacements_it_is_the_class_incremental_stream():
    settings = {**PLAIN, "images_per_class": 3, "class_order": {"seed": 2}, "sessions": 2}
    stream = replacement(tiny_dataset(), **settings, replacements=[])
    plain = incremental(tiny_dataset(), **settings)
    assert stream.replacements == ()
    assert stream.class_blocks == plain.class_blocks
    for one, other in zip(stream.train_stream, plain.train_stream, strict=True):
        assert torch.equal(one.resident.indices, other.resident.indices)


@pytest.mark.parametrize(
    ("arriving", "said"),
    [
        ([Replacement(model("v2"), 4)], "v2 arrives in session 4, but the sessions are 0 to 3"),
        (
            [Replacement(model("v1"), 1), Replacement(model("v2"), 1)],
            "v1 and v2 of session 1 arrive at the same moment",
        ),
        (
            [Replacement(model("v1"), 1, after_share=0.5), Replacement(model("v2"), 1, after_share=0.5)],
            "at the same moment",
        ),
        (
            [Replacement(model("v1"), 1, after_share=0.5), Replacement(model("v2"), 1, after_iterations=5)],
            "both after_iterations and after_share",
        ),
    ],
)
def test_what_cannot_be_ordered_or_placed_is_the_users_error(arriving, said):
    with pytest.raises(UserError, match=said):
        replacement(tiny_dataset(), **PLAIN, replacements=arriving)


@pytest.mark.parametrize(
    "moment",
    [
        {"session": -1},
        {"session": 0, "after_iterations": -1},
        {"session": 0, "after_share": 1.0},
        {"session": 0, "after_share": -0.1},
        {"session": 0, "after_share": 0.5, "after_iterations": 3},
    ],
)
def test_a_moment_that_is_none_is_refused(moment):
    with pytest.raises(ValueError):
        Replacement(model("v"), **moment)


def test_arrivals_rise_within_the_stream_and_are_the_seeds_own():
    random.seed(1)
    before = random.getstate()
    drawn = poisson_arrivals(3.0, 7, seed=5, count=100)
    assert random.getstate() == before
    assert drawn == sorted(drawn)
    assert 0 < drawn[0] < drawn[-1] < 7
    assert drawn == poisson_arrivals(3.0, 7, seed=5, count=100) != poisson_arrivals(3.0, 7, seed=6, count=100)
    assert poisson_arrivals(3.0, 7, seed=5, count=4) == drawn[:4]
    assert poisson_arrivals(3.0, 3, seed=5, count=100) == [moment for moment in drawn if moment < 3]
    assert poisson_arrivals(3.0, 7, seed=5, count=0) == []
    assert poisson_arrivals(1e-9, 7, seed=5, count=9) == []
    with pytest.raises(ValueError, match="more than 0"):
        poisson_arrivals(0.0, 7, seed=5, count=1)


def test_counts_are_poisson_and_do_not_depend_on_where_they_are_counted():
    # 2000 streams of 10 sessions at 0.5 a session: mean and variance 5 (standard errors 0.05 and 0.16).
    streams = [poisson_arrivals(0.5, 10, seed=seed, count=1000) for seed in range(2000)]
    counts = [len(stream) for stream in streams]
    assert mean(counts) == pytest.approx(5, abs=0.2)
    assert pvariance(counts) == pytest.approx(5, abs=0.65)
    first = [sum(moment < 5 for moment in stream) for stream in streams]
    second = [len(stream) - early for stream, early in zip(streams, first, strict=True)]
    assert mean(first) == pytest.approx(mean(second), abs=0.2)


@pytest.mark.real_data("cifar100")
@pytest.mark.parametrize(("overrides", "per_class"), [([], 500), (["stream.images_per_class=300"], 300)])
def test_the_published_stream_has_the_images_of_the_notebooks_or_of_the_package(overrides, per_class):
    scenario = load_scenario(find_scenario("cifar_replacement_7"), ["stream.replacements=[]", *overrides])
    stream = plain_stream(scenario)
    first = {label: [] for label in range(100)}  # a plain loop over the data set
    for index, label in enumerate(stream.dataset.train.labels.tolist()):
        if len(first[label]) < per_class:
            first[label].append(index)
    blocks = [range(10), *(range(start, start + 15) for start in range(10, 100, 15))]
    for block, session in zip(blocks, stream.train_stream, strict=True):
        wanted = sorted(index for label in block for index in first[label])
        assert sorted(session.resident.indices.tolist()) == wanted
        assert len(wanted) == per_class * len(block)
