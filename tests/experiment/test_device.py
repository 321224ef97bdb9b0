import pytest

from clsim.experiment.device import NO_GPU, _best_device, resolve_device
from clsim.utils.errors import UserError


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "gpu0", ""])
def test_an_unknown_device_is_the_users_error(name):
    with pytest.raises(UserError):
        resolve_device(name)


def fails(message):
    def start():
        raise RuntimeError(message)

    return start


def test_a_driver_that_is_too_old_is_told_in_one_line(capsys):
    told = "The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver."
    assert _best_device(fails(told)) == "cpu"
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cpu" in said
    assert "driver on your system is too old (found version 12020)" in said


def test_a_machine_without_a_gpu_says_nothing(capsys):
    for message in ("Torch not compiled with CUDA enabled", "Found no NVIDIA driver on your system.", NO_GPU[2]):
        assert _best_device(fails(message)) == "cpu"
    assert not capsys.readouterr().err
