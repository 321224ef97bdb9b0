"""Arguments that a scenario would have refused, and those that it could not have had."""

import json

import numpy as np
import pytest
import torch
from helpers.tiny import tiny_dataset

from clsim.config import load_scenario
from clsim.data.core.images import DataSet
from clsim.streams import (
    Replacement,
    Stream,
    fscil,
    incremental,
    poisson_arrivals,
    replacement,
    text_upgrade,
    upgrade,
)
from clsim.streams.builders.validation import on_held_out
from clsim.utils.errors import ArgumentError, UserError, UserErrors

BUILDERS = {
    "fscil": (fscil, {"base_classes": 60, "ways": 5, "shots": 5, "splits": {"draw": 1}}),
    "incremental": (incremental, {"base_classes": 60, "ways": 5}),
    "replacement": (replacement, {"base_classes": 60, "ways": 5, "replacements": []}),
    "upgrade": (upgrade, {"classes": [50, 100]}),
}
WRONG = [
    *[("fscil", "shots", value) for value in (0, -1, 2.0, 2.5, True, "5", None, [5], float("nan"))],
    *[("fscil", "base_classes", value) for value in (0, -60, 101, 60.0, True)],
    *[("fscil", "ways", value) for value in (0, -5, 7, 5.0, False, "five")],
    *[("fscil", "sessions", value) for value in (-1, 9, 1.5, True)],
    *[("fscil", "splits", value) for value in ("drawm", "standard", {"draw": -1}, {"draw": 2**32}, {"draw": 1.5})],
    *[("fscil", "splits", value) for value in ({"draw": True}, {"drew": 1}, {}, {"draw": 1, "seed": 2}, 3)],
    *[("fscil", "class_order", value) for value in ([0, 1, 2], [*range(99), 98], [*range(1, 101)], [*range(100), 0])],
    *[("fscil", "class_order", value) for value in ([*range(99), 99.0], [*range(99), -1], "random", {"seed": "1"})],
    *[("fscil", "class_order", value) for value in ([True, *range(99)], [*map(str, range(100))], {"sed": 1}, [])],
    *[("incremental", "images_per_class", value) for value in (0, -3, 1.0, True, "all")],
    *[("replacement", "images_per_class", value) for value in (0, 2.5)],
    *[("replacement", "ways", value) for value in (0, 7)],
    *[("upgrade", "classes", value) for value in ([], [0, 50], [50, -1], [50, 101], [60, 50], [50, 50])],
    *[("upgrade", "classes", value) for value in ([50, 100.0], [True, 50], "50", 50, [50, None])],
    *[("upgrade", "images_per_class", value) for value in (0, -1, [5, 4], [5, 5, 5], [0, 5], 2.0, True, [])],
]


@pytest.fixture(scope="module")
def world() -> DataSet:
    """As many classes as the embedded world, under its name: a scenario is checked by that."""
    tiny = tiny_dataset(classes=100, size=16)
    return DataSet("shapes", tiny.train, tiny.test)


def told_by(call) -> list[str]:
    with pytest.raises(UserError) as caught:
        call()
    errors = caught.value.errors if isinstance(caught.value, UserErrors) else [caught.value]
    return sorted(f"{error.what}|{error.fix}" for error in errors)


@pytest.mark.parametrize(("kind", "key", "value"), WRONG)
def test_python_refuses_what_a_scenario_refuses_in_the_same_words(kind, key, value, world, tmp_path):
    builder, right = BUILDERS[kind]
    file = tmp_path / "a.yaml"
    block = {**right, key: value, "kind": kind, "dataset": "shapes"}
    file.write_text(f"stream: {json.dumps(block).replace('NaN', '.nan')}\nstrategy: fine_tune\n")
    by_scenario = told_by(lambda: load_scenario(file, strategy="oca" if kind == "upgrade" else "replay"))
    assert told_by(lambda: builder(world, **{**right, key: value})) == by_scenario


@pytest.mark.parametrize("number", [np.int64, np.uint8, np.int32, torch.tensor, np.array])
def test_numbers_of_numpy_and_torch_are_numbers(number, world):
    given = {"base_classes": number(60), "ways": number(5), "shots": number(5), "sessions": number(2)}
    stream = fscil(world, **given, splits={"draw": number(1)}, class_order={"seed": number(3)})
    same = fscil(world, base_classes=60, ways=5, shots=5, sessions=2, splits={"draw": 1}, class_order={"seed": 3})
    assert stream.class_blocks == same.class_blocks
    assert all(type(label) is int for block in stream.class_blocks for label in block)
    for one, other in zip(stream.train_stream, same.train_stream, strict=True):
        assert torch.equal(one.resident.indices, other.resident.indices)


@pytest.mark.parametrize("listed", [np.array, torch.tensor, tuple, lambda given: [np.int64(each) for each in given]])
def test_orders_and_counts_of_numpy_and_torch_are_lists(listed, world):
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0)).tolist()
    stream = incremental(world, base_classes=60, ways=20, class_order=listed(order))
    assert [label for block in stream.class_blocks for label in block] == order
    upgraded = upgrade(world, classes=listed([50, 100]), images_per_class=listed([3, 4]))
    assert [len(session.resident) for session in upgraded.train_stream] == [150, 400]


