import pytest
from helpers.errors import refused

from clsim.data import CAPTION_NAMES, caption_catalog, catalog, load_captions, load_dataset
from clsim.data.facts import CAPTIONED
from clsim.utils.errors import DataMissing


def test_every_set_with_captions_is_known_everywhere():
    assert tuple(caption_catalog.LOADERS) == CAPTION_NAMES == tuple(CAPTIONED)
    assert set(CAPTION_NAMES) <= set(catalog.ENTRIES)


def test_the_facts_of_shapes(tmp_path):
    data, facts = load_captions("shapes", root=tmp_path), CAPTIONED["shapes"]
    assert (len(data.train), len(data.test)) == (facts.train, facts.test)
    assert {len(texts) for texts in data.train.captions + data.test.captions} == {facts.captions}
    assert data.train.pixels.shape[-1] == facts.image_size


def test_an_unknown_name_gets_the_nearest():
    with refused(names=("'flicker8k'", "did you mean flickr8k?", "captions:PATH")):
        load_captions("flicker8k")
    with refused() as raised:
        load_captions("xyz")
    assert "did you mean" not in raised.value.fix


@pytest.mark.parametrize("name", sorted(set(CAPTION_NAMES) - {"shapes"}))
def test_what_is_not_here_says_how_to_get_it(name, tmp_path):
    with pytest.raises(DataMissing) as raised:
        load_captions(name, root=tmp_path)
    assert raised.value.fix == catalog.ENTRIES[name].how
    assert raised.value.where == str(tmp_path / name)


@pytest.mark.parametrize("name", sorted(set(CAPTION_NAMES) - {"shapes"}))
def test_they_have_no_classes_to_load(name):
    with refused(names=(name, "captions", "text_upgrade")):
        load_dataset(name)


def test_the_root_is_the_usual_one_unless_given(monkeypatch, tmp_path):
    monkeypatch.setenv("CLSIM_DATA", str(tmp_path))
    with pytest.raises(DataMissing) as raised:
        load_captions("flickr8k")
    assert raised.value.where == str(tmp_path / "flickr8k")


def test_a_table_without_a_path_is_refused(tmp_path):
    with refused(names=("captions:PATH",)):
        load_captions("captions:", root=tmp_path)


def test_a_table_without_a_row_is_refused(tmp_path):
    (tmp_path / "a.tsv").write_text("image\tcaption\n")
    with refused(where="a.tsv", names=("no rows",)):
        load_captions(f"captions:{tmp_path / 'a.tsv'}", root=tmp_path)
