"""Shipped scenarios that repeat a paper have its figures, and say where they stand."""

from __future__ import annotations

import pytest

from clsim.config import load_scenario
from clsim.results.run_figures import published_figures


@pytest.mark.parametrize(
    ("scenario", "strategy", "figures"),
    [
        ("cifar_fscil", "cpe_clip", {"average_accuracy": 0.8342, "performance_drop": 0.0731}),
        ("cifar_fscil", "cec", {"average_accuracy": 0.5953, "performance_drop": 0.2393}),
        ("miniimagenet_fscil", "cpe_clip", {"average_accuracy": 0.8613, "performance_drop": 0.0746}),
        ("miniimagenet_fscil", "cec", {"average_accuracy": 0.5775, "performance_drop": 0.2437}),
        ("cub_fscil", "cpe_clip", {"average_accuracy": 0.7079, "performance_drop": 0.1698}),
        ("cub_fscil", "cec", {"average_accuracy": 0.6133, "performance_drop": 0.2357}),
        ("cifar_replacement_7", "stationary", {"ac": 0.95, "am": 0.689, "self_test": 0.77164}),
        ("cifar_replacement_7", "replay", {"ac": 0.0, "am": 0.3518, "self_test": 0.71544}),
        ("cifar_replacement_31", "stationary", {"ac": 0.65, "am": 0.6807}),
        ("cifar_replacement_31", "replay", {"ac": 0.0, "am": 0.3032}),
        ("cifar_upgrade", "independent", {"cmc@1.old_old": 0.336, "cmc@1.new_old": 0.008, "map.new_new": 0.499}),
        ("cifar_upgrade", "bct", {"cmc@1.new_old": 0.25, "cmc@5.new_old": 0.621, "map.new_new": 0.473}),
        ("cifar_upgrade", "bt2", {"cmc@1.new_old": 0.387, "cmc@5.new_new": 0.751, "map.new_old": 0.277}),
    ],
)
def test_rows_of_papers(scenario: str, strategy: str, figures: dict[str, float]) -> None:
    row = load_scenario(scenario).published[strategy]
    found = published_figures(row)
    assert row.source
    assert {key: found[key] for key in figures} == pytest.approx(figures, abs=0.000101)