def test_a_range_is_an_order():
    stream = incremental(tiny_dataset(), base_classes=4, ways=3, class_order=range(9, -1, -1))
    assert stream.class_blocks[0] == (9, 8, 7, 6)


def test_several_mistakes_are_told_at_once():
    told = told_by(lambda: fscil(tiny_dataset(), base_classes=0, ways=True, shots=2.5, splits={"draw": 1}))
    assert [line.partition(":")[0] for line in told] == ["stream.base_classes", "stream.shots", "stream.ways"]


@pytest.mark.parametrize("builder", [fscil, incremental, upgrade, replacement])
def test_the_name_of_a_data_set_is_not_the_data_set(builder):
    right = {fscil: BUILDERS["fscil"][1], upgrade: BUILDERS["upgrade"][1]}.get(builder, {"base_classes": 1, "ways": 1})
    right = {**right, **({"replacements": []} if builder is replacement else {})}
    with pytest.raises(ArgumentError, match="expected a DataSet, got the string 'shapes'") as caught:
        builder("shapes", **right)
    assert "clsim.data.load_dataset" in caught.value.fix


def test_a_session_without_test_images_is_refused():
    whole = tiny_dataset()
    lacking = DataSet("tiny", whole.train, whole.test.subset((whole.test.labels < 6).nonzero().flatten()))
    with pytest.raises(ArgumentError, match="session 1 has no test image: tiny has none of its 2 classes"):
        incremental(lacking, base_classes=6, ways=2)
    with pytest.raises(ArgumentError, match="session 1 has no test image"):
        upgrade(lacking, classes=[6, 10])
    few = {"base_classes": 6, "ways": 2, "shots": 5, "splits": {"draw": 1}}
    with pytest.raises(ArgumentError, match="session 1 has no test image"):
        fscil(lacking, **few)
    assert len(incremental(lacking, base_classes=6, ways=2, sessions=0)) == 1
    assert len(upgrade(lacking, classes=[6, 6], images_per_class=[1, 2])) == 2  # whose second brings no class
    held = on_held_out(fscil(lacking, **few, tested=False), 0.25, 0)
    assert [len(session.resident) for session in held.test_stream] == [30, 0, 0]  # 5 of 20, of 6 base classes


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([[0, 1], [1, 2]], "class 1 is new twice"),
        ([[0, 0], [1, 2]], "class 0 is new twice"),
        ([[0, 1], [10]], r"no class 10 \(allowed: 0 to 9\)"),
        ([[-1], [2]], "no class -1"),
        ([[0.0], [2]], r"no class 0\.0"),
        ([[0]], "2 views of training images are given for 1 sessions"),
    ],
)
def test_a_stream_put_together_by_hand_has_classes_of_its_data_set(blocks, said):
    views = [session.resident for session in incremental(tiny_dataset(), base_classes=5, ways=5).train_stream]
    with pytest.raises(ArgumentError, match=said):
        Stream(tiny_dataset(), blocks, views)


@pytest.mark.parametrize(
    ("share", "seed"), [(0, 0), (1, 0), (-0.1, 0), (1.5, 0), (float("nan"), 0), ("0.2", 0), (0.2, -1), (0.2, 0.5)]
)
def test_a_share_of_nothing_or_of_all_is_not_held_out(share, seed):
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 1})
    with pytest.raises(ArgumentError, match=r"on_held_out: (share|seed): "):
        on_held_out(stream, share, seed)


def test_only_a_few_shot_stream_is_measured_on_its_base_session():
    with pytest.raises(ArgumentError, match="expected a few-shot stream"):
        on_held_out(incremental(tiny_dataset(), base_classes=6, ways=2), 0.2, 0)


@pytest.mark.parametrize("given", [["first"], [("first", 1)], [None]])
def test_what_arrives_is_a_replacement(given):
    with pytest.raises(ArgumentError, match=r"stream\.replacements\.0: expected a Replacement"):
        replacement(tiny_dataset(), base_classes=6, ways=2, replacements=given)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"session": 1.0}, "session: expected an integer, got 1.0"),
        ({"session": True}, "session: expected an integer, got true"),
        ({"session": 0, "after_iterations": 2.5}, "after_iterations: expected an integer"),
        ({"session": 0, "after_share": float("nan")}, "after_share: must be a finite number"),
        ({"session": 0, "after_share": 1.0}, "after_share: must be less than 1"),
        ({"session": 0, "after_share": "half"}, "after_share: expected a number"),
        ({"session": 0, "model": "better"}, "model: expected a ReplacementModel, got the string 'better'"),
    ],
)
def test_a_replacement_has_a_model_and_a_moment(settings, said):
    from clsim.models.replacement_model import ReplacementModel

    with pytest.raises(ArgumentError, match=said):
        Replacement(**{"model": ReplacementModel("a", torch.nn.Identity()), **settings})


@pytest.mark.parametrize("given", [(np.nan, 7, 0, 2), (1, 7.5, 0, 2), (1, 7, -1, 2), (1, 7, 0, -1), (True, 7, 0, 2)])
def test_a_process_of_nonsense_draws_nothing(given):
    with pytest.raises(ArgumentError, match="poisson_arrivals: "):
        poisson_arrivals(*given)


def test_a_text_stream_wants_captions():
    with pytest.raises(ArgumentError, match="dataset: expected CaptionDataSet, got an object of type DataSet"):
        text_upgrade(tiny_dataset(), load=[], pairs=None)
