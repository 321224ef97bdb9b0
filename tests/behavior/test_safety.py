"""Weights, data sets and archives come from anywhere: none runs code, leaves its place or asks for everything."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from helpers.world import CommandLine, World, make_world
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from clsim.data.io import archive as archive_module

MARKER = "marker"
ARRIVING = """\
stream:
  kind: replacement
  dataset: "folder:{data}"
  base_classes: 4
  ways: 2
  replacements: [{{model: arriving, before: 1}}]
strategy: stationary
models:
  arriving: {{kind: checkpoint, path: "{path}", backbone: resnet14x4}}
"""


class Bomb:
    """Writes a file when it is unpickled by something that runs what a pickle says."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.marker), "w")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def clsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, monkeypatch, capsys)


def refuses(clsim: CommandLine, place: Path, *arguments: object) -> str:
    """A run ends with exit code 2 and names `place`; nothing ran and nothing was written. What it said."""
    before = files(Path())
    code, out, err = clsim("run", *arguments)
    assert (code, out) == (2, ""), err
    assert str(place) in err
    assert not Path(MARKER).exists()
    assert {path for path in files(Path()) - before if not path.startswith("no data/.cache/")} == set()
    return err


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_the_bomb_goes_off_where_it_is_let(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / MARKER)))
    assert (tmp_path / MARKER).exists()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".safetensors"])
@pytest.mark.parametrize("kind", ["torch", "torch in a table", "older torch", "pickle"])
def test_a_checkpoint_that_would_run_code(clsim: CommandLine, world: World, suffix: str, kind: str) -> None:
    bomb, path = Bomb(Path(MARKER).absolute()), Path(f"weights{suffix}").absolute()
    if kind == "pickle":
        path.write_bytes(pickle.dumps(bomb))
    else:
        content = {"conv.weight": torch.zeros(2), "bomb": bomb} if kind == "torch in a table" else bomb
        torch.save(content, path, _use_new_zipfile_serialization=kind != "older torch")
    refuses(clsim, path, world.scenario, "--set", f"strategy.pretrained={path}")
    Path("arriving.yaml").write_text(ARRIVING.format(data=world.data, path=path))
    refuses(clsim, path, "arriving.yaml")


@pytest.mark.parametrize(
    "change",
    [
        {"vision_cfg": {"layers": 10**9}},
        {"vision_cfg": {"width": 8 * 10**6}},
        {"text_cfg": {"vocab_size": 10**12}},
        {"text_cfg": {"hf_model_name": "someone/model"}},
        {"vision_cfg": {"timm_model_name": "resnet18"}},
        {"vision_cfg": {"layers": "three"}},
        {"vision_cfg": None},
        {"unknown": 1},
    ],
)
def test_an_architecture_that_the_weights_do_not_fill(
    clsim: CommandLine, world: World, change: dict[str, dict[str, object]]
) -> None:
    with safe_open(world.clip, framework="pt") as file:
        metadata = file.metadata()
    architecture = json.loads(metadata["architecture"])
    for key, value in change.items():
        architecture[key] = {**architecture[key], **value} if isinstance(value, dict) else value
    path = Path("altered.safetensors").absolute()
    save_file(load_file(world.clip), path, {**metadata, "architecture": json.dumps(architecture)})
    refuses(clsim, path, world.scenario, "--set", f"strategy.pretrained={path}")


@pytest.mark.parametrize("backbone", ["local-dir:.", "hf-hub:someone/model"])
def test_a_backbone_is_a_name_no_place(clsim: CommandLine, world: World, backbone: str) -> None:
    Path("open_clip_config.json").write_text("{}")
    code, _, err = clsim(
        "run", world.scenario, "--set", f"strategy.backbone='{backbone}'", "--set", "strategy.pretrained=null"
    )
    assert code == 2
    assert f"open_clip has no model '{backbone}'" in err


def test_cifar_batches_that_would_run_code(clsim: CommandLine, world: World) -> None:
    folder = Path("no data/cifar-100-python").absolute()
    folder.mkdir(parents=True)
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(pickle.dumps({"data": Bomb(Path(MARKER).absolute())}))
    refuses(clsim, folder, world.scenario, "--set", "stream.dataset=cifar100")


EVIL = ["../evil.png", "train/thing_0/../../../evil.png", "{root}/evil.png", "train\\..\\..\\evil.png"]


def archive(world: World, path: Path, **more: bytes) -> Path:
    """The images of the world, and `more` by name."""
    content = {str(file.relative_to(world.data)): file.read_bytes() for file in world.data.rglob("*.png")}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, data in {**content, **more}.items():
                zipped.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
            for name, data in {**content, **more}.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("kind", ["set.zip", "set.tar", "set.tar.gz"])
