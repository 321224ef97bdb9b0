"""Small worlds for tests: seconds on one core, and yet something to learn in them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from clsim.data.core.captioned import CaptionDataSet, CaptionedImages
from clsim.data.core.images import DataSet, Images
from clsim.models.clip import LoadedClip

VOCABULARY = 64


def tiny_images(per_class: int, classes: int = 10, size: int = 8, seed: int = 0) -> Images:
    """Noise with one bright pixel whose place tells the class; images of a class stand apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(per_class * classes) % classes
    pixels = torch.randint(0, 60, (len(labels), 3, size, size), generator=generator, dtype=torch.uint8)
    pixels[torch.arange(len(labels)), 0, labels % size, labels // size] = 255
    return Images(pixels, labels, tuple(f"thing {i}" for i in range(classes)), "tiny")


def tiny_dataset(classes: int = 10, size: int = 8) -> DataSet:
    """20 training and 10 test images a class."""
    return DataSet("tiny", tiny_images(20, classes, size, seed=0), tiny_images(10, classes, size, seed=1))


class Untouchable(Images):
    """Test images that nobody may look at; only how many there are may be asked."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        object.__setattr__(self, "class_names", class_names)

    def __len__(self) -> int:
        return 0

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"test images were asked for {name}")


def tiny_captions(train: int = 12, test: int = 8, size: int = 8) -> CaptionDataSet:
    """Noise of a colour, told in one to three captions; those of two images may be the same."""

    def part(count: int, seed: int) -> CaptionedImages:
        generator = torch.Generator().manual_seed(seed)
        pixels = torch.randint(0, 90, (count, 3, size, size), generator=generator, dtype=torch.uint8)
        pixels[torch.arange(count), torch.arange(count) % 3] += 150
        words = [("red", "green", "blue")[image % 3] for image in range(count)]
        told = [(f"a {word} {image}", f"{image} is {word}", word)[: image % 3 + 1] for image, word in enumerate(words)]
        return CaptionedImages(pixels, tuple(told), "tiny")

    return CaptionDataSet("tiny", part(train, 0), part(test, 1))


class TinyModel(nn.Module):
    """A linear classifier on pixels."""

    def __init__(self, classes: int = 10, size: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * size * size, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1) - 0.5)


def tiny_tokenizer(texts: list[str]) -> Tensor:
    """Characters as tokens, the highest id ends the text: lengths differ as those of real texts do."""
    tokens = torch.zeros(len(texts), 24, dtype=torch.long)
    for row, text in enumerate(texts):
        ids = [1, *(2 + ord(c) % (VOCABULARY - 4) for c in text), VOCABULARY - 1]
        tokens[row, : len(ids)] = torch.tensor(ids)
    return tokens


def tiny_clip(layers: int = 3, size: int = 8, seed: int = 0, embed_dim: int = 12) -> LoadedClip:
    """An open_clip model of a few thousand weights, drawn at random."""
    from open_clip.model import CLIP

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIP(
            embed_dim=embed_dim,
            vision_cfg={"image_size": size, "patch_size": 4, "width": 24, "layers": layers, "head_width": 8},
            text_cfg={
                "context_length": 24,
                "vocab_size": VOCABULARY,
                "width": 16,
                "heads": 2,
                "layers": layers,
            },
        )
    model = model.requires_grad_(False).eval()
    return LoadedClip(model, tiny_tokenizer, (0.5,) * 3, (0.5,) * 3, size, "tiny", "0" * 64)


def save_tiny_clip(path: Path, *, embed_dim: int = 12, seed: int = 0) -> str:
    """A checkpoint of a small random CLIP in clsim's own format, whose tokenizer knows any text."""
    from open_clip.model import CLIP

    from clsim.models import save_clip
    from clsim.models.tokenizer import CompactTokenizer

    tokenizer = CompactTokenizer([], 32)
    architecture = {
        "embed_dim": embed_dim,
        "vision_cfg": {"image_size": 8, "patch_size": 4, "width": 24, "layers": 3, "head_width": 8},
        "text_cfg": {"context_length": 32, "vocab_size": len(tokenizer), "width": 16, "heads": 2, "layers": 3},
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CLIP(**architecture)
    save_clip(path, model, tokenizer, architecture=architecture, mean=(0.5,) * 3, std=(0.5,) * 3, name="tiny")
    return str(path)
