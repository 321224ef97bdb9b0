"""bfloat16 runs only where the processor supports it; elsewhere fp32 runs, and the manifest records both."""

import json
import subprocess
import sys

import pytest
from helpers.listening import Heard

import clsim
from clsim.config import load_scenario
from clsim.experiment.stand_in import stand_in_for
from clsim.report.compare.agreement import circumstances
from clsim.report.compare.runs import read_runs
from clsim.utils import precision
from clsim.utils.precision import INSISTED, KEPT, REPLACED, Processor, is_emulated, this_processor, usable
from clsim.verify import verify

EPYC = Processor("x86_64", avx512_bf16=True, library=True)
LAPTOP = Processor("x86_64", library=False)
SKYLAKE = Processor("x86_64", library=True)  # AVX-512 without bf16: oneDNN takes it and converts
SAPPHIRE = Processor("x86_64", avx512_bf16=True, amx=True, library=True)

SMALL = """\
stream: {kind: fscil, dataset: shapes, base_classes: 3, ways: 1, shots: 1, sessions: 1, splits: {draw: 0}}
strategy: fine_tune
strategies:
  fine_tune: {backbone: resnet8x2, base_epochs: 1, epochs: 1, base_batch_size: 64, precision: bf16}
"""


@pytest.mark.parametrize(
    ("processor", "computes"),
    [
        (EPYC, True),
        (SAPPHIRE, True),
        (Processor("x86_64", amx=True, library=True), True),
        (Processor("AMD64", avx512_bf16=True, library=True), True),
        (Processor("aarch64", library=True), True),
        (Processor("arm64", library=True), True),
        (LAPTOP, False),
        (SKYLAKE, False),
        (Processor("x86_64", avx512_bf16=True, library=False), False),  # a torch without oneDNN
        (Processor("aarch64", library=False), False),
        (Processor("ppc64le", library=True), False),
    ],
)
def test_which_processors_compute_in_bf16(processor, computes):
    assert processor.computes_bf16 is computes


@pytest.mark.parametrize(
    ("limit", "computes"),
    [
        ("", True),
        ("DEFAULT", True),
        ("ALL", True),
        ("AVX512_CORE_BF16", True),
        ("AVX512_CORE_AMX", True),
        ("AVX512_CORE", False),
        ("AVX512_CORE_VNNI", False),
        ("AVX2", False),
        ("avx2", False),
        ("AVX2_VNNI", False),
        ("SSE41", False),
    ],
)
def test_the_limit_of_the_library_counts(limit, computes):
    assert Processor("x86_64", avx512_bf16=True, amx=True, library=True, limit=limit).computes_bf16 is computes


def test_only_bf16_on_a_cpu_is_replaced():
    assert usable("bf16", "cpu", LAPTOP) == "fp32"
    assert usable("bf16", "cpu", EPYC) == "bf16"
    assert usable("bf16", "cuda:0", LAPTOP) == "bf16"
    assert usable("fp16", "cpu", LAPTOP) == "fp16"
    assert usable("fp32", "cpu", EPYC) == "fp32"
    assert is_emulated("bf16", "cpu", LAPTOP) and not is_emulated("fp32", "cpu", LAPTOP)


def test_the_limit_is_read_from_the_environment_by_both_names():
    code = "from clsim.utils.precision import this_processor as t; print(t().limit, t().computes_bf16)"
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PATH": "", name: "AVX2"}, capture_output=True, text=True
        )
        assert done.stdout.split() == ["AVX2", "False"], done.stderr


