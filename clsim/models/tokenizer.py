"""open_clip's byte-pair encoding, restricted to a small vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import LongTensor

START, END = "<start_of_text>", "<end_of_text>"
ALPHABET = 512  # every byte, once inside a word and once at its end


class CompactTokenizer:
    """Tokenizer with ids 0 to V-1: bytes first, then words, then the start and end token.

    A token outside the vocabulary is split, one merge of the byte-pair encoding at a time, until its parts are inside.
    All bytes are, so any text can be encoded. The end token has the highest id, because open_clip reads a text's
    features where its ids are greatest.

    Args:
        words: Tokens beside the bytes, as open_clip spells them (``red</w>``).
        context_length: Ids of a text, with start and end token; a longer text is cut.

    Example:
        >>> CompactTokenizer([], context_length=5)(["hi"]).shape
        torch.Size([1, 5])

    """

    def __init__(self, words: Sequence[str], context_length: int = 77) -> None:
        self._bpe = SimpleTokenizer(context_length=context_length)
        self.words = tuple(words)
        self.context_length = context_length
        alphabet = [self._bpe.decoder[index] for index in range(ALPHABET)]
        tokens = [*alphabet, *words, START, END]
        self._ids = {token: index for index, token in enumerate(tokens)}
        if len(self._ids) != len(tokens):
            raise ValueError("CompactTokenizer: a word is given twice, or is a byte or a start or end token")
        self._parts = {"".join(pair): pair for pair in self._bpe.bpe_ranks}
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def from_texts(cls, texts: Iterable[str], vocabulary: int, context_length: int = 77) -> CompactTokenizer:
        """Return a tokenizer of the most frequent tokens of ``texts``.

        Args:
            texts: Texts to count tokens in.
            vocabulary: Highest number of ids, with bytes, start and end token.
            context_length: Ids of a text.

        """
        bpe = SimpleTokenizer()
        counts: Counter[int] = Counter()
        for text, times in Counter(texts).items():
            for token in bpe.encode(text):
                counts[token] += times
        ranked = sorted((-times, token) for token, times in counts.items() if token >= ALPHABET)
        return cls([bpe.decoder[token] for _, token in ranked[: vocabulary - ALPHABET - 2]], context_length)

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, uncut and without start and end token."""
        if text not in self._cache:
            self._cache[text] = [part for token in self._bpe.encode(text) for part in self._known(token)]
        return self._cache[text]

    def _known(self, token: int) -> list[int]:
        waiting, ids = [self._bpe.decoder[token]], []
        while waiting:
            piece = waiting.pop()
            if piece in self._ids:
                ids.append(self._ids[piece])
            else:
                waiting.extend(reversed(self._parts[piece]))
        return ids

    def __call__(self, texts: Sequence[str]) -> LongTensor:
        """Return int64 ``(n, context_length)``: start token, ids, end token, then zeros."""
        room = self.context_length - 2
        rows = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            ids = [self._ids[START], *self.encode(text)[:room], self._ids[END]]
            row[: len(ids)] = torch.tensor(ids)
        return rows  # type: ignore[return-value]
