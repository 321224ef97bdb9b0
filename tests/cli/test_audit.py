"""The command ``clsim audit``."""

import json

import numpy as np
import pytest
from helpers.upgrades import upgrade


@pytest.fixture
def files(tmp_path):
    old, new, labels = upgrade(count=600)
    for name, array in (("old", old), ("new", new), ("labels", labels)):
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path


def audited(command, files, *more):
    fast = ["--bridges", "identity,procrustes", "--set", "resamples=100", "--set", "index_items=0"]
    return command("audit", str(files / "old.npy"), str(files / "new.npy"), *fast, *more)


def test_from_two_files_to_a_verdict(command, files):
    code, out, err = audited(command, files, "--out", str(files / "audit"))
    assert code == 0 and "fitting procrustes" in err
    record = json.loads((files / "audit" / "audit.json").read_text())
    assert record["inputs"]["items"] == 600 and out.strip()


def test_json_is_all_that_is_printed(command, files):
    code, out, err = audited(command, files, "--json", "--labels", str(files / "labels.npy"))
    assert (code, err) == (0, "")
    assert {"cmc@1", "recall@10"} <= set(json.loads(out)["arrangements"][0]["figures"])
    assert sorted(path.name for path in files.iterdir()) == ["labels.npy", "new.npy", "old.npy"]


def test_a_missed_requirement_ends_with_3(command, files):
    code, _, err = audited(command, files, "--require", "recall@10>=0", "--require", "recall@10>1")
    assert code == 3 and "not met: recall@10>1" in err and "recall@10>=0" not in err.split("not met")[1]
    assert audited(command, files, "--require", "recall@10>=0")[0] == 0


def test_prices_reach_the_record(command, files):
    given = ["--seconds-per-1000", "20", "--price-per-1000", "0.5", "--items", "10000"]
    _, out, _ = audited(command, files, "--json", *given)
    cost = next(each for each in json.loads(out)["arrangements"] if each["name"] == "full_reindex")["cost"]
    assert (cost["embed_seconds"], cost["embed_money"], cost["embedded_items"]) == (200.0, 5.0, 10_000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--set", "kay=5"], "'kay'"),
        (["--set", "k"], "KEY=VALUE"),
        (["--set", "k=0"], "k"),
        (["--set", "k=[1"], "cannot be read"),
        (["--k", "many"], "--k"),
        (["--bridges", "golden_gate"], "golden_gate"),
        (["--require", "recall"], "--require"),
        (["--labels", "none.npy"], "none.npy"),
        (["--relevant", "none.csv", "--labels", "none.npy"], "exclude each other"),
        (["--out", ""], "--out"),
        (["--new-ids", "ids"], "--ids"),
        (["--model", "resnet9000"], "resnet9000"),
        (["--model", "resnet9000", "--seconds-per-1000", "3"], "exclude each other"),
        (["--seed", "-1"], "seed"),
        (["--address", "auto"], "--engine ray"),
        (["--engine", "dask"], "--engine"),
    ],
)
def test_wrong_input_ends_with_2_and_writes_nothing(command, files, given, message):
    before = sorted(files.iterdir())
    code, _, err = audited(command, files, *(given if "--out" in given else [*given, "--out", str(files / "audit")]))
    assert code == 2 and message in err and "Traceback" not in err
    assert sorted(files.iterdir()) == before


def test_one_version_is_no_upgrade(command, files):
    code, _, err = command("audit", str(files / "old.npy"))
    assert code == 2 and "two models" in err


def test_three_versions_are_a_chain(command, files):
    more = np.load(files / "new.npy")[:, ::-1] + np.float32(0.01)
    np.save(files / "third.npy", more)
    given = [str(files / f"{name}.npy") for name in ("old", "new", "third")]
    fast = ["--bridges", "procrustes", "--set", "resamples=100", "--set", "index_items=0"]
    code, out, _ = command("audit", *given, *fast, "--labels", str(files / "labels.npy"), "--out", str(files / "chain"))
    assert code == 0 and "3 to 1, query side" in out and "The last upgrade" in out
    record = json.loads((files / "chain" / "chain.json").read_text())
    assert len(record["cells"]) == 6 and (files / "chain" / "audit.html").is_file()
    code, out, _ = command("audit", *given, *fast, "--json")
    assert code == 0 and json.loads(out)["am"]["direct"] > json.loads(out)["am"]["plain"]
    code, _, err = command("audit", *given, "--query-labels", str(files / "labels.npy"))
    assert code == 2 and "takes no queries" in err


@pytest.mark.slow
def test_the_figures_on_ray_are_those_of_one_process(command, files):
    ray = pytest.importorskip("ray")
    code, there, err = audited(command, files, "--json", "--engine", "ray")
    ray.shutdown()
    assert code == 0, err
    _, here, _ = audited(command, files, "--json")
    for first, second in zip(json.loads(there)["arrangements"], json.loads(here)["arrangements"], strict=True):
        assert (first["name"], first["figures"], first["kept"]) == (second["name"], second["figures"], second["kept"])
