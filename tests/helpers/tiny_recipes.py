import pytest

from clsim.config.models.recipe import ClassifierRecipe, ClipRecipe


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


@pytest.fixture
def classifier_recipe():
    """A classifier of four classes that trains in three short epochs; its head is left open."""
    return ClassifierRecipe(
        kind="classifier",
        dataset="shapes",
        classes=4,
        images_per_class=8,
        backbone="resnet8x2",
        vertices=16,
        epochs=3,
        batch_size=8,
        sizes=[16],
        cpu_workers=1,
        precision="fp32",
    )
