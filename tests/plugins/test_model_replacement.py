import warnings

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.supervised import Naive
from helpers.tiny import tiny_dataset
from torch import nn
from torch.optim import SGD

from clsim.models import LinearClassifier, StationaryClassifier
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import ModelReplacement, Rehearsal, WarmupCosine
from clsim.plugins.model_replacement import Performed
from clsim.streams import Replacement, incremental, replacement
from clsim.training import Strategy


class Flat(nn.Module):
    num_features = 6

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(192, 6)

    def forward(self, images):
        return self.linear(images.flatten(1))


class Convolved(nn.Module):
    """Another architecture and width, with running averages that tell training from evaluation."""

    num_features = 48

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveMaxPool2d(2))

    def forward(self, images):
        return self.layers(images).flatten(1)


class Steps(SupervisedPlugin):
    """Writes down, before every step, who is in service and with what optimiser; and who hears of a replacement."""

    def __init__(self):
        super().__init__()
        self.steps, self.heard = [], []

    def before_update(self, strategy, **kwargs):
        optimizer, model = strategy.optimizer, strategy.model
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self.steps.append(
            {
                "session": strategy.experience.current_experience,
                "epoch": strategy.clock.train_exp_epochs,
                "backbone": type(model.backbone).__name__,
                "rate": optimizer.param_groups[0]["lr"],
                "momentum": sum("momentum_buffer" in state for state in optimizer.state.values()),
                "exact": held == {id(p) for p in model.parameters()},
                "whole": held >= {id(p) for p in model.parameters()},
                "training": all(module.training for module in model.modules()),
            }
        )

    def model_replaced(self, strategy):
        self.heard.append((len(self.steps), type(strategy.model.backbone).__name__))

    def column(self, name, session=None):
        return [step[name] for step in self.steps if session in (None, step["session"])]


def given_stream(*replacements):
    """80 images, then twice 60: without memory 8, 6 and 6 iterations of 20 in two epochs."""
    if not replacements:
        return incremental(tiny_dataset(), base_classes=4, ways=3)
    return replacement(tiny_dataset(), base_classes=4, ways=3, replacements=replacements)


def run(*replacements, kind=Strategy, head=StationaryClassifier, memory=0, sessions=1, rate=0.02, stock=False):
    torch.manual_seed(0)
    stream = given_stream(*replacements)
    model = head(Flat(), 16)
    rehearsal = Rehearsal(memory) if memory else None
    replacing, steps = ModelReplacement(rehearsal), Steps()
    cosine = WarmupCosine(max_lr=rate, min_lr=rate / 10, warmup=0, cycle=2)
    strategy = kind(
        model=model,
        optimizer=SGD(model.parameters(), lr=rate, momentum=0.9)
        if kind is Naive or stock
        else lambda parameters: SGD(parameters, lr=rate, momentum=0.9),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=20,
        train_epochs=2,
        plugins=[*([rehearsal] if rehearsal else []), replacing, *([cosine] if kind is Strategy else []), steps],
    )
    for session in stream.train_stream[:sessions]:
        strategy.train(session, eval_streams=[])
    return strategy, replacing, steps


def arrival(name="visitor", projected=False):
    backbone = Convolved()
    return ReplacementModel(name, backbone, torch.randn(15, 48) if projected else None)


def test_before_a_session_the_model_that_arrived_trains_all_of_it():
    model = arrival(projected=True)
    before = model.sha256
    strategy, replacing, steps = run(Replacement(model, session=1), sessions=2)
    assert steps.column("backbone") == ["Flat"] * 8 + ["Convolved"] * 6
    assert all(steps.column("exact"))
    (performed,) = replacing.performed
    assert (performed.model, performed.after_iterations) == ("visitor", 0)
    assert performed.seconds >= 0
    assert steps.heard == []
    assert model.sha256 == before
    assert strategy.model.projection.weight.shape == (15, 48)


