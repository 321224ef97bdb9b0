"""The facts about data sets match the data sets."""

from __future__ import annotations

import pytest

from clsim.config import load_scenario
from clsim.config.discovery import find_scenario, list_scenarios
from clsim.data import facts, load_dataset
from clsim.data.catalog import ENTRIES
from clsim.utils.errors import DataMissing


def test_every_data_set_that_can_be_loaded_has_its_facts() -> None:
    assert set(facts.FACTS) == {name for name, entry in ENTRIES.items() if entry.load}


@pytest.mark.parametrize(
    "name", ["shapes", *(pytest.param(n, marks=pytest.mark.real_data) for n in facts.FACTS if n != "shapes")]
)
def test_facts_are_those_of_the_data(name: str) -> None:
    try:
        dataset = load_dataset(name, download=False)
    except DataMissing as missing:
        pytest.skip(missing.what)
    stated = facts.FACTS[name]
    assert len(dataset.train.class_names) == stated.classes
    assert dataset.train.labels.bincount().min() == stated.train_per_class
    assert dataset.test.labels.bincount().min() == stated.test_per_class
    assert dataset.train.pixels.shape[-1] == stated.image_size


def test_standard_protocols_use_up_their_classes() -> None:
    for stated in facts.FACTS.values():
        if stated.standard:
            base, ways, shots, sessions = stated.standard
            assert base + ways * sessions == stated.classes
            assert shots <= stated.train_per_class


def test_every_scenario_with_a_published_clip_decodes_large_images_at_its_size() -> None:
    """CIFAR's originals are small."""
    seen = set()
    for name in list_scenarios():
        scenario = load_scenario(name)
        text = find_scenario(name).read_text()
        if "pretrained: openai" not in text or scenario.stream.dataset.startswith("cifar"):
            continue
        assert scenario.stream.image_size == 224, name
        seen.add(name)
    assert {"cub_fscil", "miniimagenet_fscil", "flickr_upgrade"} <= seen
