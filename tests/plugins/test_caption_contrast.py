from functools import partial

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.errors import refused
from helpers.tiny import tiny_captions, tiny_clip
from torch.optim import SGD

from clsim.losses import cosine_distillation, no_loss
from clsim.models import ImageTextModel, Projection
from clsim.models.replacement_model import ReplacementClip
from clsim.plugins import CaptionContrast, ClipUpgrade, TextProjection
from clsim.streams import text_upgrade
from clsim.training import Strategy


class Watch(SupervisedPlugin):
    """The images and the loss of every step, in every session."""

    def __init__(self):
        super().__init__()
        self.labels, self.losses = [], []

    def after_backward(self, strategy, **kwargs):
        self.labels.append(strategy.mb_y.tolist())
        self.losses.append(strategy.loss.item())


class Composed:
    """A strategy of an upgrade of tiny CLIPs, whose batches are kept."""

    def __init__(self, losses=None, pairs=9, sessions=2, seed=0, data=None, epochs=2):
        self.batches, self.rows = [], []
        clips = [tiny_clip(seed=n, embed_dim=12 + 4 * n) for n in range(sessions)]
        arrivals = [ReplacementClip(f"m{n}", clip) for n, clip in enumerate(clips)]
        self.stream = text_upgrade(data or tiny_captions(), load=arrivals, pairs=pairs)

        def make(clip, old):
            model = ImageTextModel(clip, prompts=2)
            model.projection = Projection(model.width, old.features)
            return model

        def keep(batch):
            self.batches.append(batch)
            return cosine_distillation(batch.images, batch.texts)

        torch.manual_seed(seed)
        self.upgrade = ClipUpgrade(self.stream.models, make)
        self.projection = TextProjection(self.upgrade, self.stream.texts, steps=0)
        self.contrast = CaptionContrast(self.stream.pairs, self.upgrade, self.projection, losses or [(1.0, keep)])
        self.watch = Watch()
        self.old = ImageTextModel(clips[0])
        self.strategy = Strategy(
            model=self.old,
            optimizer=partial(SGD, lr=0.01),
            criterion=no_loss,
            train_mb_size=4,
            train_epochs=epochs,
            plugins=[self.upgrade, self.projection, self.contrast, self.watch],
        )

    def train(self):
        for session in self.stream.train_stream:
            self.strategy.train(session, eval_streams=[])
        return self


def test_losses_are_added_with_their_weights():
    told = [(2.0, lambda batch: torch.tensor(3.0)), (0.5, lambda batch: torch.tensor(8.0) + 0 * batch.texts.sum())]
    composed = Composed(losses=told).train()
    assert composed.watch.losses == [10.0] * 6  # 2 epochs of 9 images in batches of 4


def test_everything_is_of_length_one_in_the_old_space():
    composed = Composed().train()
    assert [len(batch.images) for batch in composed.batches] == [4, 4, 1] * 2
    for batch in composed.batches:
        assert torch.equal(batch.same, batch.same.T) and bool(batch.same.diagonal().all())
        for part in batch[:4]:
            assert part.shape == (len(batch.images), 12)
            torch.testing.assert_close(part.norm(dim=1), torch.ones(len(part)))
        assert batch.images.requires_grad and batch.texts.requires_grad
        assert not batch.old_images.requires_grad and not batch.old_texts.requires_grad


def test_old_features_are_the_old_models_and_captions_are_of_their_image():
    composed = Composed(epochs=20).train()
    pairs, old = composed.stream.pairs, composed.old
    images, texts = old(pairs.pixels.float() / 255).detach(), old.features_of(pairs.texts)
    drawn = [set() for _ in range(len(pairs))]
    for labels, batch in zip(composed.watch.labels, composed.batches, strict=True):
        torch.testing.assert_close(batch.old_images, images[labels], atol=1e-6, rtol=0)
        for label, feature in zip(labels, batch.old_texts, strict=True):
            own = (pairs.items == label).nonzero().flatten()
            distances = (texts[own] - feature).norm(dim=1)
            assert distances.min() < 1e-5
            drawn[label].add(int(distances.argmin()))
    assert drawn == [set(range(count)) for count in (1, 2, 3) * 3]  # every caption has its turn


def test_new_features_of_captions_are_those_of_the_ones_drawn():
    """In the first step, before anything moved; the caption drawn is told by its old feature."""
    composed = Composed()
    seen = []

    def keep(batch):
        if not seen:
            with torch.no_grad():
                own = composed.strategy.model.features_of(composed.stream.pairs.texts)
                old = composed.old.features_of(composed.stream.pairs.texts)
            rows = (batch.old_texts @ old.T).argmax(1)
            seen.append(own[rows])
            torch.testing.assert_close(batch.texts.detach(), own[rows], atol=1e-6, rtol=0)
            assert (own[rows] - own[rows].roll(1, 0)).abs().max() > 1e-3
        return cosine_distillation(batch.images, batch.texts)

    composed.contrast.losses = [(1.0, keep)]
    composed.train()
    assert seen


def test_the_order_of_images_does_not_depend_on_how_captions_are_drawn():
    more = tiny_captions()
    object.__setattr__(more.train, "captions", tuple(texts * 3 for texts in more.train.captions))
    assert Composed().train().watch.labels == Composed(data=more).train().watch.labels


def test_drawing_captions_leaves_the_global_generator_alone():
    states = []

    class Note(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            states.append(torch.get_rng_state())

    composed = Composed(epochs=3)
    composed.strategy.plugins.append(Note())
    composed.train()
    assert len(states) == 3
    assert all(torch.equal(state, states[0]) for state in states)


def test_the_same_seed_draws_the_same_and_every_session_anew():
    def drawn(composed):
        return [batch.old_texts for batch in composed.train().batches]

    one, again, other = drawn(Composed()), drawn(Composed()), drawn(Composed(seed=1))
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    class Draws(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            states.append(composed.contrast._draw.get_state())

    states, composed = [], Composed(sessions=3, epochs=1)
    composed.strategy.plugins.append(Draws())
    composed.train()
    assert not torch.equal(*states)


def test_nothing_is_looked_up_where_nothing_is_trained():
    composed = Composed(epochs=0)
    composed.old.embed = lambda images: pytest.fail("the old model was asked for images")
    composed.train()
    assert composed.watch.labels == []


def test_the_old_model_is_not_asked_while_the_new_one_learns():
    composed, asked = Composed(), []

    class Stop(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            composed.old.embed = lambda images: asked.append(images)
            composed.old.encode_text = lambda tokens: asked.append(tokens)

    composed.strategy.plugins.append(Stop())
    composed.train()
    assert composed.watch.labels and not asked


def test_captions_that_the_projection_does_not_know_are_refused():
    composed = Composed()
    other = TextProjection(composed.upgrade, composed.stream.texts[1:], steps=0)
    with refused(ValueError, names=("CaptionContrast",)):
        CaptionContrast(composed.stream.pairs, composed.upgrade, other, [])
