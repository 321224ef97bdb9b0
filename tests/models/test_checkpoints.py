import argparse
import io
import random
import shutil

import numpy as np
import pytest
import torch
from helpers.errors import refused
from safetensors.torch import save_file
from torch import nn

from clsim.models.checkpoints import fill, read_weights, weights_sha256
from clsim.utils.errors import UserError


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


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "model._orig_mod.", "net."])
def test_the_prefix_of_a_wrapper_a_compiler_or_a_trainer_goes(tmp_path, model, prefix, suffix):
    path = tmp_path / f"wrapped{suffix}"
    state = {f"{prefix}{key}": value.clone() for key, value in model.state_dict().items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    fill(other, read_weights(path)[0], path, "it")
    assert weights_sha256(other) == weights_sha256(model)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net", "state_dict_ema"])
def test_the_table_may_stand_under_another_key(tmp_path, model, key):
    path = tmp_path / "training.pt"
    beside = {
        "epoch": 3,
        "best": np.float64(0.5),
        "args": argparse.Namespace(lr=0.1, out=tmp_path),
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
        "hyper_parameters": {"width": 3, "name": "x"},
    }
    torch.save({**beside, key: model.state_dict()}, path)
    state = read_weights(path)[0]
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_of_two_tables_the_trained_weights_are_taken_not_their_average(tmp_path):
    path = tmp_path / "both.pt"
    torch.save({"model_ema": {"a": torch.zeros(1)}, "model": {"a": torch.ones(1)}}, path)
    assert read_weights(path)[0]["a"] == 1


def test_numbers_beside_the_tensors_of_one_table_are_no_weights(tmp_path):
    path = tmp_path / "flat.pt"
    torch.save({"a": torch.ones(2), "epoch": 3, "name": "x", "input_resolution": 224}, path)
    assert {key: value.tolist() for key, value in read_weights(path)[0].items()} == {
        "a": [1, 1],
        "input_resolution": 224,
    }


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, model, bad, dtype):
    state = {key: value.to(dtype) for key, value in model.state_dict().items()}
    state["1.weight"][1, 2] = bad
    before = weights_sha256(model)
    with pytest.raises(UserError) as error:
        fill(model, state, tmp_path / "w.pt", "it")
    assert "1.weight has 1 of 8 numbers that are NaN or infinite" in error.value.what
    assert error.value.where == str(tmp_path / "w.pt")
    assert weights_sha256(model) == before


def test_quantized_weights_are_no_real_numbers(tmp_path, model):
    state = {**model.state_dict(), "0.weight": torch.ones(4, 3, dtype=torch.int8)}
    with refused(UserError, names=("0.weight", "int8")):
        fill(model, state, tmp_path / "w.pt", "it")


def test_two_models_in_one_file_are_not_guessed_between(tmp_path, model):
    state = {f"{side}.{key}": value for side in ("student", "teacher") for key, value in model.state_dict().items()}
    with refused(UserError, names=("student., teacher.",)):
        fill(model, state, tmp_path / "w.pt", "it")


def test_what_is_left_out_is_named(tmp_path, model):
    state = {f"model.{key}": value for key, value in model.state_dict().items()} | {"loss.weight": torch.ones(2)}
    with pytest.warns(UserWarning, match=r"1 tensors outside 'model.' .*loss.weight"):
        fill(model, state, tmp_path / "w.pt", "it")


def test_a_folder_names_the_files_in_it(tmp_path):
    (tmp_path / "open_clip_model.safetensors").touch()
    with pytest.raises(UserError) as error:
        read_weights(tmp_path)
    assert "folder" in error.value.what
    assert "open_clip_model.safetensors" in error.value.fix


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "said"),
    [(b"version https://git-lfs.github.com/spec/v1\noid", "lfs pull"), (b"<!DOCTYPE html>", "again")],
)
def test_a_file_that_only_points_to_weights_says_so(tmp_path, suffix, content, said):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_weights(path)
    assert said in error.value.fix


def test_the_names_of_another_library_are_recognised(tmp_path, model):
    with pytest.raises(UserError) as error:
        fill(model, {"text_model.embeddings.weight": torch.ones(1)}, tmp_path / "w.pt", "it")
    assert "transformers" in error.value.fix


def test_tensors_that_do_not_fit_are_named(model, tmp_path):
    state = model.state_dict()
    state["0.weight"] = torch.zeros(9, 3)
    del state["1.bias"]
    state |= {"x": torch.ones(1), "y": torch.ones(1)}
    with pytest.raises(UserError) as error:
        fill(model, state, tmp_path / "w.pt", "the model")
    text = str(error.value)
    assert "does not fit the model: 0.weight is [9, 3], not [4, 3]; 1.bias is missing; x is unknown, and 1 more" in text


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (shutil.rmtree, (str(tmp_path / "victim"),))

    (tmp_path / "victim").mkdir()
    path = tmp_path / "trap.pt"
    torch.save({"state_dict": Trap()}, path)
    with refused(UserError, names=("more than tensors",)):
        read_weights(path)
    assert (tmp_path / "victim").is_dir()


def test_a_file_without_tensors(tmp_path):
    path = tmp_path / "numbers.pt"
    torch.save({"epoch": 3}, path)
    with refused(UserError, names=("table of tensors",)):
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
    with refused(UserError, names=("table of tensors",)):
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
