"""CLIP with learnable prompts in both towers (CPE-CLIP, arXiv 2303.04751)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clsim.losses import EXCLUDED
from clsim.models.class_texts import check_class_texts
from clsim.models.feature_tokens import FeatureTokens
from clsim.models.frozen_backbone import FrozenBackbone
from clsim.models.preprocess import Interpolation, Preprocess, ResizeMode
from clsim.models.towers import PromptMode, read_image, read_text, towers
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from clsim.models.clip import LoadedClip


class PromptedCLIP(nn.Module):
    """A frozen open_clip model with trainable prompts ``G`` of shape ``(depth, prompts, text width)``.

    The text tower reads ``G`` behind the start token. The image tower reads ``f(G)`` behind the patches, where ``f`` is
    one linear map shared by all layers. Only ``G`` and ``f`` are trained: 406,272 numbers for ViT-B/16 with 2 prompts
    in 12 layers. Logits are ``100 * cos(image, text of the class)``.

    Args:
        clip: An open_clip ``CLIP`` with a ViT image tower.
        tokenizer: Function from class texts to token ids ``(n, context)``.
        class_names: Name of every class id of the stream.
        mean: Mean per channel of the images that the model was trained with.
        std: Standard deviation per channel of these images.
        image_size: Side of these images, in pixels.
        prompts: Number of prompt tokens a layer.
        depth: Number of layers with prompts, from the first; all layers of a tower that has fewer.
        text_mode: Treatment of the prompts of the layer below in the text tower, see :func:`deepen`.
        vision_mode: The same in the image tower.
        template: Text of a class, with ``[]`` for its name.
        text_prompts: Whether the text tower has prompts.
        vision_prompts: Whether the image tower has prompts.
        interpolation: Kernel of the resize, see :class:`~clsim.models.preprocess.Preprocess`.
        resize_mode: Treatment of images that are not square, see :class:`~clsim.models.preprocess.Preprocess`.

    Raises:
        ValueError: The template lacks ``[]``, a class text is too long for the prompts, or a tower cannot have any.

    """

    LOGIT_SCALE = 100.0

    @checked
    def __init__(
        self,
        clip: nn.Module,
        tokenizer: Callable[[list[str]], Tensor],
        class_names: Sequence[str],
        *,
        mean: Sequence[float],
        std: Sequence[float],
        image_size: Count,
        prompts: Count = 2,
        depth: Count = 12,
        text_mode: PromptMode = "replace",
        vision_mode: PromptMode = "accumulate",
        template: str = "[].",
        text_prompts: bool = True,
        vision_prompts: bool = True,
        interpolation: Interpolation = "bicubic",
        resize_mode: ResizeMode = "shortest",
    ) -> None:
        super().__init__()
        self.clip = clip.requires_grad_(False).eval()
        self.text_mode: PromptMode = text_mode
        self.vision_mode: PromptMode = vision_mode
        self.text_prompts, self.vision_prompts = text_prompts, vision_prompts
        text, vision = towers(clip)
        depth = min(depth, max(len(text.transformer.resblocks), len(vision.transformer.resblocks)))
        text_width = text.positional_embedding.shape[1]
        vision_width = vision.positional_embedding.shape[1]
        # Xavier on the three-dimensional tensor, as published: fan-in and fan-out follow PyTorch's rule for such a
        # shape, not that of one layer's matrix.
        self.prompts = nn.Parameter(nn.init.xavier_uniform_(torch.empty(depth, prompts, text_width)))
        self.prompt_projection = nn.Linear(text_width, vision_width)
        self.preprocess = Preprocess(mean, std, image_size, interpolation=interpolation, resize_mode=resize_mode)
        if "[]" not in template:
            raise ValueError(f"the template {template!r} lacks [], the place of the class name")
        texts = [template.replace("[]", name) for name in class_names]
        tokens = tokenizer(texts)
        self.remarks = check_class_texts(class_names, texts, tokens, tokenizer)
        for remark in self.remarks:
            warnings.warn(remark, stacklevel=2)
        # Exact: attention is causal and the features are read at the end token, so nothing behind the longest text
        # matters.
        self.register_buffer("tokens", tokens[:, : int(tokens.argmax(dim=1).max()) + 1], persistent=False)
        longest = text.positional_embedding.shape[0] - (prompts if text_prompts else 0)
        if self.tokens.shape[1] > longest:
            raise ValueError(
                f"the longest class text has {self.tokens.shape[1]} tokens, but only {longest} fit beside the prompts"
            )
        self.weights_sha256: str | None = None
        self.clip_facts: dict[str, Any] | None = None
        self.scored_classes: Tensor | None = None
        self._scored_texts: tuple[Tensor, Tensor] | None = None
        self._cached_features: tuple[tuple[int, int, bool], Tensor] | None = None

    tokens: Tensor

    @classmethod
    def from_clip(cls, clip: LoadedClip, class_names: Sequence[str], **settings: Any) -> PromptedCLIP:
        """Return a prompted model of a loaded CLIP.

        Args:
            clip: Loaded CLIP.
            class_names: Name of every class id of the stream.
            settings: Further keyword arguments of the class.

        Raises:
            UserError: The model cannot take such prompts.

        """
        try:
            model = cls(
                clip.model,
                clip.tokenizer,
                class_names,
                mean=clip.mean,
                std=clip.std,
                image_size=clip.image_size,
                interpolation=clip.interpolation,
                resize_mode=clip.resize_mode,
                **settings,
            )
        except ValueError as error:
            raise UserError(str(error), where=f"model {clip.name}") from error
        model.weights_sha256 = clip.sha256
        facts = clip.facts()
        model.clip_facts = {**facts, "remarks": [*facts["remarks"], *model.remarks]}
        return model

    @property
    def frozen_backbone(self) -> FrozenBackbone | None:
        """Backbone that the image tower sees through: its features may stand in place of images; None for pixels."""
        first = towers(self.clip)[1].conv1
        return first.backbone if isinstance(first, FeatureTokens) else None

    def train(self, mode: bool = True) -> PromptedCLIP:
        """Set the mode of the prompts; the frozen CLIP stays in evaluation mode."""
        super().train(mode)
        self.clip.eval()
        return self

    def score_only(self, classes: Tensor | None) -> None:
        """Restrict the encoded texts; the logits of other classes are :data:`~clsim.losses.EXCLUDED`.

        Args:
            classes: Class ids; None: all.

        """
        self.scored_classes = None if classes is None else classes.to(self.tokens.device)
        # Here and not in the first step: reading the length of the longest text waits for the device.
        self._scored_texts, self._cached_features = self._texts(classes), None

    def reads(self) -> tuple[object, ...]:
        """Return what a pass reads beside images and parameters; :meth:`score_only` renews all of it."""
        return self.scored_classes, self._scored_texts

    def encode_image(self, images: Tensor) -> Tensor:
        """Return unit features ``(B, E)`` of images ``(B, 3, H, W)`` in [0, 1], or of features of a frozen backbone."""
        visual = towers(self.clip)[1]
        inputs = images if self.frozen_backbone is not None else self.preprocess(images)
        # All layers share the map, so it is applied once.
        prompts = self.prompt_projection(self.prompts) if self.vision_prompts else None
        return F.normalize(read_image(visual, inputs, prompts, self.vision_mode), dim=-1)

    def encode_classes(self, classes: Tensor | None = None) -> Tensor:
        """Return unit text features ``(K, E)`` of some classes, of all by default."""
        return self._encode_texts(*self._texts(classes))

    def class_features(self) -> Tensor:
        """Return the text features of the scored classes; without gradients they are computed once and cached."""
        if self._scored_texts is None or self._scored_texts[0].device != self.tokens.device:
            self.score_only(self.scored_classes)
        assert self._scored_texts is not None
        if torch.is_grad_enabled():
            return self._encode_texts(*self._scored_texts)
        # Every optimizer step and every loaded checkpoint raises the version of a parameter.
        key = (id(self.prompts), self.prompts._version, torch.is_autocast_enabled(self.prompts.device.type))
        if self._cached_features is None or self._cached_features[0] != key:
            self._cached_features = (key, self._encode_texts(*self._scored_texts))
        return self._cached_features[1]

    def _texts(self, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return token ids and place of the end token of some classes; waits for the device, so once a scope."""
        tokens = self.tokens if classes is None else self.tokens[classes]
        # Cut again: the texts of some classes may be shorter than the longest of all.
        end = tokens.argmax(dim=1)
        return tokens[:, : int(end.max()) + 1], end

    def _encode_texts(self, tokens: Tensor, end: Tensor) -> Tensor:
        text = towers(self.clip)[0]
        prompts = self.prompts if self.text_prompts else None
        return F.normalize(read_text(text, tokens, end, prompts, self.text_mode), dim=-1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(B, C)`` over all classes of the stream; see :meth:`score_only`."""
        scores = self.LOGIT_SCALE * self.encode_image(images) @ self.class_features().T
        if self.scored_classes is None:
            return scores
        logits = scores.new_full((len(images), len(self.tokens)), EXCLUDED)
        return logits.index_copy(1, self.scored_classes, scores)
