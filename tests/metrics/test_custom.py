"""Figures of custom metrics, by name."""

import math

import torch
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metrics import accuracy_metrics

from clsim.metrics.custom import custom_figures


class Fixed(PluginMetric):
    def __init__(self, name, result):
        super().__init__()
        self.name, self._result = name, result

    def result(self):
        return self._result

    def reset(self):
        pass

    def __str__(self):
        return self.name


def test_numbers_and_blocks_of_them_are_figures():
    metrics = [Fixed("a", 0.5), Fixed("b", {"x": 1, 3: torch.tensor(2.0)}), Fixed("c", torch.tensor([4]))]
    assert custom_figures(metrics) == {"a": 0.5, "b/x": 1.0, "b/3": 2.0, "c": 4.0}


def test_what_is_no_figure_is_left_out_and_what_is_no_number_is_none():
    metrics = [Fixed("m", torch.zeros(2, 2)), Fixed("t", "text"), Fixed("n", None), Fixed("x", math.nan)]
    assert custom_figures(metrics) == {"x": None}


def test_two_of_one_name_are_told_apart():
    assert custom_figures([Fixed("a", 1.0), Fixed("a", 2.0), Fixed("a", 3.0)]) == {"a": 1.0, "a 2": 2.0, "a 3": 3.0}


def test_those_of_avalanche_are_taken():
    (metric,) = accuracy_metrics(stream=True)
    metric._metric.update(torch.tensor([1, 2]), torch.tensor([1, 0]))
    assert custom_figures([metric]) == {"Top1_Acc_Stream": 0.5}