def test_in_the_middle_the_session_goes_on_where_it_is():
    _, replacing, steps = run(Replacement(arrival(), session=0, after_iterations=3))
    _, _, undisturbed = run()
    assert steps.column("backbone") == ["Flat"] * 3 + ["Convolved"] * 5
    assert steps.column("epoch") == undisturbed.column("epoch") == [0] * 4 + [1] * 4
    assert steps.column("rate") == undisturbed.column("rate")
    assert len(set(steps.column("rate"))) == 2
    assert steps.heard == [(3, "Convolved")]
    (performed,) = replacing.performed
    assert performed.record() == {
        "model": "visitor",
        "after_iterations": 3,
        "seconds": performed.seconds,
        "projection": "fitted",
    }
    assert performed.seconds >= 0


def test_it_is_known_whose_projection_it_is():
    _, own, _ = run(Replacement(arrival(projected=True), session=0))
    assert own.performed[0].projection == "own"
    _, none, _ = run(Replacement(arrival(projected=True), session=0), head=LinearClassifier)
    assert none.performed[0].projection is None
    other = ReplacementModel("visitor", Convolved(), torch.randn(31, 48))
    with pytest.warns(UserWarning, match="visitor .* 32 vertices"):
        _, fitted, _ = run(Replacement(other, session=0))
    assert fitted.performed[0].projection == "fitted"


def test_a_lasting_optimiser_lets_go_of_the_models_that_left():
    torch.manual_seed(0)
    model = StationaryClassifier(Flat(), 16)
    strategy = Strategy(
        model=model,
        optimizer=SGD(model.parameters(), lr=0.01, momentum=0.9),
        train_mb_size=20,
        plugins=[ModelReplacement()],
    )
    for session in given_stream(Replacement(arrival(), session=1)).train_stream[:2]:
        strategy.train(session, eval_streams=[])
    present = {id(parameter) for parameter in strategy.model.parameters()}
    assert {id(parameter) for parameter in strategy.optimizer.state} == present


@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize("after", [3, 6])  # within the first epoch and within the second, at another rate
def test_the_new_optimiser_has_the_present_rate_and_no_momentum(after, stock):
    _, _, steps = run(Replacement(arrival(), session=0, after_iterations=after), stock=stock)
    _, _, undisturbed = run(stock=stock)
    assert all(steps.column("exact"))
    assert steps.column("rate") == undisturbed.column("rate")
    momentum = steps.column("momentum")
    assert momentum[1] > 0
    assert momentum[after - 1] > 0
    assert momentum[after] == 0
    assert momentum[after + 1] > 0


@pytest.mark.parametrize("after", [0, 3])
def test_what_arrived_and_was_fitted_is_trained_in_training_mode(after):
    model = arrival()
    model.backbone.eval()
    _, _, steps = run(Replacement(model, session=0, after_iterations=after))
    assert all(steps.column("training"))


def test_a_share_of_the_session_is_told_in_iterations():
    _, replacing, steps = run(Replacement(arrival(), session=1, after_share=0.5), sessions=2)
    assert steps.column("backbone", 1) == ["Flat"] * 3 + ["Convolved"] * 3
    assert replacing.performed[0].after_iterations == 3
    # However late, something is left to learn in.
    assert Replacement(arrival(), session=1, after_share=0.999).iteration(6) == 5
    assert Replacement(arrival(), session=1, after_share=0.999).iteration(1) == 1


def test_several_in_a_session_come_in_their_order_and_the_next_session_forgets_them():
    replacements = [
        Replacement(arrival("third"), session=0, after_iterations=5),
        Replacement(arrival("first"), session=0),
        Replacement(arrival("second"), session=0, after_iterations=2),
    ]
    _, replacing, _ = run(*replacements)
    assert [(one.model, one.after_iterations) for one in replacing.performed] == [
        ("first", 0),
        ("second", 2),
        ("third", 5),
    ]
    seconds = [one.seconds for one in replacing.performed]
    assert seconds == sorted(seconds)
    _, replacing, _ = run(*replacements, sessions=2)
    assert replacing.performed == []


