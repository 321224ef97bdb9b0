"""Training and evaluation on stored features, with figures equal to those without the cache."""

from functools import partial

import pytest
import torch
from helpers.features import cache_in, cached_backbone, counts, small_body
from helpers.tiny import tiny_dataset
from torch import nn
from torch.optim import SGD

from clsim import Strategy
from clsim.metrics import CrossTests
from clsim.models import EmbeddingClassifier, FrozenBackbone, FrozenClassifier, LinearClassifier, StationaryClassifier
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import ClassScope, FeatureTeacher, ModelReplacement, ModelUpgrade, Procrustes, Rehearsal
from clsim.streams import Replacement, incremental, replacement, upgrade
from clsim.training.served_features import ServedFeatures

MODELS = {
    "frozen": lambda backbone: FrozenClassifier(backbone, nn.Linear(5, 10)),
    "linear": lambda backbone: LinearClassifier(backbone, 10),
    "stationary": lambda backbone: StationaryClassifier(backbone, 12),
}


def stream_of(**settings):
    return incremental(tiny_dataset(), base_classes=4, ways=3, **settings)


def learn(stream, model, *plugins, query=None, augment=None, precision="fp32"):
    """Train all sessions; return all logits of the evaluations, the trained weights, and the cross-tests."""
    metrics = [] if query is None else [CrossTests(query, query, criterion="cmc@1")]
    logits = []

    class Notes(ClassScope):
        def after_eval_forward(self, strategy, **kwargs):
            super().after_eval_forward(strategy, **kwargs)
            logits.append(strategy.mb_output.clone())

    torch.manual_seed(0)
    strategy = Strategy(
        model=model,
        optimizer=partial(SGD, lr=0.1),
        train_epochs=2,
        train_mb_size=16,
        plugins=[*plugins, Notes(training="seen", evaluation="seen")],
        metrics=metrics,
        augment=augment,
        precision=precision,
    )
    for session in stream.train_stream:
        strategy.train(session)
        strategy.eval(stream.test_stream[: session.current_experience + 1])
    trained = [value.detach() for value in strategy.model.parameters() if value.requires_grad]
    return torch.cat(logits), torch.cat([value.flatten() for value in trained]), [each.matrix for each in metrics]


def model_with(name, path, seed=3):
    torch.manual_seed(seed)
    return MODELS[name](cached_backbone(path))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_figures_are_those_without_the_cache(tmp_path, name, precision):
    found = []
    for path in (None, tmp_path, tmp_path):
        model = model_with(name, path)
        found.append(learn(stream_of(), model, Rehearsal(3), query=tiny_dataset().test, precision=precision))
    for logits, weights, matrix in found[1:]:
        assert torch.equal(logits, found[0][0])
        assert torch.equal(weights, found[0][1])
        assert matrix == found[0][2]
    assert counts(model.backbone)[1] == 0


def test_features_are_those_of_the_images(tmp_path):
    """A model that does not accept features computes them from images in every pass."""
    plain = LinearClassifier(small_body().requires_grad_(False), 10)
    served = model_with("linear", tmp_path)
    plain.head.load_state_dict(served.head.state_dict())
    plain.backbone.train = lambda mode=True: plain.backbone  # frozen in the usual way
    found = []
    for model in (plain, served):
        torch.manual_seed(3)  # of the draws of the rehearsal
        found.append(learn(stream_of(), model, Rehearsal(3)))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    assert counts(served.backbone)[1] == len(tiny_dataset().train) + len(tiny_dataset().test)


def test_augmented_images_are_no_stored_features(tmp_path):
    model, seen = model_with("linear", tmp_path), []

    def augment(images):
        seen.append(images.shape[1:])
        return images

    learn(stream_of(), model, augment=augment)
    assert set(seen) == {(3, 8, 8)}
    assert counts(model.backbone)[1] == len(tiny_dataset().test)


def test_only_the_images_of_the_stream_are_computed(tmp_path):
    model = model_with("linear", tmp_path)
    learn(stream_of(images_per_class=5), model)
    assert counts(model.backbone)[1] == 10 * 5 + len(tiny_dataset().test)


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("path", ["off", "stored"])
def test_a_replacement_brings_its_own_features(tmp_path, after, path):
    """Also amid an epoch: batches behind it are features of the model that arrived, of the same length."""
    root = tmp_path if path == "stored" else None
    arriving = ReplacementModel("other", FrozenBackbone(small_body(seed=1), cache=cache_in(root)))
    stream = replacement(
        tiny_dataset(), base_classes=4, ways=3, replacements=[Replacement(arriving, 1, after_iterations=after)]
    )
    memory, model = Rehearsal(3), model_with("stationary", root)
    teacher = FeatureTeacher(lambda new, old, labels: (new - old).square().mean(), weight=0.5)
    logits, _, _ = learn(stream, model, memory, ModelReplacement(memory), teacher)
    backbone = small_body(seed=1)
    plain = StationaryClassifier(backbone, 12).eval()
    plain.projection.load_state_dict(model.projection.state_dict())
    images = torch.cat([session.resident.images.pixels[session.resident.indices] for session in stream.test_stream])
    torch.testing.assert_close(logits[-len(images) :, :10], plain(images / 255)[:, :10], rtol=1e-4, atol=1e-5)


def test_procrustes_rotates_features_of_two_backbones(tmp_path):
    def make(old, path):
        torch.manual_seed(5)
        seed = 0 if old is None else 1
        return EmbeddingClassifier(cached_backbone(path, seed=seed), dimensions=5, classes=10, neck=False)

    found = []
    for path in (None, tmp_path):
        plugin = ModelUpgrade(partial(make, path=path))
        stream = upgrade(tiny_dataset(), classes=[4, 10])
        found.append(learn(stream, make(None, path), Procrustes(plugin), plugin, query=tiny_dataset().test))
    assert torch.equal(found[0][0], found[1][0]) and found[0][2] == found[1][2]


def test_an_image_outside_of_the_view_has_no_feature(tmp_path):
    stream, strategy = stream_of(), Strategy(model=model_with("linear", tmp_path), train_epochs=0)
    views = [session.resident for session in stream.train_stream]
    served = ServedFeatures(strategy, views[0])
    assert served(views[0].indices[:3]).shape == (3, 5)
    with pytest.raises(IndexError):
        served(views[1].indices[:3])
