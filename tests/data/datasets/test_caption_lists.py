import re

import pytest

from clsim.data.datasets.caption_lists import read_captions, read_part
from clsim.utils.errors import UserError

LINE = re.compile(r"(?P<image>[^\t]+)\t(?P<caption>.+)")


def test_captions_are_gathered_by_image_and_lists_keep_their_order(tmp_path):
    (tmp_path / "all").write_text("b.jpg\tone\na.jpg\ttwo\nb.jpg\tthree\n\n")
    told = read_captions(tmp_path / "all", LINE, "image, caption")
    assert told == {"b.jpg": ("one", "three"), "a.jpg": ("two",)}
    (tmp_path / "part").write_text("a.jpg\nb\n")
    assert list(read_part(tmp_path / "part", told).items()) == [("a.jpg", ("two",)), ("b.jpg", ("one", "three"))]


def test_what_is_wrong_is_named_with_its_line(tmp_path):
    (tmp_path / "all").write_text("b.jpg\tone\n\nno tab\n")
    with pytest.raises(UserError, match="this line is not: image, caption") as raised:
        read_captions(tmp_path / "all", LINE, "image, caption")
    assert raised.value.where == f"{tmp_path / 'all'}:3"
    (tmp_path / "part").write_text("a.jpg\nc.jpg\n")
    with pytest.raises(UserError, match=r"c\.jpg has no caption") as raised:
        read_part(tmp_path / "part", {"a.jpg": ("one",)})
    assert raised.value.where == f"{tmp_path / 'part'}:2"
    (tmp_path / "part").write_text("\n")
    with pytest.raises(UserError, match="names no image"):
        read_part(tmp_path / "part", {})
    (tmp_path / "all").write_bytes(b"\xff\xfe\n")
    with pytest.raises(UserError, match="UTF-8"):
        read_captions(tmp_path / "all", LINE, "image, caption")
