"""Batches of a session for plugins: images, or features for a model that accepts them."""

from types import SimpleNamespace

import pytest
import torch
from helpers.features import cached_backbone, counts
from helpers.tiny import tiny_dataset
from torch import nn

from clsim.models import FrozenClassifier, LinearClassifier
from clsim.models.frozen_backbone import BackboneFeatures
from clsim.plugins.session_images import outputs_of, session_batches
from clsim.streams import incremental


@pytest.fixture
def session():
    return incremental(tiny_dataset(), base_classes=4, ways=3).train_stream[1]


def template(session):
    return SimpleNamespace(experience=session, device=torch.device("cpu"))


def test_a_model_that_needs_images_receives_them(session):
    for model in (None, LinearClassifier(cached_backbone(None).module, 3)):
        batches = list(session_batches(template(session), 25, model=model))
        assert [images.shape for images, _ in batches] == [(25, 3, 8, 8), (25, 3, 8, 8), (10, 3, 8, 8)]


def test_features_are_those_of_the_model_that_reads_them(tmp_path, session):
    old, new = (FrozenClassifier(cached_backbone(tmp_path, seed=seed), nn.Identity()) for seed in (0, 1))
    images = list(session_batches(template(session)))
    for model in (old, new):
        batches = list(session_batches(template(session), 25, model=model))
        assert all(isinstance(rows, BackboneFeatures) for rows, _ in batches)
        assert [rows.shape for rows, _ in batches] == [(25, 5), (25, 5), (10, 5)]
        features, labels = outputs_of(model.embed, batches)
        expected, classes = outputs_of(model.embed, images)
        torch.testing.assert_close(features, expected)
        assert torch.equal(labels, classes)
        assert counts(model.backbone) == (0, 60)
    with pytest.raises(ValueError, match="another backbone"):
        outputs_of(new.embed, session_batches(template(session), model=old))
