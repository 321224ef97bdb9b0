import hashlib
import json
import shutil
import threading
import time

import pytest
from safetensors import SafetensorError

from clsim.models.clip import load_clip
from clsim.pretraining import store
from clsim.pretraining.store import make_model, models_root, resolve_model
from clsim.utils.errors import UserError
from clsim.utils.files import locked, unlock


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from clsim.config.models.recipe import ClipRecipe

    recipe = ClipRecipe(
        kind="clip", dataset="shapes", image_size=16, patch_size=8, width=32, layers=1, heads=2, text_width=32,
        text_layers=1, embed_dim=16, vocabulary=600, images=64, epochs=1, batch_size=32, precision="fp32",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("models") / f"{recipe.hash}.safetensors"
    return recipe, make_model("tiny", recipe, path)


@pytest.fixture
def never(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(store, "make_model", fail)


def test_a_made_model_loads_and_its_manifest_tells_how_it_was_made(made):
    recipe, path = made
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert manifest["recipe_hash"] == recipe.hash
    assert type(recipe)(**manifest["recipe"]) == recipe
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {"torch", "open_clip_torch"} <= manifest["versions"].keys()
    loaded = load_clip("", path)
    assert loaded.name == "tiny"
    assert loaded.sha256 == manifest["weights_sha256"]
    assert loaded.image_size == 16
    assert {file.suffix for file in path.parent.iterdir()} == {".safetensors", ".json"}


def test_what_was_made_is_not_made_again(made, never):
    recipe, path = made
    assert resolve_model("another name", recipe, root=path.parent) == path


def test_who_waits_for_another_to_make_it_does_not_make_it_again(made, tmp_path, never):
    recipe, path = made
    lock = tmp_path / f".{path.name}.lock"
    held, found = locked(lock), []
    waiting = threading.Thread(target=lambda: found.append(resolve_model("tiny", recipe, root=tmp_path)))
    waiting.start()
    time.sleep(0.3)
    assert not found
    for suffix in (".json", ".safetensors"):
        shutil.copy(path.with_suffix(suffix), tmp_path)
    unlock(lock, held)
    waiting.join(30)
    assert found == [tmp_path / path.name]
    assert not lock.exists()


def test_shipped_weights_are_used_if_they_belong_to_the_recipe(made, tmp_path, monkeypatch):
    recipe, path = made
    monkeypatch.setattr(store, "ASSETS", tmp_path)
    for suffix in (".safetensors", ".json"):
        shutil.copy(path.with_suffix(suffix), tmp_path / f"travels{suffix}")
    shipped = recipe.model_copy(update={"shipped": "travels"})
    assert resolve_model("tiny", shipped, root=tmp_path / "empty") == tmp_path / "travels.safetensors"
    other = shipped.model_copy(update={"seed": 9})
    monkeypatch.setattr(store, "make_model", lambda name, recipe, path, device: path)
    assert resolve_model("tiny", other, root=tmp_path / "empty") == tmp_path / "empty" / f"{other.hash}.safetensors"


def test_altered_weights_are_refused(made, tmp_path, never):
    recipe, path = made
    for suffix in (".safetensors", ".json"):
        shutil.copy(path.with_suffix(suffix), tmp_path / path.with_suffix(suffix).name)
    with (tmp_path / path.name).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(UserError, match="do not match their manifest"):
        resolve_model("tiny", recipe, root=tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "5", "[" * 100_000, "{}"])
def test_a_damaged_manifest_is_named(made, tmp_path, never, content):
    recipe, path = made
    shutil.copy(path, tmp_path / path.name)
    (tmp_path / path.name).with_suffix(".json").write_text(content)
    with pytest.raises(UserError, match="manifest is damaged"):
        resolve_model("tiny", recipe, root=tmp_path)


def test_a_place_that_cannot_be_written_is_said_before_training(made, tmp_path):
    recipe, _ = made
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="models cannot be written here"):
        resolve_model("tiny", recipe, root=tmp_path / "file")


def test_a_full_disk_is_said_and_leaves_only_what_the_training_can_go_on_from(made, tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    recipe, _ = made
    with pytest.raises(UserError, match=r"could not be written .*No space left"):
        resolve_model("tiny", recipe, root=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [f".{recipe.hash}.safetensors.partial"]
    monkeypatch.undo()
    made = resolve_model("tiny", recipe, root=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {made.name, f"{recipe.hash}.json"}


def test_the_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CLSIM_MODELS", str(tmp_path))
    assert models_root() == tmp_path
    monkeypatch.delenv("CLSIM_MODELS")
    assert models_root().parts[-3:] == (".cache", "clsim", "models")
