from functools import partial

import torch
from helpers.tiny import TinyModel, tiny_dataset

from clsim.plugins import BaseSession
from clsim.streams import fscil
from clsim.training import Strategy


def test_epochs_and_batches_differ_between_base_and_few_shot_sessions():
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    strategy = Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=0.1),
        train_mb_size=4,
        train_epochs=2,
        plugins=[BaseSession(epochs=3, train_mb_size=60)],
    )
    iterations = []
    for session in stream.train_stream:
        strategy.train(session, eval_streams=[])
        iterations.append(strategy.clock.train_exp_iterations)
    assert iterations == [3 * 2, 2 * 3, 2 * 3]  # 120 images by 60; 10 images by 4
