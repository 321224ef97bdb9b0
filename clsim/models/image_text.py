"""A CLIP for search: features of images and texts in one space, its own or that of an older model."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from clsim.losses import slerp
from clsim.models.low_rank import add_low_rank
from clsim.models.towers import read_image, read_text, text_tower, towers
from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from clsim.models.clip import LoadedClip


class ImageTextModel(nn.Module):
    """Both towers of a frozen CLIP with trainable prompts, low-rank changes and a projection.

    Only these are trained: prompts among the tokens of the first layer and low-rank changes of the matrices, in both
    towers, and the projection, which images and texts share.

    Args:
        clip: Any open_clip model; with prompts, one of plain transformers.
        projection: Network from unit features ``(B, E)`` to another space ``(B, D)``; None: the CLIP's own space.
        prompts: Number of prompt tokens in each tower.
        rank: Rank of the low-rank changes; 0: none.
        beside: Older model whose features are mixed in, along the great circle in the space of the longer ones
            (:func:`~clsim.losses.slerp`); None: the new features alone. The projection must then be a plain rotation.
        shares: Shares in [0, 1] of the way from the older model's features to the new ones, for images and for texts.

    Attributes:
        weights_sha256: Hash of the CLIP's weights as loaded.

    Raises:
        UserError: The model cannot take prompts.

    """

    def __init__(
        self,
        clip: LoadedClip,
        projection: nn.Module | None = None,
        *,
        prompts: int = 0,
        rank: int = 0,
        beside: ImageTextModel | None = None,
        shares: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        # Low-rank changes alter the modules of the CLIP, which other models may share.
        self.clip = (deepcopy(clip.model) if rank else clip.model).requires_grad_(False).eval()
        self.tokenizer = clip.tokenizer
        self.preprocess = clip.preprocess().to(next(self.clip.parameters()).device)
        self.projection = nn.Identity() if projection is None else projection
        self.weights_sha256 = clip.sha256
        self.clip_facts = clip.facts()
        self.image_prompts: nn.Parameter | None = None
        self.text_prompts: nn.Parameter | None = None
        if prompts:
            text, vision = _towers(clip)
            self.image_prompts = _prompts(prompts, vision.class_embedding + vision.positional_embedding[0])
            start = clip.tokenizer([""])[0, 0]
            self.text_prompts = _prompts(prompts, text.token_embedding.weight[start] + text.positional_embedding[0])
        if rank:
            add_low_rank(self.clip, rank)
        self.beside = beside
        self.shares = shares

    def train(self, mode: bool = True) -> ImageTextModel:
        """Set the mode of the projection; the frozen CLIP stays in evaluation mode."""
        super().train(mode)
        self.clip.eval()
        return self

    @property
    def features(self) -> int:
        """Length of the features behind the projection."""
        linear: Any = getattr(self.projection, "linear", None)
        return self.width if linear is None else int(linear.out_features)

    @property
    def width(self) -> int:
        """Length of the CLIP's own features, before the projection."""
        model: Any = self.clip
        projection = getattr(getattr(model, "text", model), "text_projection", None)
        if projection is None:  # towers of other libraries have theirs elsewhere
            with torch.no_grad():
                return self.encode_text(self.tokenize([""]).to(self.preprocess.mean.device)).shape[1]
        return int(projection.out_features if isinstance(projection, nn.Linear) else projection.shape[1])

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Return token ids ``(n, T)`` on the CPU, see :meth:`cut`."""
        return self.cut(self.tokenizer(list(texts)))

    def cut(self, tokens: Tensor) -> Tensor:
        """Return the token ids cut behind the longest text; uncut for a tower that reads beyond the end of a text."""
        return tokens if text_tower(self.clip) is None else tokens[:, : int(tokens.argmax(dim=1).max()) + 1]

    def encode_image(self, images: Tensor) -> Tensor:
        """Return unit features ``(B, E)`` of images in [0, 1], in the CLIP's own space."""
        model: Any = self.clip
        images = self.preprocess(images)
        if self.image_prompts is None:
            return F.normalize(model.encode_image(images), dim=-1)
        return F.normalize(read_image(towers(model)[1], images, self.image_prompts), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Return unit features ``(n, E)`` of token ids, in the CLIP's own space."""
        model: Any = self.clip
        text = text_tower(model)
        if text is None:
            return F.normalize(model.encode_text(tokens), dim=-1)
        end = tokens.argmax(dim=1)
        return F.normalize(read_text(text, tokens, end, self.text_prompts, words_move=False), dim=-1)

    def embed(self, images: Tensor) -> Tensor:
        """Return unit features ``(B, D)`` behind the projection, as an index stores them."""
        own: Tensor = self.projection(self.encode_image(images))
        if self.beside is None:
            return F.normalize(own, dim=-1)
        return slerp(self.beside.embed(images).float(), own.float(), self.shares[0])

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Return unit features ``(n, D)`` behind the projection, of a model without an older one beside it."""
        return F.normalize(self.projection(self.encode_text(tokens)), dim=-1)

    def _turned_text(self, tokens: Tensor) -> Tensor:
        """Return features ``(n, D)`` behind the projection, not normalized."""
        turned: Tensor = self.projection(self.encode_text(tokens))
        return turned

    @torch.no_grad()
    def features_of(self, texts: Sequence[str], *, projected: bool = True, size: int = 256) -> Tensor:
        """Return unit features of texts in float32, ``(T, D)`` or, before the projection, ``(T, E)``.

        Args:
            texts: T texts; equal ones are encoded once.
            projected: Whether to apply the projection; else features are in the CLIP's own space.
            size: Texts a batch.

        """
        device, mixed = self.preprocess.mean.device, projected and self.beside is not None
        encode = self._turned_text if mixed else self.embed_text if projected else self.encode_text
        once = sorted(dict.fromkeys(texts), key=len)  # short texts together: a batch is as long as its longest
        with parametrize.cached():
            found = [
                encode(self.tokenize(once[start : start + size]).to(device)).float()
                for start in range(0, len(once), size)
            ]
        place = {text: row for row, text in enumerate(once)}
        own = torch.cat(found)[torch.tensor([place[text] for text in texts], device=device)]
        if self.beside is None or not mixed:
            return own
        return slerp(self.beside.features_of(texts, size=size), own, self.shares[1])

    def forward(self, images: Tensor) -> Tensor:
        """Return unit features ``(B, D)``, see :meth:`embed`."""
        with parametrize.cached():  # computes each changed matrix once a pass
            return self.embed(images)


def _towers(clip: LoadedClip) -> tuple[Any, Any]:
    try:
        return towers(clip.model)
    except ValueError as error:
        raise UserError(
            f"model {clip.name}: {error}", fix="use no prompts (xbt: prompt_tokens: 0); low-rank changes suit any model"
        ) from error


def _prompts(count: int, first: Tensor) -> nn.Parameter:
    """Return slightly different copies of a tower's first token, which change its output least."""
    near = first.detach().expand(1, count, -1)
    return nn.Parameter(near + 0.02 * first.detach().std() * torch.randn_like(near))
