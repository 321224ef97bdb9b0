"""A run leaves its page however it ends, and does not fail for want of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from avalanche.training.plugins import SupervisedPlugin
from helpers.read_page import Page
from helpers.tiny import TinyModel, tiny_dataset

import clsim
from clsim.report.html import page as html
from clsim.report.html.page import page
from clsim.report.html.run_view import view_runs
from clsim.streams import fscil


class Ends(SupervisedPlugin):
    """Raises in a session."""

    def __init__(self, session: int, error: BaseException) -> None:
        super().__init__()
        self.session, self.error = session, error

    def before_training_exp(self, strategy, **kwargs):
        if strategy.experience.current_experience == self.session:
            raise self.error

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def simulate(out: Path, *plugins: SupervisedPlugin) -> clsim.Results:
    strategy = clsim.Strategy(
        model=TinyModel(), optimizer=partial(torch.optim.SGD, lr=0.1), train_mb_size=20, plugins=list(plugins)
    )
    return clsim.run(fscil(tiny_dataset(), base_classes=6, ways=2, shots=5, splits={"draw": 0}), strategy, out=out)


def test_a_complete_run_leaves_the_page_that_the_command_makes(made: Callable[..., Path]) -> None:
    run = made("replacement")
    written = (run / "report.html").read_text(encoding="utf-8")
    assert written == page(view_runs([run]))
    assert "files.results.json" in Page(written).text  # it was sealed before


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("broken"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_run_that_ends_early_leaves_one_too(tmp_path: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)):
        simulate(tmp_path / "run", Ends(2, error))
    found = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert status in found.texts
    assert len(found.tables["run-1", "sessions"].rows) == 2


def test_a_page_that_cannot_be_made_is_told_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(html, "write_page", full)
    assert simulate(tmp_path / "run").status == "complete"
    assert "report.html could not be written: [Errno 28] No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "run" / "report.html").exists()


def test_verify_does_not_take_the_page_for_a_result(made: Callable[..., Path], tmp_path: Path) -> None:
    from clsim.verify import verify

    run = shutil.copytree(made("upgrade"), tmp_path / "run")
    before = [str(check) for check in verify(run).checks]
    (run / "report.html").write_text("another")
    assert [str(check) for check in verify(run).checks] == before
