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
from clsim.models.preprocess import Interpolation, Preprocess, ResizeMode
from clsim.models.towers import PromptMode, read_image, read_text, towers
from clsim.utils.arguments import Count, checked
from clsim.utils.errors import UserError

if TYPE_CHECKING:
    from clsim.models.clip import LoadedClip


class PromptedCLIP(nn.Module):
    """A frozen open_clip model steered by prompts ``G`` of ``(depth, prompts, text width)``.

    The text tower reads ``G`` itself, put behind the start token; the image tower reads ``f(G)``, put behind the
    patches, where ``f`` is one linear map shared by all layers. Only ``G`` and ``f`` are trained: 406,272 numbers
    for ViT-B/16 with 2 prompts in 12 layers. Logits are ``100 * cos(image, text of the class)``.

    Args:
        clip: an open_clip ``CLIP`` with a ViT image tower.
        tokenizer: class texts to token ids ``(n, context)``.
        class_names: one name for every class id of the stream.
        mean, std, image_size: the image normalisation the model was trained with.
        prompts, depth: prompt tokens a layer, and number of layers that get some, counted from the first; a
            tower with fewer layers has them in all.
        text_mode, vision_mode: what a deeper layer does with the prompts of the one below, see :func:`deepen`.
        template: class text, ``[]`` standing for the name.
        text_prompts, vision_prompts: switch a tower's prompts off.
        interpolation, resize_mode: of the resize, see :class:`~clsim.models.preprocess.Preprocess`.

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
        # Xavier on the three-dimensional tensor, as published: fan-in and fan-out are those of PyTorch's rule
        # for such a shape, not those of one layer's slice.
        self.prompts = nn.Parameter(nn.init.xavier_uniform_(torch.empty(depth, prompts, text_width)))
        self.prompt_projection = nn.Linear(text_width, vision_width)
        self.preprocess = Preprocess(mean, std, image_size, interpolation=interpolation, resize_mode=resize_mode)
        if "[]" not in template:
            raise ValueError(f"the template needs [] where the name of the class goes; got {template!r}")
        texts = [template.replace("[]", name) for name in class_names]
        tokens = tokenizer(texts)
        self.remarks = check_class_texts(class_names, texts, tokens, tokenizer)
        for remark in self.remarks:
            warnings.warn(remark, stacklevel=2)
        # Exact: attention is causal and the text is read off at its end token, so what stands behind the
        # longest text is never looked at.
        self.register_buffer("tokens", tokens[:, : int(tokens.argmax(dim=1).max()) + 1], persistent=False)
        longest = text.positional_embedding.shape[0] - (prompts if text_prompts else 0)
        if self.tokens.shape[1] > longest:
            raise ValueError(f"the longest class text has {self.tokens.shape[1]} tokens; with prompts {longest} fit")
        self.weights_sha256: str | None = None
        self.clip_facts: dict[str, Any] | None = None
        self.scored_classes: Tensor | None = None
        self._scored_texts: tuple[Tensor, Tensor] | None = None
        self._kept_features: tuple[tuple[int, int, bool], Tensor] | None = None

    tokens: Tensor

    @classmethod
    def from_clip(cls, clip: LoadedClip, class_names: Sequence[str], **settings: Any) -> PromptedCLIP:
        """Puts prompts on a loaded CLIP; ``settings`` are the keyword arguments of the class.

        Raises:
            UserError: the model cannot take such prompts.

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

    def train(self, mode: bool = True) -> PromptedCLIP:
        """Sets the mode of the prompts; the frozen CLIP stays in evaluation mode."""
        super().train(mode)
        self.clip.eval()
        return self

    def score_only(self, classes: Tensor | None) -> None:
        """Restricts the texts that are encoded; the logits of other classes are :data:`~clsim.losses.EXCLUDED`.

        Args:
            classes: class ids, or ``None`` for all.

        """
        self.scored_classes = None if classes is None else classes.to(self.tokens.device)
        # Here and not in the first step: how long the longest text is has to be read from the device.
        self._scored_texts, self._kept_features = self._texts(classes), None

    def reads(self) -> tuple[object, ...]:
        """What a forward pass looks at beside images and parameters; :meth:`score_only` makes all of it anew."""
        return self.scored_classes, self._scored_texts

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit image features ``(B, E)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        visual = towers(self.clip)[1]
        # One map for all layers, applied once.
        prompts = self.prompt_projection(self.prompts) if self.vision_prompts else None
        return F.normalize(read_image(visual, self.preprocess(images), prompts, self.vision_mode), dim=-1)

    def encode_classes(self, classes: Tensor | None = None) -> Tensor:
        """Unit text features ``(K, E)`` of the named classes, or of all."""
        return self._encode_texts(*self._texts(classes))

    def class_features(self) -> Tensor:
        """Text features of the scored classes; without gradients they are computed once and kept."""
        if self._scored_texts is None or self._scored_texts[0].device != self.tokens.device:
            self.score_only(self.scored_classes)
        assert self._scored_texts is not None
        if torch.is_grad_enabled():
            return self._encode_texts(*self._scored_texts)
        # A parameter's version moves with every optimiser step and every loaded checkpoint.
        key = (id(self.prompts), self.prompts._version, torch.is_autocast_enabled(self.prompts.device.type))
        if self._kept_features is None or self._kept_features[0] != key:
            self._kept_features = (key, self._encode_texts(*self._scored_texts))
        return self._kept_features[1]

    def _texts(self, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Token ids and place of the end token of some classes; waits for the device, so once a scope only."""
        tokens = self.tokens if classes is None else self.tokens[classes]
        # Cut again: the texts of a few classes may be shorter than the longest of all.
        end = tokens.argmax(dim=1)
        return tokens[:, : int(end.max()) + 1], end

    def _encode_texts(self, tokens: Tensor, end: Tensor) -> Tensor:
        text = towers(self.clip)[0]
        prompts = self.prompts if self.text_prompts else None
        return F.normalize(read_text(text, tokens, end, prompts, self.text_mode), dim=-1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, C)`` over all classes of the stream; see :meth:`score_only`."""
        scores = self.LOGIT_SCALE * self.encode_image(images) @ self.class_features().T
        if self.scored_classes is None:
            return scores
        logits = scores.new_full((len(images), len(self.tokens)), EXCLUDED)
        return logits.index_copy(1, self.scored_classes, scores)
