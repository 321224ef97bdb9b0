"""How forward passes are run: what is chosen, and that nothing of it changes a figure."""

import shutil
from functools import partial

import pytest
import torch
from helpers.tiny import TinyModel, tiny_dataset
from torch import nn

from clsim.streams import fscil
from clsim.training import Strategy, forward
from clsim.training.forward import COMPILED_FROM, GRAPHED_FROM, ForwardPass, _try_backward, choose

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def train(**settings):
    torch.manual_seed(0)
    learner = Strategy(
        model=TinyModel(),
        optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        train_mb_size=32,  # 120 images: the last batch is smaller
        train_epochs=6,
        **settings,
    )
    stream = fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0})
    learner.train(stream.train_stream[0], eval_streams=[])
    return learner


@pytest.mark.parametrize(
    ("asked", "device", "steps", "replayable", "how"),
    [
        ("auto", CPU, 10**6, True, "eager"),
        ("auto", GPU, COMPILED_FROM, True, "compiled"),
        ("auto", GPU, COMPILED_FROM - 1, True, "graph"),
        ("auto", GPU, COMPILED_FROM - 1, False, "eager"),
        ("auto", GPU, GRAPHED_FROM - 1, True, "eager"),
        ("on", CPU, 1, False, "compiled"),
        ("off", GPU, 10**6, True, "eager"),
    ],
)
def test_what_is_chosen(asked, device, steps, replayable, how):
    assert choose(asked, device, steps, replayable=replayable) == how


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a CPU needs a C++ compiler")
def test_compiled_training_gives_the_same_weights():
    plain, compiled = train(compile="off"), train(compile="on")
    for ours, theirs in zip(compiled.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


class Recorder:
    """Takes the place of CUDA's recording: a replay takes one shape and gives one buffer, each time the same."""

    def __init__(self):
        self.recorded, self.replayed = [], []

    def __call__(self, model, images, precision):
        self.recorded.append(tuple(images.shape))
        recorded, buffer = images.shape, model(images).detach().clone()

        def replay(images):
            assert images.shape == recorded
            self.replayed.append(tuple(images.shape))
            buffer.copy_(model(images).detach())
            return buffer

        return replay


class Scored(TinyModel):
    """Like a prompted CLIP: another scope, another graph."""

    scored_classes = None

    def reads(self):
        return (self.scored_classes,)


class AnySize(nn.Module):
    """Takes images of any size."""

    def forward(self, images):
        return images.mean(dim=(2, 3))

    def reads(self):
        return ()


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(forward, "_record", recorder)
    return recorder


def test_usual_batches_are_replayed_and_the_last_is_not(recorder):
    passes, model = ForwardPass(), Scored().train()
    passes.start(model, GPU, GRAPHED_FROM)
    batches = [torch.rand(size, 3, 8, 8) for size in (4, 4, 1, 4)]
    outputs = [passes(model, images, "fp32").logits for images in batches]
    assert recorder.recorded == [(4, 3, 8, 8)]
    assert recorder.replayed == [(4, 3, 8, 8)] * 3
    for images, output in zip(batches, outputs, strict=True):  # kept over later replays, as metrics keep them
        torch.testing.assert_close(output, model(images))


def test_batches_of_another_size_in_the_next_epoch_are_recorded_anew(recorder):
    passes, model = ForwardPass(), AnySize()
    for side in (8, 8, 6):
        passes.start(model, GPU, GRAPHED_FROM)
        passes(model, torch.rand(4, 3, side, side), "fp32")
    assert [shape[-1] for shape in recorder.recorded] == [8, 6]


def test_another_scope_another_model_and_another_session_are_recorded_anew(recorder):
    passes, model, images = ForwardPass(), Scored().train(), torch.rand(4, 3, 8, 8)
    passes.start(model, GPU, GRAPHED_FROM)
    passes(model, images, "fp32")
    model.scored_classes = torch.arange(3)
    passes(model, images, "fp32")
    passes(model, images, "fp32")
    other = Scored().train()
    passes(other, images, "fp32")
    assert len(recorder.recorded) == 3
    passes.stop()
    passes(other, images, "fp32")  # an evaluation
    passes.start(other, GPU, GRAPHED_FROM)
    passes(other, images, "fp32")
    assert len(recorder.recorded) == 4


def test_an_evaluation_in_the_middle_is_not_replayed(recorder):
    passes, model = ForwardPass(), Scored()
    passes.start(model, GPU, GRAPHED_FROM)
    passes(model.eval(), torch.rand(4, 3, 8, 8), "fp32")
    assert recorder.recorded == []


def runs_eagerly(model, steps, said):
    """A session whose way fails says so, gives the model's own output, and the next does not try again."""
    passes, images = ForwardPass(), torch.rand(4, 3, 8, 8)
    passes.start(model, GPU, steps)
    with pytest.warns(UserWarning, match=said):
        output = passes(model, images, "fp32").logits
    torch.testing.assert_close(output, model(images))
    passes.start(model, GPU, steps)
    assert passes.how == "eager"


def test_where_recording_fails_the_session_goes_on(monkeypatch):
    def fail(*given):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(forward, "_record", fail)
    runs_eagerly(Scored().train(), GRAPHED_FROM, "runs eagerly")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recorded_steps_are_the_same_steps():
    batches, results = torch.rand(3, 4, 3, 8, 8, device="cuda"), []
    for how in ("eager", "graph"):
        torch.manual_seed(0)
        model = Scored().cuda().train()
        optimizer, passes = torch.optim.SGD(model.parameters(), lr=0.1), ForwardPass()
        passes.start(model, GPU, GRAPHED_FROM)
        passes.how = how
        outputs = []
        for images in batches:
            optimizer.zero_grad()
            outputs.append(passes(model, images, "fp32").logits)
            outputs[-1].square().sum().backward()
            optimizer.step()
        results.append([*outputs, *model.parameters()])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_learns_nearly_the_same(precision):
    exact, low = train(), train(precision=precision)
    assert low.mb_output is None or low.mb_output.dtype == torch.float32
    weight, wanted = low.model.linear.weight, exact.model.linear.weight
    assert weight.dtype == torch.float32
    assert float((weight - wanted).norm() / wanted.norm()) < 0.05
    assert not torch.equal(weight, wanted)


def test_fp16_leaves_out_a_step_that_overflows_and_scales_down():
    learner = train(precision="fp16")
    scale, before = learner.scaler.get_scale(), learner.model.linear.weight.detach().clone()
    learner.optimizer.zero_grad()
    learner.loss = (learner.model.linear.weight * 1e30).sum() * 1e5
    learner.backward()
    learner.optimizer_step()
    assert torch.equal(learner.model.linear.weight, before)
    assert learner.scaler.get_scale() == scale / 2


def test_fp16_steps_over_a_batch_without_gradients_as_fp32_does():
    learner = train(precision="fp16")
    learner.optimizer.zero_grad()
    learner.loss = torch.zeros(1, requires_grad=True).sum()
    learner.backward()
    learner.optimizer_step()


def test_what_auto_cannot_compile_runs_eagerly(monkeypatch):
    def no_compiler(model):
        def run(images):
            raise OSError("there is no compiler")

        return run

    monkeypatch.setattr(torch, "compile", no_compiler)
    model, images = Scored().train(), torch.rand(4, 3, 8, 8)
    runs_eagerly(model, COMPILED_FROM, "no compiler")
    asked = ForwardPass("on")
    asked.start(model, CPU, 1)
    with pytest.raises(OSError, match="no compiler"):
        asked(model, images, "fp32")


class NoGradient(torch.autograd.Function):
    """A compiled pass whose gradient cannot be compiled."""

    @staticmethod
    def forward(ctx, output):
        return output.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("the gradient has no kernel")


def test_a_gradient_that_cannot_be_compiled_leaves_the_session_as_it_is(monkeypatch):
    """It is found at the first step, which is computed by the model itself: nothing is left of the attempt."""
    monkeypatch.setattr(torch, "compile", lambda model: lambda images: NoGradient.apply(model(images)))
    model, images = Scored().train(), torch.rand(4, 3, 8, 8)
    before = [value.clone() for value in model.state_dict().values()]
    passes = ForwardPass("auto")
    passes.start(model, torch.device("cuda"), COMPILED_FROM)
    assert passes.how == "compiled"
    with pytest.warns(UserWarning, match="the gradient has no kernel"):
        output = passes(model, images, "fp32").logits
    assert passes.how == "eager"
    output.sum().backward()
    assert all(torch.equal(old, new) for old, new in zip(before, model.state_dict().values(), strict=True))


def test_trying_the_gradient_changes_neither_buffers_nor_random_numbers():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5)).train()
    images = torch.rand(4, 3, 8, 8)
    torch.manual_seed(3)
    expected, before = torch.rand(3), [buffer.clone() for buffer in model.buffers()]
    torch.manual_seed(3)
    _try_backward(model, model, images)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(old, new) for old, new in zip(before, model.buffers(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_fp16_shows_plugins_gradients_that_are_scaled_back():
    from avalanche.training.plugins import SupervisedPlugin

    class Norms(SupervisedPlugin):
        def __init__(self):
            super().__init__()
            self.seen = []

        def before_update(self, strategy, **kwargs):
            self.seen.append(float(strategy.model.linear.weight.grad.norm()))

    exact, low = Norms(), Norms()
    train(plugins=[exact])
    train(plugins=[low], precision="fp16")
    assert low.seen[0] == pytest.approx(exact.seen[0], rel=0.02)