def test_a_model_without_projection_gets_one_that_knows_the_images():
    model = arrival()
    fitted = {}

    class Look(SupervisedPlugin):
        def before_training_exp(self, strategy, **kwargs):
            # The tiny images differ in where one pixel is: a random network tells them apart well above chance.
            images = strategy.experience.resident
            pixels = images.images.pixels[images.indices] / 255
            strategy.model.eval()
            with torch.no_grad():
                fitted["share"] = (strategy.model(pixels).argmax(1) == images.labels).float().mean().item()
            strategy.model.train()

    torch.manual_seed(0)
    strategy = Strategy(
        model=StationaryClassifier(Flat(), 16),
        optimizer=lambda parameters: SGD(parameters, lr=0.01),
        train_mb_size=20,
        plugins=[ModelReplacement(), Look()],
    )
    stream = given_stream(Replacement(model, session=0))
    strategy.train(stream.train_stream[0], eval_streams=[])
    assert fitted["share"] > 0.6  # of 4 classes, and 16 vertices


def test_remembered_images_help_to_fit():
    seen = []

    class Listening(StationaryClassifier):
        def fit_projection(self, outputs, labels, **settings):
            seen.append((outputs.shape, labels.bincount(minlength=10).tolist()))
            super().fit_projection(outputs, labels, **settings)

    run(Replacement(arrival(), session=1), head=Listening, memory=5, sessions=2)
    assert seen == [((60 + 20, 48), [5] * 4 + [20] * 3 + [0] * 3)]


def test_a_linear_classifier_starts_over():
    strategy, _, steps = run(Replacement(arrival(), session=0, after_iterations=3), head=LinearClassifier)
    assert strategy.model.head.weight.shape == (16, 48)
    assert all(steps.column("exact"))


def test_one_too_late_for_its_session_comes_at_its_end_with_a_warning():
    with pytest.warns(UserWarning, match=r"session 0: .* visitor .* 50.* 8\b"):
        strategy, replacing, steps = run(Replacement(arrival(), session=0, after_iterations=50))
    assert steps.column("backbone") == ["Flat"] * 8
    assert [(one.model, one.after_iterations) for one in replacing.performed] == [("visitor", 8)]
    assert isinstance(strategy.model.backbone, Convolved)


def test_the_last_iteration_is_not_too_late():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        _, replacing, _ = run(Replacement(arrival(), session=0, after_iterations=8))
    assert replacing.performed[0].after_iterations == 8


@pytest.mark.parametrize("head", [StationaryClassifier, LinearClassifier])
def test_a_stock_avalanche_strategy_goes_on_with_what_arrived(head):
    replacements = [
        Replacement(arrival("early"), session=1),
        Replacement(arrival("late"), session=2, after_iterations=3),
    ]
    strategy, replacing, steps = run(*replacements, kind=Naive, head=head, memory=5, sessions=3)
    # 60 new images and 20, then 35, remembered ones in batches of 20, twice
    assert [len(steps.column("session", session)) for session in range(3)] == [8, 8, 8]
    assert steps.column("backbone") == ["Flat"] * 8 + ["Convolved"] * 16
    # Before a session it is Avalanche that brings the optimiser up to date, and it leaves parameters in that are gone.
    assert all(steps.column("whole"))
    assert all(steps.column("exact", 2)[3:])
    assert all(steps.column("training"))
    assert set(steps.column("rate")) == {0.02}
    assert [(one.model, one.after_iterations) for one in replacing.performed] == [("late", 3)]
    assert steps.column("momentum", 2)[3] == 0
    assert all(torch.isfinite(value).all() for value in strategy.model.state_dict().values())


def test_a_record_is_plain():
    record = {"model": "a", "after_iterations": 2, "seconds": 0.5, "projection": None}
    assert Performed("a", 2, 0.5).record() == record


def test_how_far_a_session_has_come_is_part_of_a_checkpoint():
    from clsim.plugins.model_replacement import Performed

    plugin, fresh = ModelReplacement(), ModelReplacement()
    plugin._iterations, plugin.performed = 7, [Performed("early", 3, 0.5, "own")]
    fresh.load_state_dict(plugin.state_dict())
    assert fresh._iterations == 7
    assert fresh.performed == plugin.performed
