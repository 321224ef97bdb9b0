import torch

from clsim.metrics.functional.sampling import sample_evenly, split_evenly


def test_spread_is_even_over_classes_even_where_labels_repeat_in_step():
    labels = torch.arange(100) % 10
    chosen = sample_evenly(labels, 20)
    assert labels[chosen].bincount().tolist() == [2] * 10
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert sample_evenly(labels, 100).tolist() == sample_evenly(labels, 1000).tolist() == list(range(100))


def test_arrivals_divide_everything_evenly_class_by_class():
    labels = torch.tensor([0] * 13 + [1] * 8 + [2] * 5)[torch.randperm(26, generator=torch.Generator().manual_seed(3))]
    parts = split_evenly(labels, 4, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(parts).tolist()) == list(range(26))
    assert sorted(len(part) for part in parts) == [6, 6, 7, 7]
    counts = torch.stack([labels[part].bincount(minlength=3) for part in parts])
    assert (counts.amax(0) - counts.amin(0)).max() <= 1


def test_arrivals_depend_on_the_generator_alone():
    labels = torch.arange(60) % 3
    first, again, other = (split_evenly(labels, 5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.cat(first).equal(torch.cat(again))
    assert not torch.cat(first).equal(torch.cat(other))
