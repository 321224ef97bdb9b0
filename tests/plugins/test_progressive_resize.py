import torch
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins.progressive_resize import ProgressiveResize
from clsim.streams import fscil
from clsim.training import Strategy


class SizeRecorder(TinyModel):
    """Takes any size, and remembers which."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, images):
        self.sizes.append((self.training, images.shape[-1]))
        return self.linear(torch.nn.functional.interpolate(images, (8, 8)).flatten(1))


def test_sizes_share_the_epochs_of_the_base_session_only():
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    model = SizeRecorder()
    strategy = Strategy(
        model=model,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        train_mb_size=120,
        train_epochs=4,
        plugins=[ProgressiveResize((4, 6, 8))],
    )
    strategy.train(stream.train_stream[0], eval_streams=[])
    assert [size for _, size in model.sizes] == [4, 4, 6, 8]
    model.sizes.clear()
    strategy.train(stream.train_stream[1], eval_streams=[])
    strategy.eval(stream.test_stream[:1])
    assert {size for _, size in model.sizes} == {8}


def test_images_are_never_enlarged():
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    model = SizeRecorder()
    strategy = Strategy(
        model=model,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        train_mb_size=120,
        plugins=[ProgressiveResize((32,))],
    )
    strategy.train(stream.train_stream[0], eval_streams=[])
    assert [size for _, size in model.sizes] == [8]
