import torch
from helpers.tiny import save_tiny_clip, tiny_dataset

from clsim.config.discovery import find_strategy
from clsim.config.user_code import load_strategy
from clsim.metrics.class_accuracy import ClassAccuracy
from clsim.streams import fscil


def test_it_learns_each_session_and_forgets_the_base(tmp_path):
    torch.manual_seed(0)
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    strategy = load_strategy(find_strategy("fine_tune"))(
        stream,
        pretrained=save_tiny_clip(tmp_path / "tiny.safetensors"),
        base_epochs=30,
        epochs=30,
        batch_size=10,
        base_batch_size=30,
        lr=0.1,
    )
    metric = ClassAccuracy(10)
    strategy.evaluator.metrics.append(metric)
    accuracies = []
    for session in stream.train_stream[:2]:
        strategy.train(session, eval_streams=[])
        strategy.eval(stream.test_stream[:2])
        accuracies.append(metric.counts.accuracy_by_block(stream.class_blocks[:2]))
    (base_before, _), (base_after, new_after) = accuracies
    assert base_before > 0.6
    assert base_after < base_before - 0.3
    assert new_after > 0.4  # of 8 classes
    assert all(p.requires_grad for p in strategy.model.backbone.visual.parameters())
