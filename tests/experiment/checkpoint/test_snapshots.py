import pytest
import torch
from experiment.test_runner import learner, prompted, stream

from clsim.experiment.checkpoint.snapshots import Snapshots


def trained(strategy, sessions=1):
    snapshots = Snapshots(strategy)
    strategy.plugins.insert(0, snapshots)
    for session in stream().train_stream[:sessions]:
        strategy.train(session, eval_streams=[])
    return snapshots


def test_every_part_of_a_strategy_is_given_back():
    torch.manual_seed(0)
    strategy = learner(0, precision="fp16")
    snapshots = trained(strategy)
    strategy.scaler.load_state_dict({**strategy.scaler.state_dict(), "scale": 512.0, "_growth_tracker": 3})
    state = snapshots.between_sessions()
    wanted = torch.rand(3), torch.rand(3, generator=strategy.order)
    fresh = learner(9, precision="fp16")
    again = Snapshots(fresh)
    again.restore_between_sessions(state, stream().train_stream[:1])
    assert torch.equal(torch.rand(3), wanted[0])
    assert torch.equal(torch.rand(3, generator=fresh.order), wanted[1])
    assert fresh.scaler.state_dict() == strategy.scaler.state_dict()
    assert fresh.clock.train_iterations == strategy.clock.train_iterations > 0
    assert fresh.images_trained == strategy.images_trained > 0
    assert torch.equal(fresh.model.linear.weight, strategy.model.linear.weight)
    assert fresh.experience is None


def test_threads_are_given_back():
    before = torch.get_num_threads()
    state = trained(learner(0)).between_sessions()
    try:
        torch.set_num_threads(before + 1)
        Snapshots(learner(0)).restore_between_sessions(state, stream().train_stream[:1])
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)


def test_frozen_weights_are_not_stored_and_must_be_there():
    strategy = prompted(0)
    state = trained(strategy).between_sessions()
    frozen = {name for name, parameter in strategy.model.named_parameters() if not parameter.requires_grad}
    assert frozen
    assert not frozen & set(state["model"])
    fresh = prompted(1)
    with torch.no_grad():
        next(parameter for parameter in fresh.model.parameters() if not parameter.requires_grad).add_(1)
    with pytest.raises(ValueError, match=r"the checkpoint has no|frozen weights of the model differ"):
        Snapshots(fresh).restore_between_sessions(state, stream().train_stream[:1])


def test_a_part_that_was_in_evaluation_mode_is_so_again():
    strategy = prompted(0)
    snapshots = trained(strategy)
    strategy.model.train()
    part = next(module for module in strategy.model.modules() if module is not strategy.model)
    part.eval()
    strategy.make_optimizer()
    state = snapshots.amid()
    strategy.model.train()
    snapshots.restore_amid(state)
    assert not part.training
    assert strategy.model.training


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state["plugins"].pop(), "the strategy has"),
        (
            lambda state: state["model"].update({"linear.weight": torch.zeros(2, 2)}),
            "no parameter linear.weight of this shape",
        ),
        (lambda state: state["model"].update({"other": torch.zeros(2, 2)}), "no parameter other of this shape"),
        (lambda state: state["model"].pop("linear.bias"), "the checkpoint has no parameter linear.bias"),
        (lambda state: state.update(frozen="0" * 64), "frozen weights"),
    ],
)
def test_a_state_of_something_else_is_refused(change, said):
    state = trained(learner(0)).between_sessions()
    change(state)
    with pytest.raises(ValueError, match=said):
        Snapshots(learner(0)).restore_between_sessions(state, stream().train_stream[:1])
