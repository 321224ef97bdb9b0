from clsim.data.datasets.wnids import wnid_names


def test_first_synonym_and_unknown_ids():
    assert wnid_names(["n01443537", "n02106662", "n00000000"]) == ("goldfish", "German shepherd", "n00000000")
