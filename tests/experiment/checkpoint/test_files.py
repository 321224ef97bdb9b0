import itertools
import json
import random
import sys

import pytest
import torch

from clsim.experiment.checkpoint.files import FIRST, CheckpointId, Checkpoints, Damaged

STATE = {"model": {"w": torch.arange(12.0).reshape(3, 4)}, "step": 7, "loss": [0.1, float("nan")]}


def test_a_moment_has_a_name_and_an_order():
    moments = [
        CheckpointId(0, 0, 5),
        CheckpointId(0, 0, 12),
        CheckpointId(0, 1),
        CheckpointId(0, 2),
        CheckpointId(1, 0, 1),
        CheckpointId(10, 2),
    ]
    assert all(early < late for early, late in itertools.pairwise(moments))
    assert [CheckpointId.parse(moment.name) for moment in moments] == moments
    assert CheckpointId(3, 0, 12).name == "session0003-step000000012"
    assert str(CheckpointId(3, 0, 12)) == "session 3, after 12 iterations"
    assert str(CheckpointId(3, 2)) == "session 3"
    for strange in ("last", "session1-done", "session0001-step", "session0001-done ", "session0001-donedone"):
        assert CheckpointId.parse(strange) is None


def test_a_state_comes_back(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.ids() == []
    checkpoints.save(CheckpointId(0, 2), STATE)
    assert checkpoints.ids() == [CheckpointId(0, 2)]
    found = checkpoints.load(CheckpointId(0, 2))
    assert torch.equal(found["model"]["w"], STATE["model"]["w"])
    assert found["step"] == 7
    assert str(found["loss"]) == "[0.1, nan]"


def test_the_last_two_are_kept_of_sessions_and_of_the_present_one(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / "last.safetensors").write_bytes(b"not a checkpoint")
    for session in range(3):
        for step in (10, 20, 30):
            checkpoints.save(CheckpointId(session, 0, step), STATE)
        checkpoints.save(CheckpointId(session, 1), STATE)
        if session == 2:
            break
        checkpoints.save(CheckpointId(session, 2), STATE)
    assert checkpoints.ids() == [CheckpointId(2, 1), CheckpointId(2, 0, 30), CheckpointId(1, 2), CheckpointId(0, 2)]
    checkpoints.save(CheckpointId(2, 2), STATE)
    assert checkpoints.ids() == [CheckpointId(2, 2), CheckpointId(1, 2)]
    assert len(list(tmp_path.iterdir())) == 5


def test_what_lies_after_the_one_to_go_on_from_is_forgotten(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for moment in (CheckpointId(0, 2), CheckpointId(1, 0, 3), CheckpointId(1, 0, 6)):
        checkpoints.save(moment, STATE)
    checkpoints.forget_after(CheckpointId(1, 0, 3))
    assert checkpoints.ids() == [CheckpointId(1, 0, 3), CheckpointId(0, 2)]
    checkpoints.forget_after(None)
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_leaves_those_before(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(CheckpointId(0, 2), STATE)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    for where in ("safetensors.torch.save_file", "pathlib.Path.write_text", "os.fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(where, full)
            with pytest.raises(OSError, match="No space"):
                checkpoints.save(CheckpointId(1, 2), STATE)
        assert CheckpointId(0, 2) in checkpoints.ids()
        assert checkpoints.load(CheckpointId(0, 2))["step"] == 7
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_missing_file_is_damage(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(Damaged, match="No such file"):
        checkpoints.load(CheckpointId(0, 2))
    checkpoints.save(CheckpointId(0, 2), STATE)
    (tmp_path / "session0000-done.safetensors").unlink()
    with pytest.raises(Damaged):
        checkpoints.load(CheckpointId(0, 2))


def mutations(content: bytes, draw: random.Random):
    """One damage after the other, of every kind that disks, copies and hands do."""
    while True:
        kind, place = draw.randrange(7), draw.randrange(len(content))
        length = draw.randrange(1, 40)
        if kind == 0:
            yield content[:place]
        elif kind == 1:
            yield content[:place] + bytes([content[place] ^ (1 << draw.randrange(8))]) + content[place + 1 :]
        elif kind == 2:
            yield content[:place] + draw.randbytes(length) + content[place + length :]
        elif kind == 3:
            yield content[:place] + draw.randbytes(length) + content[place:]
        elif kind == 4:
            yield content[:place] + content[place + length :]
        elif kind == 5:
            yield draw.randbytes(draw.randrange(200))
        else:
            yield draw.randrange(2**64).to_bytes(8, "little") + content[8:]


def test_altered_files_are_told_and_nothing_of_them_is_loaded(tmp_path, capsys):
    checkpoints, moment = Checkpoints(tmp_path), CheckpointId(0, 2)
    checkpoints.save(moment, STATE)
    draw, told = random.Random(5), 0
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        made = mutations(whole, draw)
        for _ in range(150):
            altered = next(made)
            if altered == whole:
                continue
            path.write_bytes(altered)
            with pytest.raises(Damaged):
                checkpoints.load(moment)
            told += 1
        path.write_bytes(whole)
    assert checkpoints.load(moment)["step"] == 7
    assert told >= 200
    with capsys.disabled():
        print(f"\n{told} altered checkpoints were told, seed 5", file=sys.stderr)  # a worker has no standard output


@pytest.mark.parametrize("text", ["[" * 100_000, '{"state": ' * 5000, "null", "[]", '{"checksum": 1}', "NaN", ""])
def test_json_that_is_no_checkpoint_is_damage(tmp_path, text):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(CheckpointId(0, 2), STATE)
    (tmp_path / "session0000-done.json").write_text(text)
    with pytest.raises(Damaged):
        checkpoints.load(CheckpointId(0, 2))


def test_another_format_is_told(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(CheckpointId(0, 2), STATE)
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(Damaged, match="format is 99"):
        checkpoints.load(CheckpointId(0, 2))


def test_a_pickle_in_the_place_of_a_checkpoint_is_not_run(tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    checkpoints = Checkpoints(tmp_path)
    for suffix in ("json", "safetensors"):
        checkpoints.save(CheckpointId(0, 2), STATE)
        (tmp_path / f"session0000-done.{suffix}").write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(Damaged):
            checkpoints.load(CheckpointId(0, 2))
        (tmp_path / f"session0000-done.{suffix}").write_bytes(b"")
        torch.save({"w": Bomb()}, tmp_path / f"session0000-done.{suffix}")
        with pytest.raises(Damaged):
            checkpoints.load(CheckpointId(0, 2))
    assert not (tmp_path / "ran").exists()


def test_the_checkpoint_after_the_base_session_stays_until_it_is_released(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keeps_first=True)
    for session in range(5):
        checkpoints.save(CheckpointId(session, 2), STATE)
    assert checkpoints.ids() == [CheckpointId(4, 2), CheckpointId(3, 2), FIRST]
    checkpoints.release_first()
    assert checkpoints.ids() == [CheckpointId(4, 2), CheckpointId(3, 2)]
