import json
import random
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from verify.tampering import differing, edit, verdict_of

from clsim.metrics.feature_files import recompute_matrix
from clsim.metrics.pair_tests import recompute_pairs
from clsim.results.manifest import seal
from clsim.utils.errors import UserError
from clsim.verify import read_run
from clsim.verify.features import check_features
from clsim.verify.files import check_files

MATRIX = {
    "replaced": "matrix of nearest_class_mean from features",
    "upgrade": "matrix of cmc@1 from features",
    "texts": "matrix of recall@1 from features",
}


@pytest.mark.parametrize("kind", MATRIX)
def test_two_versions_that_changed_places_are_told(run, kind):
    path = run(kind)
    first, second = (path / "features" / f"version{number}.safetensors" for number in (0, 1))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert differing(path) >= {f"file features/version{number}.safetensors" for number in (0, 1)}
    seal(path)
    assert MATRIX[kind] in (left := differing(path)) and not any(what.startswith("file") for what in left)


def rewritten(file, change, info=None):
    """The file with other tensors, and its header with other facts."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        facts = opened.metadata()
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    change(tensors)
    save_file(tensors, file, facts | (info or {}))


@pytest.mark.parametrize("kind", MATRIX)
def test_altered_features_are_told(run, kind):
    path = run(kind)

    def better(tensors):
        """Turned round: what was nearest is now the farthest."""
        tensors["query"] = -tensors["query"]
        tensors["query"][:, 0] += 0.5

    rewritten(path / "features" / "version1.safetensors", better)
    assert "file features/version1.safetensors" in differing(path)
    seal(path)
    assert differing(path) & {MATRIX[kind], "flips and constraints from features"}


def test_features_said_to_be_of_other_images_are_told(run):
    path = run("replaced")
    rewritten(path / "features" / "version0.safetensors", lambda tensors: None, {"query_sha256": "0" * 64})
    seal(path)
    assert differing(path) == {"headers of features and manifest"}


def test_features_said_to_be_judged_otherwise_are_told(run):
    path = run("texts")
    rewritten(path / "features" / "version0.safetensors", lambda tensors: None, {"criterion": "recall@5"})
    seal(path)
    assert differing(path) == {"headers of features and manifest"}


def test_other_labels_are_told(run):
    path = run("replaced")
    rewritten(path / "features" / "labels.safetensors", lambda tensors: tensors.update(query=tensors["query"].flip(0)))
    seal(path)
    assert MATRIX["replaced"] in differing(path)


def test_versions_missing_or_too_many_are_told(run):
    path = run("upgrade")
    shutil.copy(path / "features" / "version2.safetensors", path / "features" / "version3.safetensors")
    assert "file features/version3.safetensors" in differing(path)
    seal(path)
    assert differing(path) == {"versions in features/"}
    for number in (3, 1):
        (path / "features" / f"version{number}.safetensors").unlink()
    assert "file features/version1.safetensors" in differing(path)
    seal(path)
    assert differing(path) == {"features"}
    shutil.rmtree(path / "features")
    seal(path)
    assert differing(path) == {"features"}


def test_another_machine_may_round_otherwise(run, monkeypatch):
    """A share that another machine computed may be one query off in a thousand, no more."""
    path = run("upgrade")
    edit(path / "manifest.json", lambda content: content.update(device="cuda:0"))
    assert not differing(path)

    def record(change):
        def of(content):
            content["sessions"][1]["compatibility"]["also"]["map"][0] += change
            content["matrices"]["map"][1][0] += change

        return of

    for change, verdict in ((5e-4, "agrees"), (2e-3, "DIFFERS")):
        edit(path / "results.json", record(change))
        assert verdict_of(path, "matrix of map from features") == verdict
    edit(path / "manifest.json", lambda content: content.update(device="cpu"))
    edit(path / "results.json", record(-2e-3))
    assert verdict_of(path, "matrix of map from features") == "DIFFERS"


def header(data: bytes) -> dict:
    return json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])


def with_header(data: bytes, text: bytes, length: int | None = None) -> bytes:
    body = data[8 + struct.unpack("<Q", data[:8])[0] :]
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def of_tensor(data: bytes, rng: random.Random) -> bytes:
    """Another type, shape, place or name of a tensor."""
    content = header(data)
    name = rng.choice([key for key in content if key != "__metadata__"])
    rows, *width = content[name]["shape"]
    size = content[name]["data_offsets"][1] - content[name]["data_offsets"][0]
    changes = [
        {"dtype": rng.choice(["BF16", "I16", "U16", "F32", "I64", "BOOL", "F8_E4M3", "F4", "C64", "Z9", "", 7])},
        {"dtype": "U8", "shape": [size]},
        {"dtype": "F8_E5M2", "shape": [size // 2, 2]},
        {"dtype": "C64", "shape": [size // 8]},
        {"shape": [rows * 2, *width]},
        {"shape": [1, rows, *width]},
        {"shape": [*width, rows]},
        {"shape": [0, *width], "data_offsets": [0, 0]},
        {"shape": [-1]},
        {"shape": [2**63, 2**63]},
        {"shape": "all"},
        {"data_offsets": [0, size + 10**9]},
        {"data_offsets": [size, 0]},
        {"data_offsets": [-2, size]},
    ]
    content[name] |= rng.choice(changes)
    if rng.random() < 0.3:
        content[rng.choice(["gallery", "other", "", "query", "\u2028"])] = content.pop(name)
    return with_header(data, json.dumps(content).encode())


def of_header(data: bytes, rng: random.Random) -> bytes:
    """A header that is none, or none of ours."""
    told = json.dumps(header(data)).encode()
    return rng.choice(
        [
            with_header(data, told, rng.choice([0, 1, len(told) // 2, 2**31, 2**40, 2**63, 2**64 - 1])),
            with_header(data, b"[" * rng.choice([10, 5000])),
            with_header(data, b'{"__metadata__": {"query_sha256": 5}}'),
            with_header(data, b'{"__metadata__": null}'),
            with_header(data, b"{}"),
            with_header(data, b"\xff\xfe" + told),
            with_header(data, told[:-1] + b', "query": 1}'),
            with_header(data, told.replace(b"F16", b"F17").replace(b"I64", b"U64")),
        ]
    )


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    content = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 50])):
        content[rng.randrange(rng.choice([16, 300, len(data)]))] ^= 1 << rng.randrange(8)
    return bytes(content)


def random_bytes(data: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 7, 8, 9, 100, len(data)]))


def not_a_number(data: bytes, rng: random.Random) -> bytes:
    """Features that are no numbers, and labels that are any."""
    start = 8 + struct.unpack("<Q", data[:8])[0]
    return data[:start] + rng.choice([b"\xff", b"\x00\x7c", b"\x00\xfc\x00\x7e"]) * (len(data) - start)


MUTATIONS = (of_tensor, of_header, truncated, flipped, random_bytes, not_a_number)


@pytest.mark.parametrize("kind", ["upgrade", "texts"])
def test_no_mutated_file_of_features_ends_in_a_crash(run, kind):
    """Each is an error that a user can read, or at least a difference."""
    path, rng, told = run(kind), random.Random(7), dict.fromkeys(("read all the same", "refused"), 0)
    files, left = sorted((path / "features").iterdir()), read_run(path)
    originals = {file: file.read_bytes() for file in files}
    # Attackers who fix the hash: a mutated file that is as good as another is told by the figures.
    for number in range(240):
        file = files[number % len(files)]
        mutation = MUTATIONS[number // len(files) % len(MUTATIONS)]
        content = mutation(originals[file], rng) if rng.random() < 0.9 else originals[rng.choice(files)]
        file.write_bytes(content)
        try:
            recompute_pairs(path / "features", 1) if kind == "texts" else recompute_matrix(path / "features", "cmc@1")
            told["read all the same"] += 1
        except UserError as error:
            assert error.where
            told["refused"] += 1
        verdicts = [check.verdict for check in [*check_files(left), *check_features(left)]]
        assert ("DIFFERS" in verdicts) == (content != originals[file]), mutation
        file.write_bytes(originals[file])
    print(f"{sum(told.values())} mutated files: {told}")
    assert told["refused"] > 100
    assert all(check.verdict == "agrees" for check in check_features(left))
    assert torch.get_num_threads() >= 1
