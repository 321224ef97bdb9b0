import pytest

from clsim.pretraining.recipe import ClipRecipe


@pytest.fixture
def tiny_recipe():
    """A model that trains in a second."""
    return ClipRecipe(
        kind="clip",
        dataset="shapes",
        image_size=16,
        patch_size=8,
        width=32,
        layers=1,
        heads=2,
        text_width=32,
        text_layers=1,
        embed_dim=16,
        vocabulary=600,
        context_length=16,
        images=128,
        epochs=2,
        batch_size=32,
        precision="fp32",
    )
