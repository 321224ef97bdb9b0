"""Each benchmark on little work: its figures are there, and what is compared gives the same results."""

import json

import pytest
import torch
from helpers.errors import refused
from typer.testing import CliRunner

from clsim.cli import benchmarks
from clsim.cli import main as cli
from clsim.cli.benchmarks import audit, clip, clip_work, loop, machine, matrix, retrieval, stream
from clsim.cli.benchmarks.machine import Machine
from clsim.cli.benchmarks.table import show_benchmark
from clsim.report.console.choose import make_console

MACHINE = Machine("CPU, 2 threads", {"fp32": 1e11, "bf16": 4e11}, 1e10)


def positive(figures):
    for value in figures.values():
        positive(value) if isinstance(value, dict) else None
        assert isinstance(value, dict) or value > 0
    return True


def test_loop(monkeypatch):
    monkeypatch.setattr(loop, "IMAGES", 320)
    found = loop.bench_loop(MACHINE, rounds=1).figures
    assert positive(found)
    assert {"bare_us", "clsim_us", "avalanche_us"} <= set(found)
    assert found["avalanche_us"] > found["clsim_us"]


def test_loop_compares_the_same_training(monkeypatch):
    """From the same weights, the bare loop's way through a session and clsim's end near each other."""
    monkeypatch.setattr(loop, "IMAGES", 3200)
    models = []
    made = loop._model
    monkeypatch.setattr(loop, "_model", lambda: models.append(made()) or models[-1])
    stream, device = loop._stream(), torch.device("cpu")
    loop._bare(stream, device)
    loop._clsim(stream, device)
    loop._avalanche(loop._avalanche_stream(stream), device)
    start = made()[1].weight.detach()
    moves = [(model[1].weight.detach() - start).flatten() for model in models]
    for other in moves[1:]:  # other orders of the same batches
        assert float(torch.cosine_similarity(moves[0], other, dim=0)) > 0.9
        assert float(other.norm() / moves[0].norm()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_clip_gives_what_the_published_way_gives(monkeypatch):
    monkeypatch.setattr(clip_work, "TEST", 5)
    found = clip.bench_clip(MACHINE, rounds=1, backbone="ViT-S-32-alt", seen=(20,)).figures
    assert positive(found)
    assert found["logits_differ"] < 1e-3
    assert found["gradients_differ"] < 1e-4
    assert set(found["by_classes"]) == {"100", "20"}
    wanted = {"image_forward_s", "image_forward_backward_s", "train_step_s", "published_step_s", "evaluation_s"}
    assert wanted | {"published_evaluation_s", "bf16_train_step_s"} <= set(found)


@pytest.mark.slow
def test_clip_leaves_bf16_out_where_it_is_emulated(monkeypatch):
    monkeypatch.setattr(clip_work, "TEST", 2)  # batches: an image for each class that is tested
    found = clip.bench_clip(Machine("CPU", {"fp32": 1e11}, 1e10), rounds=1, backbone="ViT-S-32-alt", seen=())
    assert positive({key: value for key, value in found.figures.items() if key != "by_classes"})
    assert not [key for key in found.figures if "bf16" in key]
    assert not [line.what for line in found.lines if "bf16" in line.what]


def test_matrix_takes_two_passes_a_model(monkeypatch):
    monkeypatch.setattr(matrix, "IMAGES", 100)
    found = matrix.bench_matrix(MACHINE, rounds=1).figures
    assert found["passes"] == {"3": 6, "6": 12, "12": 24}
    assert positive(found["seconds"])


def test_stream(monkeypatch):
    monkeypatch.setattr(stream, "SHOWN", (2, 3))
    found = stream.bench_stream(MACHINE, sessions=3).figures
    assert positive({name: value for name, value in found.items() if name != "disk_bytes"})
    assert set(found["train_s"]) == {"2", "3"}
    assert all(size > 0 for size in found["disk_bytes"].values())


def test_retrieval(monkeypatch):
    monkeypatch.setattr(retrieval, "SIZES", (50, 200))
    monkeypatch.setattr(retrieval, "SEARCH", (20, 70_000, 10))
    found = retrieval.bench_retrieval(MACHINE, rounds=1).figures
    assert found.pop("map_differs") < 1e-6
    assert positive(found)
    assert found["search_peak_bytes"] > 0


def test_audit(monkeypatch):
    for name, value in {
        "SIZES": (300, 600),
        "WIDTH": 12,
        "QUERIES": 60,
        "INNER": 6,
        "CLASSES": 20,
        "CHUNK": 250,
    }.items():
        monkeypatch.setattr(audit, name, value)
    found = audit.bench_audit(MACHINE).figures
    assert set(found["by_size"]) == {"300", "600"} and positive(found["by_size"])
    assert {"fit", "search", "measure"} <= set(found["stages"]) and found["peak_bytes"] > 0
    assert 2 ** found["growth"] == pytest.approx(found["by_size"]["600"] / found["by_size"]["300"])


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(loop, "IMAGES", 320)
    monkeypatch.setattr(machine, "measure_machine", lambda device: MACHINE)


def test_the_command_prints_a_table_with_the_limit_beside_each_figure(little):
    done = CliRunner().invoke(cli.app, ["bench", "loop"])
    assert done.exit_code == 0, done.output
    assert "of the limit" in done.output
    assert "clsim over bare PyTorch" in done.output
    assert "CPU, 2 threads: matrix product fp32 100, bf16 400 GFLOP/s, copy 10 GB/s" in done.output


def test_json_is_one_object(little):
    done = CliRunner().invoke(cli.app, ["bench", "loop", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["bare_us"] > 0
    assert found["machine"]["device"] == "CPU, 2 threads"


def test_an_unknown_name_is_refused():
    done = CliRunner().invoke(cli.app, ["bench", "lop"])
    assert done.exit_code == 2
    with refused(ValueError, names=("loop, clip, matrix, stream, retrieval, audit", "lop")):
        benchmarks.run_benchmark("lop")


def test_the_table_on_a_terminal(monkeypatch):
    from io import StringIO

    from rich.console import Console

    from clsim.cli.benchmarks.result import BenchResult, Line

    result = BenchResult("loop", "a step", {}, [Line("a step", 4.0, "s", 1.0), Line("a ratio", 1.5, "times")])
    out = StringIO()
    show_benchmark(Console(file=out, force_terminal=True, width=100), result, MACHINE)
    text = out.getvalue()
    assert "25%" in text
    assert "4.00 s" in text
    assert "1.50 times" in text
    assert make_console(StringIO()).is_terminal is False
