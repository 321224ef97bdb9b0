import pytest
from PIL import Image

from clsim.data import flickr8k
from clsim.errors import DataMissing, UserError


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "flickr8k"
    (folder / "images").mkdir(parents=True)
    lines = []
    for index, part in enumerate(["train", "train", "dev", "test"]):
        Image.new("RGB", (40, 30), (60 * index, 0, 0)).save(folder / "images" / f"{index}.png")
        with (folder / f"split_{part}.txt").open("a") as file:
            file.write(f"{index}.png\n")
        lines += [f"{index}.png\t{n}\tcaption {n} of {index} ." for n in range(5)]
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_photographs_come_with_all_their_captions(root):
    found = flickr8k.load(("train", "dev"), root, 16)
    assert found.pixels.shape == (3, 3, 16, 16)
    assert found.pixels[:, 0, 8, 8].tolist() == [0, 60, 120]
    assert found.captions[1] == tuple(f"caption {n} of 1 ." for n in range(5))


def test_the_test_part_stays_out(root):
    found = flickr8k.load(("train", "dev"), root, 16)
    assert not any("of 3" in text for texts in found.captions for text in texts)


def test_missing_data_and_a_bad_line_are_the_users_to_mend(root, tmp_path):
    with pytest.raises(DataMissing, match="flickr8k is not here"):
        flickr8k.load(("train",), tmp_path / "nowhere", 16)
    (root / "flickr8k" / "captions.tsv").write_text("0.png\t0\tfine .\nno tabs\n")
    with pytest.raises(UserError, match="this line is not") as error:
        flickr8k.load(("train",), root, 16)
    assert str(error.value.where).endswith("captions.tsv:2")


def test_a_photograph_without_captions_is_named(root):
    (root / "flickr8k" / "captions.tsv").write_text("0.png\t0\tfine .\n")
    with pytest.raises(UserError, match=r"1 photographs have no caption, the first is 1\.png"):
        flickr8k.load(("train",), root, 16)
