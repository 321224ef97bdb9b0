import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from clsim.models.checkpoints import read_weights
from clsim.models.torchscript import is_torchscript, read_torchscript
from clsim.utils.errors import UserError


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3).half()
        self.register_buffer("count", torch.tensor(7))
        self.names = ["a", "b"]

    def forward(self, x):
        return self.linear(x)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3).t())  # not contiguous
        self.blocks = nn.Sequential(Block(), Block())
        self.register_buffer("empty", torch.zeros(0))

    def forward(self, x):
        return self.blocks(x)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "network.pt"
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Network()), path)
    return path


def test_the_tensors_are_those_that_torch_reads(archive):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.jit.load(archive).state_dict()
    found = read_torchscript(archive)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)
    assert read_weights(archive)[0].keys() == expected.keys()


def test_other_files_are_no_archives(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"no zip")
    assert not is_torchscript(tmp_path / "a.pt")
    assert not is_torchscript(tmp_path / "b.pt")


def write(path, main, compression=zipfile.ZIP_STORED, record=b"\0" * 8):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("x/data.pkl", main)
        made.writestr("x/constants.pkl", b"")
        made.writestr("x/data/0", record, compression)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def test_an_archive_runs_no_code(tmp_path):
    path = tmp_path / "trap.pt"
    write(path, pickle.dumps({"a": Trap(tmp_path / "touched")}, protocol=2))
    with pytest.raises(UserError, match=r"trap\.pt"):
        read_weights(path)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("fault", ["more numbers than stored", "compressed", "no module"])
def test_damaged_archives_are_named(tmp_path, archive, fault):
    path = tmp_path / "damaged.pt"
    if fault == "no module":
        write(path, pickle.dumps(3, protocol=2))
    else:
        with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w") as made:
            for item in source.infolist():
                is_data = "/data/" in item.filename
                content = source.read(item)
                compression = zipfile.ZIP_DEFLATED if is_data and fault == "compressed" else zipfile.ZIP_STORED
                made.writestr(item.filename, content[:1] if is_data and fault != "compressed" else content, compression)
    with pytest.raises(UserError, match=r"damaged\.pt"):
        read_weights(path)
