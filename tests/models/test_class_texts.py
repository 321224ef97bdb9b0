import pytest
from helpers.tiny import tiny_tokenizer
from open_clip.tokenizer import SimpleTokenizer

from clsim.models.class_texts import check_class_texts
from clsim.models.tokenizer import CompactTokenizer
from clsim.utils.errors import UserError

TOKENIZERS = {"open_clip": SimpleTokenizer(context_length=12), "compact": CompactTokenizer([], 12)}


def said(names, template="[].", tokenizer=TOKENIZERS["open_clip"]):
    texts = [template.replace("[]", name) for name in names]
    return check_class_texts(names, texts, tokenizer(texts), tokenizer)


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
def test_names_that_are_one_text_to_the_model_are_told(tokenizer):
    (told,) = said(["Fox", "cat", "fox", "FOX", "ox"], tokenizer=tokenizer)
    assert "3 classes share their text" in told
    assert "'Fox' = 'fox' = 'FOX'" in told
    assert "cat" not in told


def test_different_texts_that_fit_say_nothing():
    assert said(["fox", "red fox", "fo x"]) == ()
    assert said(["ape", "bee"], tokenizer=tiny_tokenizer) == ()


def test_texts_that_are_cut_off_are_told():
    names = ["fox", "a cat that sits on a very long mat of straw in the sun"]
    (told,) = said(names)
    assert "1 class texts exceed the 12 tokens" in told
    assert repr(names[1]) in told


def test_a_text_that_fits_exactly_is_not_cut_off():
    assert said([" ".join(["cat"] * 10), "fox"], template="[]") == ()
    assert len(said([" ".join(["cat"] * 11), "fox"], template="[]")) == 1


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
def test_names_that_are_cut_off_and_so_become_one_are_refused(tokenizer):
    with pytest.raises(UserError) as error:
        said(["fox", "cat"], template="word " * 15 + "[]", tokenizer=tokenizer)
    assert "'fox' = 'cat'" in error.value.what
    assert "template" in error.value.where
