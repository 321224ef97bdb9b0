import torch

from clsim.data.datasets.drawing import COLORS, SHAPES, TEXTURES
from clsim.data.datasets.shapes import KINDS, class_kinds, kind_name
from clsim.data.datasets.shapes_pairs import SYNONYMS, Captioner, shapes_pairs


def test_no_caption_names_a_class_of_the_stream():
    reserved = {kind_name(kind) for kind in class_kinds()}
    spoken = {word: said for word, options in SYNONYMS.items() for said in options}
    assert spoken  # words said otherwise are put back before the comparison
    plain = {said: word for word, options in SYNONYMS.items() for said in options}
    for pairs in shapes_pairs(2000, seed=5):
        for caption in pairs.captions:
            for said, word in plain.items():
                caption = caption.replace(said, word)
            assert not any(name in caption for name in reserved), caption


def test_a_caption_tells_color_and_shape_of_its_picture_and_sometimes_the_texture():
    captioner = Captioner(0)
    kind = KINDS.index((list(TEXTURES).index("striped"), list(COLORS).index("red"), list(SHAPES).index("star")))
    captions = [captioner.caption(kind, []) for _ in range(300)]
    assert all("red star" in caption for caption in captions)
    assert 0.4 < sum("striped" in caption for caption in captions) / 300 < 0.8


def test_a_caption_may_tell_what_is_beside():
    captioner = Captioner(0)
    beside = sum(" and a " in captioner.caption(0, [-1, 7]) for _ in range(300))
    assert 40 < beside < 160
    assert not any(" and a " in captioner.caption(0, [-1, -1]) for _ in range(100))


def test_pairs_come_in_batches_and_follow_from_the_seed():
    first = list(shapes_pairs(70, seed=1, batch=32))
    again = list(shapes_pairs(70, seed=1, batch=32))
    assert [len(pairs) for pairs in first] == [32, 32, 6]
    assert all(torch.equal(a.pixels, b.pixels) and a.captions == b.captions for a, b in zip(first, again, strict=True))
    assert first[0].topics.eq(-1).all()
