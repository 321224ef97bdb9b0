"""An error for a data set that does not fit on the device names its size, not the batch."""

import pytest
import torch
from helpers.errors import refused
from helpers.tiny import tiny_dataset

from clsim.data.core import transfer
from clsim.data.core.images import Images
from clsim.data.core.transfer import free_memory, moved
from clsim.utils.errors import RunFailed


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        MemoryError(),
        RuntimeError("can't allocate memory"),
    ],
)
def test_a_data_set_larger_than_the_device(monkeypatch, error):
    def full(images, device):
        raise error

    monkeypatch.setattr(Images, "to", full)
    monkeypatch.setattr(transfer, "free_memory", lambda device: 3 << 29)
    images = tiny_dataset().train
    size = (f"{len(images):,} images", f"{images.pixels.nbytes / 2**30:.2f} GiB")
    with refused(RunFailed, names=(*size, "cuda:0", "1.50 GiB free", "--device cpu", "stream.image_size")) as caught:
        moved(images, torch.device("cuda:0"))
    assert "batch" not in str(caught.value)


def test_other_errors_pass_and_images_arrive(monkeypatch):
    images = tiny_dataset().train
    assert torch.equal(moved(images, torch.device("cpu")).pixels, images.pixels)
    assert free_memory(torch.device("cpu")) > 0

    def broken(images, device):
        raise RuntimeError("another error")

    monkeypatch.setattr(Images, "to", broken)
    with pytest.raises(RuntimeError, match="another error"):
        moved(images, torch.device("cpu"))


def test_a_strategy_reports_it(monkeypatch):
    import clsim
    from clsim.streams import fscil

    def full(images, device):
        raise torch.OutOfMemoryError("CUDA out of memory")

    stream = fscil(tiny_dataset(), base_classes=8, ways=1, shots=1, splits={"draw": 0})
    strategy = clsim.Strategy(model=torch.nn.Flatten(), device="cpu")
    strategy.device = torch.device("meta")
    monkeypatch.setattr(Images, "to", full)
    with refused(RunFailed, names=("do not fit", "meta")):
        strategy.resident(stream.train_stream[0].resident)
