import io
import random
import shutil

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from clsim.errors import UserError
from clsim.models.checkpoints import fill, read_weights, weights_sha256


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


@pytest.fixture(params=[".safetensors", ".pt"])
def saved(request, tmp_path, model):
    path = tmp_path / f"weights{request.param}"
    save_file(model.state_dict(), path) if request.param == ".safetensors" else torch.save(model.state_dict(), path)
    return path


def test_weights_go_round(saved, model):
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    assert weights_sha256(other) != weights_sha256(model)
    fill(other, read_weights(saved)[0], saved, "it")
    assert weights_sha256(other) == weights_sha256(model)


def test_a_truncated_file_is_named(saved):
    for size in (0, 20, saved.stat().st_size // 2):
        saved.write_bytes(saved.read_bytes()[:size])
        with pytest.raises(UserError) as error:
            read_weights(saved)
        assert str(saved) in str(error.value)


def test_metadata_come_along(tmp_path):
    path = tmp_path / "named.safetensors"
    save_file({"a": torch.ones(1)}, path, {"name": "it"})
    assert read_weights(path)[1] == {"name": "it"}


def test_the_prefix_of_data_parallel_goes(tmp_path):
    path = tmp_path / "parallel.pt"
    torch.save({"state_dict": {"module.a": torch.ones(1)}}, path)
    assert list(read_weights(path)[0]) == ["a"]


def test_tensors_that_do_not_fit_are_named(model, tmp_path):
    state = model.state_dict()
    state["0.weight"] = torch.zeros(9, 3)
    del state["1.bias"]
    state |= {"x": torch.ones(1), "y": torch.ones(1)}
    with pytest.raises(UserError) as error:
        fill(model, state, tmp_path / "w.pt", "the model")
    text = str(error.value)
    assert (
        "does not fit the model: 0.weight is [9, 3], not [4, 3]; 1.bias is missing; x has no place, and 1 more" in text
    )


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (shutil.rmtree, (str(tmp_path / "victim"),))

    (tmp_path / "victim").mkdir()
    path = tmp_path / "trap.pt"
    torch.save({"state_dict": Trap()}, path)
    with pytest.raises(UserError, match="more than tensors"):
        read_weights(path)
    assert (tmp_path / "victim").is_dir()


def test_a_file_without_tensors(tmp_path):
    path = tmp_path / "numbers.pt"
    torch.save({"epoch": 3}, path)
    with pytest.raises(UserError, match="no table of tensors"):
        read_weights(path)


@pytest.mark.parametrize(
    "content",
    [
        {1: torch.zeros(1)},
        {"state_dict": 3},
        {"state_dict": {}},
        {"w": torch.zeros(3, device="meta")},
        {"w": torch.zeros(3).to_sparse()},
        {"w": {"inner": torch.zeros(3)}},
        [torch.zeros(3)],
    ],
)
def test_a_table_of_something_else(tmp_path, content):
    path = tmp_path / "odd.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match="no table of tensors"):
        read_weights(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["new", "old", "safetensors"])
def test_however_a_checkpoint_is_damaged_it_is_named(tmp_path, model, kind):
    path, content = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt"), io.BytesIO()
    if kind == "safetensors":
        save_file(model.state_dict(), path)
        content.write(path.read_bytes())
    else:
        torch.save(model.state_dict(), content, _use_new_zipfile_serialization=kind == "new")
    refused = 0
    for seed in range(150):
        draw, damaged = random.Random(seed), bytearray(content.getvalue())
        for _ in range(draw.randint(1, 3)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.randrange(len(damaged))] if seed % 5 == 0 else damaged)
        try:
            read_weights(path)
        except UserError as error:
            refused += error.where == str(path)
    assert refused > 50