def test_a_torch_that_cannot_answer_counts_as_no(monkeypatch):
    monkeypatch.delattr("torch.cpu._is_avx512_bf16_supported", raising=False)
    monkeypatch.delattr("torch.cpu._is_amx_tile_supported", raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert not this_processor().computes_bf16


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path / "small.yaml"


def on(monkeypatch, processor):
    monkeypatch.setattr(precision, "this_processor", lambda: processor)


def ran(small, folder, monkeypatch, processor, *changes, **options):
    on(monkeypatch, processor)
    heard = Heard()
    clsim.run(small, overrides=changes, device="cpu", out=folder, listeners=[heard], **options)
    manifest = json.loads((folder / "manifest.json").read_text())
    return (manifest["precision"], manifest["precision_requested"]), heard.notes


def test_a_scenario_that_ships_bf16_runs_in_fp32_where_it_is_emulated(small, tmp_path, monkeypatch):
    found, said = ran(small, tmp_path / "run", monkeypatch, LAPTOP)
    assert found == ("fp32", "bf16")
    assert said[0] == REPLACED
    checks = {check.what: check for check in verify(tmp_path / "run").checks}
    assert checks["precision"].verdict == "agrees" and checks["precision"].detail == "fp32 instead of bf16"
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({**manifest, "precision": "fp16"}))
    assert {check.what: check.verdict for check in verify(tmp_path / "run").checks}["precision"] == "DIFFERS"


def test_its_figures_are_those_of_fp32(small, tmp_path, monkeypatch):
    ran(small, tmp_path / "a", monkeypatch, LAPTOP)
    ran(small, tmp_path / "b", monkeypatch, EPYC, "strategy.precision=fp32")
    weights = [(tmp_path / run / "checkpoints" / "last.safetensors").read_bytes() for run in "ab"]
    assert weights[0] == weights[1]


def test_who_asks_for_bf16_by_hand_gets_it_with_a_warning(small, tmp_path, monkeypatch):
    found, said = ran(small, tmp_path / "run", monkeypatch, LAPTOP, "strategy.precision=bf16")
    assert found == ("bf16", "bf16") and said[0] == INSISTED
    found, said = ran(small, tmp_path / "other", monkeypatch, EPYC)
    assert found == ("bf16", "bf16") and said == []


def test_a_run_is_resumed_in_the_precision_that_it_began_in(small, tmp_path, monkeypatch):
    ran(small, tmp_path / "run", monkeypatch, LAPTOP)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    del manifest["files"]
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "run" / "results.json").write_text(json.dumps({**results, "status": "interrupted"}))
    found, said = ran(small, tmp_path / "run", monkeypatch, EPYC, resume=True)
    assert found == ("fp32", "bf16")
    assert said[0] == KEPT.format(used="fp32", requested="bf16")


def test_runs_of_one_strategy_in_two_precisions_differ(small, tmp_path, monkeypatch):
    ran(small, tmp_path / "a", monkeypatch, LAPTOP)
    ran(small, tmp_path / "b", monkeypatch, EPYC, seed=1)
    runs = read_runs([tmp_path / "a", tmp_path / "b"])
    assert "not the same in all runs: precision of fine_tune (fp32, bf16)" in list(circumstances(runs))


def test_a_stand_in_keeps_the_precision_that_was_asked_for_by_hand(tmp_path, monkeypatch):
    (tmp_path / "far.yaml").write_text(
        SMALL.replace("dataset: shapes", 'dataset: "folder:nowhere"') + "otherwise: ./small.yaml\n"
    )
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    for changes, by_hand in (((), False), (("strategy.precision=bf16",), True)):
        stand_in, dropped = stand_in_for(load_scenario(tmp_path / "far.yaml", changes))
        assert stand_in.overrides_setting("precision") is by_hand
        assert dropped == []


def test_an_override_is_by_hand_even_if_it_changes_nothing(small):
    assert not load_scenario(small).overrides_setting("precision")
    assert load_scenario(small, ["strategy.precision=bf16"]).overrides_setting("precision")
    assert load_scenario(small, {"strategies.fine_tune.precision": "bf16"}).overrides_setting("precision")
    assert not load_scenario(small, ["strategy.epochs=2"], seed=3).with_seed(4).overrides_setting("precision")
