import pytest

from clsim.pretraining.corpora import PHOTO_TEMPLATES
from clsim.pretraining.named_classes import NamedClass, class_positions, imagenet_classes


def test_a_thousand_classes_with_names_and_definitions():
    classes = imagenet_classes()
    assert len(classes) == 1000
    assert classes[2] == NamedClass(
        "n01484850",
        ("great white shark", "white shark", "man-eater", "man-eating shark", "Carcharodon carcharias"),
        "large aggressive shark widespread in warm seas; known to attack humans",
    )
    assert all(named.names and named.definition for named in classes)
    assert [named.wordnet for named in classes] == sorted(named.wordnet for named in classes)


def test_draws_reach_all_names_templates_head_nouns_and_the_definition():
    named = NamedClass("n", ("tiger shark", "Galeocerdo"), "large shark")
    draws = [i / 12 for i in range(12)]
    texts = {named.text((kind, name, template)) for kind in (0.1, 0.25, 0.9) for name in draws for template in draws}
    words = ("shark", "Galeocerdo", "tiger shark")
    assert texts == {template.replace("[]", word) for template in PHOTO_TEMPLATES for word in words} | {"large shark"}


def test_names_are_found_in_order_though_two_classes_share_one():
    classes = imagenet_classes()
    names = ["cougar", "crane", "Persian cat"]
    with pytest.raises(ValueError, match="Persian cat"):
        class_positions(names, classes)
    positions = class_positions(["Persian cat", "cougar", "crane"], classes)
    assert [classes[at].wordnet for at in positions] == ["n02123394", "n02125311", "n03126707"]