def test_an_archive_with_a_path_that_leads_out(clsim: CommandLine, world: World, kind: str, name: str) -> None:
    name = name.format(root=Path().absolute())
    path = archive(world, Path(kind).absolute(), **{name: next(world.data.rglob("*.png")).read_bytes()})
    assert "leads out" in refuses(clsim, path, world.scenario, "--set", f"stream.dataset=folder:{path}")
    assert not list(Path().absolute().parent.glob("**/evil.png"))


def test_links_and_devices_in_an_archive_are_left_out(clsim: CommandLine, world: World) -> None:
    outside = next(world.data.rglob("*.png"))
    path = archive(world, Path("set.tar").absolute())
    with tarfile.open(path, "a") as tar:
        for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)):
            info = tarfile.TarInfo(f"train/linked/{number}.png")
            info.type, info.linkname = kind, str(outside)
            tar.addfile(info)
    before = files(Path())
    code, _, err = clsim("run", world.scenario, "--set", f"stream.dataset=folder:{path}", "--out", "run")
    assert code == 0, err  # nine classes could not be divided up
    assert all(name.startswith(("run/", "no data/.cache/")) for name in files(Path()) - before)


def png_of(width: int, height: int) -> bytes:
    """A whole image of a few bytes for the size that it claims."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(b"\0" * 1000)) + part(b"IEND", b"")


@pytest.mark.parametrize("size", [(11_000, 11_000), (30_000, 30_000), (2**31 - 1, 1)])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_an_image_that_claims_to_be_enormous(
    clsim: CommandLine, world: World, size: tuple[int, int], kind: str
) -> None:
    name = "train/thing_1/bomb.png"
    if kind == "zip":
        data = archive(world, Path("set.zip").absolute(), **{name: png_of(*size)})
    else:
        data = Path("set").absolute()
        archive(world, Path("set.tar"), **{name: png_of(*size)})
        with tarfile.open("set.tar") as tar:
            tar.extractall(data, filter="data")
    change = ("--set", f"stream.dataset=folder:{data}", "--set", "stream.image_size=8")
    said = refuses(clsim, data / name, world.scenario, *change)
    assert "pixels" in said or "exceeds limit" in said


def test_postscript_by_another_name_is_not_run(
    clsim: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ghostscript = Path("bin/gs").absolute()
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch '{Path(MARKER).absolute()}'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent), prepend=":")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(x) run\n%%EOF\n"
    data = archive(world, Path("set.zip").absolute(), **{"train/thing_1/script.png": script})
    refuses(clsim, data / "train/thing_1/script.png", world.scenario, "--set", f"stream.dataset=folder:{data}")


@pytest.mark.parametrize("kind", ["a member", "many members", "a header", "a negative size", "a zip"])
def test_an_archive_that_unpacks_to_more_than_is_sensible(
    clsim: CommandLine, world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("set.zip" if kind == "a zip" else "set.tar.gz").absolute()
    if kind == "a zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped, zipped.open("a/1.png", "w") as member:
            for _ in range(257):
                member.write(bytes(2**20))
    elif kind == "many members":
        monkeypatch.setattr(archive_module, "ALWAYS_ALLOWED", 2**20)
        archive(world, path, **{f"a/{i}.png": bytes(2**20) for i in range(8)})
    else:
        info = tarfile.TarInfo("a/1.png")
        info.size = {"a member": 2**40, "a header": 2**24, "a negative size": -512}[kind]
        info.type = tarfile.XHDTYPE if kind == "a header" else tarfile.REGTYPE
        with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as tar:
            tar.fileobj.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**24 + 2**12))
    said = refuses(clsim, path, world.scenario, "--set", f"stream.dataset=folder:{path}")
    assert "too large" in said or "claims" in said


def test_images_of_the_usual_kinds_are_still_read(clsim: CommandLine, world: World) -> None:
    for number, kind in enumerate(("bmp", "gif", "jpeg", "png", "ppm", "tiff", "webp")):
        for split in ("train", "test"):
            picture = Image.new("RGB", (8, 8), (number, 0, 0))
            path = Path("set", split, f"class_{number}", f"1.{kind}")
            path.parent.mkdir(parents=True)
            picture.save(path)
    change = ("--set", f"stream.dataset=folder:{Path('set').absolute()}", "--set", "stream.shots=1")
    code, _, err = clsim("run", world.scenario, *change, "--set", "stream.base_classes=5", "--out", "run", "--quiet")
    assert (code, err) == (0, "")
