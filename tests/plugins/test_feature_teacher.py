import warnings

import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.tiny import tiny_dataset
from torch import nn
from torch.optim import SGD

from clsim.losses import cosine_distillation
from clsim.models import LinearClassifier
from clsim.models.replacement_model import ReplacementModel
from clsim.plugins import FeatureTeacher, ModelReplacement, Rehearsal
from clsim.streams import Replacement, incremental, replacement
from clsim.training import Strategy


class Flat(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.num_features = width
        self.linear = nn.Linear(192, width)
        self.dropout = nn.Dropout(0.5)

    def forward(self, images):
        return self.dropout(self.linear(images.flatten(1)))


def copied(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(state, model):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


class Watch(SupervisedPlugin):
    """What the teacher is at every step, and the losses before and after its turn."""

    def __init__(self, teacher):
        super().__init__()
        self.teacher, self.began, self.seen = teacher, [], []

    def before_training_exp(self, strategy, **kwargs):
        self.began.append(copied(strategy.model))
        self.seen.append([])

    def after_backward(self, strategy, **kwargs):
        teacher = self.teacher.teacher
        self.seen[-1].append(None if teacher is None else (copied(teacher), teacher.training, grads(teacher)))


def grads(model):
    return any(p.requires_grad or p.grad is not None for p in model.parameters())


def run(replacements=(), sessions=2, plugins=(), **settings):
    torch.manual_seed(0)
    if replacements:
        stream = replacement(tiny_dataset(), base_classes=4, ways=3, replacements=replacements)
    else:
        stream = incremental(tiny_dataset(), base_classes=4, ways=3)
    teacher = FeatureTeacher(
        settings.pop("loss", lambda new, old, labels: cosine_distillation(new, old)), **{"weight": 1.0, **settings}
    )
    watch = Watch(teacher)
    strategy = Strategy(
        model=LinearClassifier(Flat(), 10),
        optimizer=lambda parameters: SGD(parameters, lr=0.1, momentum=0.9),
        train_mb_size=20,
        train_epochs=2,
        plugins=[*plugins, ModelReplacement(), teacher, watch],
    )
    for session in stream.train_stream[:sessions]:
        strategy.train(session, eval_streams=[])
    return strategy, teacher, watch


def test_nothing_is_taught_in_the_first_session():
    def never(new, old, labels):
        raise AssertionError("there is no teacher yet")

    _, _, watch = run(sessions=1, loss=never)
    assert watch.seen == [[None] * 8]


def test_the_random_start_teaches_the_first_session_if_so_wished():
    _, _, watch = run(sessions=1, from_start=True)
    assert len(watch.seen[0]) == 8
    for state, training, gradients in watch.seen[0]:
        assert all(torch.equal(value, watch.began[0][name]) for name, value in state.items())
        assert not (training or gradients)


def test_the_teacher_is_the_model_the_session_began_with_frozen_and_unchanged():
    strategy, teacher, watch = run()
    assert len(watch.seen[1]) == 6
    for state, training, gradients in watch.seen[1]:
        assert all(torch.equal(value, watch.began[1][name]) for name, value in state.items())
        assert not training
        assert not gradients
    assert not same(watch.began[1], strategy.model)
    assert teacher.teacher is None


def test_a_model_that_arrives_before_the_session_teaches_it():
    arrival = Flat(9)
    _, _, watch = run([Replacement(ReplacementModel("wide", arrival), session=0)], sessions=1)
    for state, _, _ in watch.seen[0]:
        assert torch.equal(state["backbone.linear.weight"], arrival.linear.weight)


def test_a_model_that_arrives_in_the_middle_teaches_the_rest():
    arrival = Flat(9)
    _, _, watch = run([Replacement(ReplacementModel("wide", arrival), session=1, after_iterations=4)])
    weights = [state["backbone.linear.weight"] for state, _, _ in watch.seen[1]]
    assert all(torch.equal(weight, watch.began[1]["backbone.linear.weight"]) for weight in weights[:4])
    assert [weight.shape[0] for weight in weights] == [6] * 4 + [9] * 2
    assert all(torch.equal(weight, arrival.linear.weight) for weight in weights[4:])


def test_a_model_that_arrives_in_the_middle_of_the_first_session_teaches_its_rest():
    _, _, watch = run([Replacement(ReplacementModel("wide", Flat(9)), session=0, after_iterations=3)], sessions=1)
    assert [state is None for state in watch.seen[0]] == [True] * 3 + [False] * 5


class Losses(SupervisedPlugin):
    def __init__(self):
        super().__init__()
        self.before, self.after = [], []

    def after_forward(self, strategy, **kwargs):
        self.before.append(nn.functional.cross_entropy(strategy.mb_output, strategy.mb_y).item())

    def after_backward(self, strategy, **kwargs):
        self.after.append(float(strategy.loss.detach()))


def test_both_losses_have_their_weights():
    losses = Losses()
    run(plugins=[losses], loss=lambda new, old, labels: torch.tensor(2.0), weight=0.5, own_weight=0.25)
    expected = losses.before[:8] + [0.25 * own + 0.5 * 2.0 for own in losses.before[8:]]
    torch.testing.assert_close(torch.tensor(losses.after), torch.tensor(expected))


def test_old_classes_alone_are_compared_if_so_wished():
    compared = []

    def loss(new, old, labels):
        compared.append(labels)
        assert len(new) == len(old) == len(labels)
        return cosine_distillation(new, old)

    run(plugins=[Rehearsal(20)], loss=loss, old_classes_only=True)
    assert [len(labels) for labels in compared] == [10] * 14  # (60 + 80) // 20 batches, half of each remembered
    assert {int(label) for labels in compared for label in labels} <= {0, 1, 2, 3}


def test_avalanche_has_nothing_to_object_to():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run([Replacement(ReplacementModel("wide", Flat(9)), session=0, after_iterations=3)], sessions=1)
