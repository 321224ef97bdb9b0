"""A published row stands beside the protocol that it was measured by, and beside no other."""

import json
from pathlib import Path

import pytest

import clsim
from clsim.config import load_scenario
from clsim.config.load import read_resolved
from clsim.report.compare import compare
from clsim.utils.errors import UserError

SCENARIO = """\
stream: {kind: fscil, dataset: shapes, base_classes: 4, ways: 2, shots: 2, sessions: 2, splits: {draw: 1}}
strategy: fine_tune
strategies: {fine_tune: {backbone: resnet8x2, base_epochs: 1, epochs: 1, base_batch_size: 64}}
evaluation:
  compatibility: {images: stream, query: test, gallery: test, criterion: cmc@1, images_per_class: 5}
published:
  fine_tune: {accuracy: [0.9, 0.8, 0.7], ac: 0.5, self_test: [0.3, 0.2, 0.1], source: a paper}
  other: {am: 0.5, source: another paper}
seed: 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    return tmp_path / "s.yaml"


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["strategy.epochs=3"],  # the method's own
        ["seed=3"],
        ["stream.shots=2"],  # what it is already
        ["stream.class_order=natural"],  # its default
        ["evaluation.batch_size=7", "evaluation.forgetting=false"],
        ["evaluation.compatibility.also=[map]"],  # one criterion more changes no other figure
    ],
)
def test_what_does_not_touch_the_protocol_leaves_the_rows(file, changes):
    loaded = load_scenario(file, changes)
    assert loaded.other_protocol == ()
    assert loaded.published == load_scenario(file).published and len(loaded.published) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["stream.shots=1"], ("stream.shots",)),
        (["stream.ways=1", "stream.shots=1"], ("stream.ways", "stream.shots")),
        (["stream.sessions=1"], ("stream.sessions",)),  # whose row would have another length
        (["stream.splits={draw: 2}"], ("stream.splits",)),
        (["stream.image_size=16"], ("stream.image_size",)),
    ],
)
def test_another_stream_has_no_published_rows(file, changes, told):
    loaded = load_scenario(file, changes)
    assert loaded.published == {}
    assert loaded.other_protocol == told
    assert loaded.with_seed(4).other_protocol == told


def test_another_comparison_of_versions_leaves_the_accuracies(file):
    loaded = load_scenario(file, ["evaluation.compatibility.criterion=map"])
    assert loaded.other_protocol == ("evaluation.compatibility.criterion",)
    assert list(loaded.published) == ["fine_tune"]
    row = loaded.published["fine_tune"]
    assert row.accuracy == [0.9, 0.8, 0.7] and row.ac is None and row.self_test is None


def test_rows_given_by_hand_with_the_change_stay(file):
    row = {"fine_tune": {"accuracy": [0.9, 0.8, 0.7], "source": "a paper with one shot"}}
    loaded = load_scenario(file, {"stream.shots": 1, "published": row})
    assert loaded.published["fine_tune"].accuracy == [0.9, 0.8, 0.7]


def test_a_model_that_arrives_is_part_of_the_protocol_and_another_is_not():
    path = Path(clsim.config.discovery.find_scenario("cifar_replacement_7"))
    names = list(load_scenario(path).models)
    changed = load_scenario(path, [f"models.{names[0]}.epochs=1"])
    assert changed.other_protocol == (f"models.{names[0]}",)
    assert changed.published == {} and load_scenario(path).published


def test_a_run_says_it_once_and_no_file_of_it_has_the_row(file, tmp_path, capfd):
    clsim.run(file, overrides=["stream.shots=1"], out=tmp_path / "run", device="cpu")
    said = capfd.readouterr().err
    assert "published figures left out: they are of another protocol (changed: stream.shots)" in said
    assert read_resolved(tmp_path / "run" / "scenario.yaml").published == {}
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["other_protocol"] == ["stream.shots"]
    compared = compare([tmp_path / "run"])
    assert compared.published == {}
    assert any("another protocol" in note for note in compared.notes)


def test_a_row_whose_length_only_the_data_can_tell_is_refused_before_training(tmp_path):
    text = SCENARIO.replace("sessions: 2, ", "").replace("dataset: shapes", 'dataset: "folder:pics"')
    text = text.replace("[0.9, 0.8, 0.7]", "[0.9, 0.8]").replace("self_test: [0.3, 0.2, 0.1], ", "")
    numbers = iter(range(1000))
    from PIL import Image

    for name in "abcdefgh":
        for part, images in (("train", 4), ("test", 2)):
            (tmp_path / "pics" / part / name).mkdir(parents=True)
            for _ in range(images):
                number = next(numbers)
                Image.new("RGB", (32, 32), (number % 256, number // 256, 7)).save(
                    tmp_path / "pics" / part / name / f"{number}.png"
                )
    (tmp_path / "s.yaml").write_text(text.replace("folder:pics", f"folder:{tmp_path}/pics"))
    with pytest.raises(UserError, match=r"2 figures for 3 sessions") as refused:
        clsim.run(tmp_path / "s.yaml", out=tmp_path / "run", device="cpu")
    assert "published.fine_tune.accuracy" in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("strategy", "changes", "left"),
    [
        ("bct", [], {"independent", "bct", "bt2"}),
        ("bct", ["strategy.epochs=3"], {"independent", "bct", "bt2"}),
        ("bct", ["strategy.form=classifier"], {"independent", "bt2"}),
        ("oca", ["strategies.bct.form=classifier"], {"independent", "bt2"}),
        ("oca", [], {"independent", "bct", "bt2"}),
    ],
)
def test_a_row_stands_beside_the_form_of_a_method_that_it_belongs_to(strategy, changes, left):
    assert set(load_scenario("cifar_upgrade", changes, strategy=strategy).published) == left


def test_a_row_holds_for_the_default_of_a_setting_too(file):
    default = load_scenario(file).strategies["fine_tune"]["lr"]
    for lr, left in ((default, ["fine_tune", "other"]), (2 * default, ["other"])):
        file.write_text(SCENARIO.replace("source: a paper}", f"settings: {{lr: {lr}}}, source: a paper}}"))
        assert list(load_scenario(file).published) == left
