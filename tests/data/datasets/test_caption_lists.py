import re

from helpers.errors import refused

from clsim.data.datasets.caption_lists import read_captions, read_part

LINE = re.compile(r"(?P<image>[^\t]+)\t(?P<caption>.+)")


def test_captions_are_gathered_by_image_and_lists_keep_their_order(tmp_path):
    (tmp_path / "all").write_text("b.jpg\tone\na.jpg\ttwo\nb.jpg\tthree\n\n")
    captions = read_captions(tmp_path / "all", LINE, "image, caption")
    assert captions == {"b.jpg": ("one", "three"), "a.jpg": ("two",)}
    (tmp_path / "part").write_text("a.jpg\nb\n")
    assert list(read_part(tmp_path / "part", captions).items()) == [("a.jpg", ("two",)), ("b.jpg", ("one", "three"))]


def test_what_is_wrong_is_named_with_its_line(tmp_path):
    (tmp_path / "all").write_text("b.jpg\tone\n\nno tab\n")
    with refused(where=f"{tmp_path / 'all'}:3", names=("image, caption",)):
        read_captions(tmp_path / "all", LINE, "image, caption")
    (tmp_path / "part").write_text("a.jpg\nc.jpg\n")
    with refused(where=f"{tmp_path / 'part'}:2", names=("c.jpg",)):
        read_part(tmp_path / "part", {"a.jpg": ("one",)})
    (tmp_path / "part").write_text("\n")
    with refused(where="part", names=("empty",)):
        read_part(tmp_path / "part", {})
    (tmp_path / "all").write_bytes(b"\xff\xfe\n")
    with refused(where="all", names=("UTF-8",)):
        read_captions(tmp_path / "all", LINE, "image, caption")
