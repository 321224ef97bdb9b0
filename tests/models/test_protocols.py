"""Models are asked for what they offer by protocol, and a missing offer is named."""

import pytest
import torch
from helpers.errors import refused
from helpers.tiny import TinyModel, tiny_clip
from torch import nn

from clsim.models import EmbeddingClassifier, ImageTextModel, LinearClassifier, PromptedCLIP, StationaryClassifier
from clsim.models import protocols as offers
from clsim.models.protocols import require
from clsim.utils.errors import ArgumentError


class Pixels(nn.Module):
    num_features = 192

    def forward(self, images):
        return images.flatten(1)


MODELS = {
    "linear": lambda: LinearClassifier(Pixels(), 4),
    "simplex": lambda: StationaryClassifier(Pixels(), 4),
    "embedding": lambda: EmbeddingClassifier(Pixels(), 6, 4),
    "prompted": lambda: PromptedCLIP.from_clip(tiny_clip(), ["a", "b"]),
    "image_text": lambda: ImageTextModel(tiny_clip()),
    "plain": TinyModel,
}
OFFERED = {
    offers.FeatureModel: {"linear", "simplex", "embedding"},
    offers.Embedder: {"linear", "simplex", "embedding", "image_text"},
    offers.Replaceable: {"linear", "simplex", "embedding"},
    offers.FitsProjection: {"simplex"},
    offers.FitsClassifier: {"embedding"},
    offers.HasClassifier: {"embedding"},
    offers.Turnable: {"embedding"},
    offers.HasDiagnostics: {"embedding"},
    offers.ScoresClasses: {"prompted"},
    offers.Replayable: {"prompted"},
    offers.TextEmbedder: {"image_text"},
    offers.Captioned: {"image_text"},
    offers.Projected: {"image_text"},
    offers.HasWeightsSha256: {"prompted", "image_text"},
    offers.HasClipFacts: {"prompted", "image_text"},
}


@pytest.mark.parametrize("offer", OFFERED, ids=lambda offer: offer.__name__)
def test_what_the_models_offer(offer):
    assert {name for name, make in MODELS.items() if isinstance(make(), offer)} == OFFERED[offer]


@pytest.mark.parametrize("name", ["linear", "simplex", "embedding"])
def test_outputs_are_logits_and_features_of_one_pass(name):
    model, images = MODELS[name](), torch.rand(3, 3, 8, 8)
    output = model.outputs(images)
    assert torch.equal(output.logits, model(images))
    assert torch.equal(output.features, model.embed(images))


def test_outputs_leave_nothing_in_the_model():
    model = MODELS["linear"]()
    before = dict(vars(model))
    model.outputs(torch.rand(3, 3, 8, 8))
    assert vars(model) == before
    assert model.features is None


def test_a_missing_offer_names_user_model_and_members():
    with refused(ArgumentError, names=("Procrustes", "TinyModel", "dimensions, embed, turn")):
        require(TinyModel(), offers.Turnable, "Procrustes")
    model = MODELS["embedding"]()
    assert require(model, offers.Turnable, "Procrustes") is model
