import hashlib

import pytest
import torch

from clsim.data.core.digests import LENGTH
from clsim.models.features.segment import DamagedSegment, Segment, write_segment


def digests(count, start=0):
    return [hashlib.sha256(bytes([index])).digest()[:LENGTH] for index in range(start, start + count)]


def rows(count, width=3):
    return torch.arange(count * width, dtype=torch.float32).view(count, width) + 0.1


def test_what_was_written_is_read(tmp_path):
    segment = Segment(write_segment(tmp_path, digests(5), rows(5)))
    assert list(segment.digests) == digests(5)
    assert torch.equal(segment.rows, rows(5))
    assert segment.width == 3


def test_the_same_images_make_the_same_file(tmp_path):
    first = write_segment(tmp_path, digests(5), rows(5))
    content = first.read_bytes()
    assert write_segment(tmp_path, digests(5), rows(5)) == first
    assert first.read_bytes() == content
    assert write_segment(tmp_path, digests(5, start=1), rows(5)) != first
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_any_flipped_byte_and_any_truncation_is_noticed(tmp_path):
    """A flip in the names of the header may leave the content intact; then it is read as it was."""
    path = write_segment(tmp_path, digests(2), rows(2))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            segment = Segment(path)
            assert torch.equal(segment.rows, rows(2)) and list(segment.digests) == digests(2), place
        except DamagedSegment:
            continue
        assert place < len(whole) - 2 * LENGTH - rows(2).nbytes, f"a flip in the content at {place} was not noticed"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedSegment):
            _ = Segment(path).rows


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError):
        Segment(tmp_path / "gone.features")
