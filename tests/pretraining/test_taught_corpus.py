import torch
from helpers.tiny import tiny_captions
from helpers.tiny_teacher import CAPTIONS, tiny_teacher
from torch import Generator

from clsim.data import DataSet, Images
from clsim.pretraining import taught_corpus as module
from clsim.pretraining.named_classes import imagenet_classes
from clsim.pretraining.taught_corpus import draw_classes, make_taught_corpus


def test_drawn_classes_hold_the_present_ones_once_and_others_up_to_the_count():
    present = torch.tensor([5, 2, 5])
    drawn = draw_classes(present, 10, 6, Generator().manual_seed(0))
    assert drawn[:2].tolist() == [2, 5]
    assert len(set(drawn.tolist())) == len(drawn) == 6
    assert draw_classes(present, 10, 1, Generator()).tolist() == [2, 5]
    assert sorted(draw_classes(present, 10, 99, Generator()).tolist()) == list(range(10))


def test_a_step_holds_what_belongs_together(taught_corpus):
    classes, seen = imagenet_classes(), []
    for step in taught_corpus.epoch(0):
        assert len(step.features) == 12
        assert len(step.texts) == 16
        rows = [int((taught_corpus.features == row).all(dim=1).nonzero()) for row in step.features]
        seen += rows[:8]
        labels = torch.tensor(rows[:8]) // 4 * 9
        drawn = [next(k for k in range(1000) if step.texts[at] in spoken(classes[k])) for at in step.places.tolist()]
        assert [set(spoken(classes[k])) for k in drawn] == [set(spoken(classes[k])) for k in labels.tolist()]
        assert step.labeled[step.places].all()
        assert [text in CAPTIONS[row - 20] for text, row in zip(step.texts[12:], rows[8:], strict=True)] == [True] * 4
        taught = taught_corpus.teacher.classifier(step.features)
        assert torch.equal(step.taught[torch.arange(8), step.places], taught[torch.arange(8), labels])
    assert len(set(seen)) == len(seen) == 8 * taught_corpus.steps() == 16


def spoken(named):
    """Return all texts that a class can be given."""
    grid = [i / 60 for i in range(60)]
    return {named.text((kind, name, template)) for kind in (0.1, 0.25, 0.9) for name in grid for template in grid[::8]}


def test_epochs_differ_and_repeat(taught_corpus):
    first, again, second = (next(iter(taught_corpus.epoch(index))) for index in (0, 0, 1))
    assert torch.equal(first.features, again.features)
    assert first.texts == again.texts
    assert not torch.equal(first.features, second.features)


def test_the_vocabulary_reads_names_definitions_and_captions(taught_corpus):
    texts = set(taught_corpus.texts())
    assert {
        "tench",
        "freshwater dace-like game fish of Europe and western Asia noted for ability to survive outside water",
    } <= texts
    assert set(sum(CAPTIONS, ())) <= texts


def test_a_recipe_reads_labels_by_wordnet_id_and_features_of_both_data_sets(taught_recipe, monkeypatch):
    teacher, captioned = tiny_teacher(monkeypatch), tiny_captions(train=5).train
    pixels = torch.randint(0, 256, (34, 3, 8, 8), dtype=torch.uint8)
    labeled = Images(pixels, torch.arange(34) % 2, ("cougar", "crane"), "tiny_imagenet32")
    monkeypatch.setattr(module, "load_dataset", lambda name: DataSet(name, labeled, labeled))
    monkeypatch.setattr(module.flickr8k, "load", lambda parts, root, size: captioned)
    corpus = make_taught_corpus(taught_recipe, teacher)
    expected = torch.cat([teacher.backbone(part / 255) for part in (pixels, captioned.pixels)])
    assert torch.allclose(corpus.features, expected, atol=1e-5)
    step = next(iter(corpus.epoch(0)))
    classes = imagenet_classes()
    spoken_of = {named.wordnet: spoken(named) for named in classes if named.wordnet in {"n02125311", "n03126707"}}
    for row, place in zip(step.features[:8], step.places.tolist(), strict=True):
        image = int((corpus.features - row).abs().sum(dim=1).argmin())
        assert step.texts[place] in spoken_of[("n02125311", "n03126707")[image % 2]]
