import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer

from clsim.models.tokenizer import ALPHABET, CompactTokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return CompactTokenizer.from_texts(["a striped red triangle."] * 3 + ["a red dog"], ALPHABET + 2 + 4, 12)


def test_the_most_frequent_words_are_kept_and_frequency_orders_them(tokenizer):
    assert tokenizer.words == ("red</w>", "triangle</w>", "striped</w>", "dog</w>")
    assert len(tokenizer) == ALPHABET + 6


def test_a_row_is_start_words_end_and_zeros(tokenizer):
    row = tokenizer(["red dog"])[0]
    start, end = ALPHABET + 4, ALPHABET + 5
    assert row.tolist() == [start, ALPHABET, ALPHABET + 3, end] + [0] * 8


def test_the_end_mark_has_the_highest_id_so_that_argmax_finds_it(tokenizer):
    rows = tokenizer(["red", "a striped red triangle.", "zzz"])
    assert rows.max() == len(tokenizer) - 1
    ends = rows.argmax(dim=1)
    assert ends.tolist() == [2, 6, 4]


def test_unknown_words_fall_apart_into_bytes_that_spell_them(tokenizer):
    bpe = SimpleTokenizer()
    for word in ("zebra", "naïve", "日本", "🙂"):
        ids = tokenizer.encode(word)
        assert max(ids) < ALPHABET
        assert bpe.decode(ids).strip() == word


def test_a_whole_vocabulary_gives_the_pieces_of_open_clip():
    bpe = SimpleTokenizer()
    texts = ["a photo of a crimson pterodactyl.", "two unbelievably striped zebras!"]
    tokenizer = CompactTokenizer.from_texts(texts, 49408)
    for text in texts:
        assert len(tokenizer.encode(text)) == len(bpe.encode(text))


def test_a_long_text_is_cut_and_still_ends(tokenizer):
    row = tokenizer(["red " * 50])[0]
    assert row.shape == (12,)
    assert row[-1] == len(tokenizer) - 1


def test_it_encodes_as_it_did_after_a_round_trip_of_its_words(tokenizer):
    again = CompactTokenizer(tokenizer.words, tokenizer.context_length)
    texts = ["a striped red triangle.", "another thing"]
    assert torch.equal(tokenizer(texts), again(texts))


def test_a_word_given_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        CompactTokenizer(["red</w>", "red</w>"])
