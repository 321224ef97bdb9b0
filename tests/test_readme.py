"""The commands and the code of the README and of docs/ do what these say."""

import re
from importlib.metadata import metadata, version

import pytest
import yaml
from helpers.documents import DOCUMENTS, ELSEWHERE, ROOT, blocks, commands, draw_smaller, lay_out, saved, words_of
from helpers.world import CommandLine

from clsim.config import load_scenario
from clsim.config.discovery import find_scenario
from clsim.sweep.load import load_sweep

README = DOCUMENTS["README.md"].read_text(encoding="utf-8")
RUN = [name for name in DOCUMENTS if commands(name)]


def test_the_two_commands_stand_in_it():
    assert "pip install -e . && clsim run scenarios/cifar_fscil.yaml" in commands("README.md")
    assert "pip install -e '.[dev]' && pytest" in commands("README.md")


@pytest.mark.slow
@pytest.mark.parametrize("document", RUN)
def test_every_command_runs(document, tmp_path, monkeypatch, capsys):
    """In the order in which they stand, each on what those before it left; on a smaller drawing of the same world."""
    opened = []
    monkeypatch.setattr("typer.launch", opened.append)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    lay_out(workspace)
    draw_smaller(monkeypatch)
    run = CommandLine(workspace, monkeypatch, capsys)
    monkeypatch.setenv("CLSIM_MODELS", str(tmp_path / "models"))
    for command in commands(document):
        if command in ELSEWHERE:
            continue
        words, target = words_of(command)
        said = run(*words)
        assert said.code == 0, f"{command}\n{said.err[-2000:]}"
        if target is not None:
            target.write_text(said.out)
            assert said.out
    assert len(opened) == sum("--open" in command for command in commands(document))


def test_commands_that_are_run_elsewhere_stand_somewhere_and_are_run_there():
    everything = [command for document in RUN for command in commands(document)]
    for command, place in ELSEWHERE.items():
        assert command in everything
        assert (ROOT / place).is_file()
    for command in everything:
        if command.startswith("clsim sweep"):
            assert load_sweep(command.split()[2]).jobs


@pytest.mark.slow
def test_the_strategy_composed_in_python_runs(tmp_path, monkeypatch, capsys):
    block = next(block for block in blocks("README.md", "python") if "clsim.Strategy(" in block.text)
    assert len(block.text.strip().splitlines()) <= 25
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, "README.md", "exec"), {"__name__": "readme"})
    accuracy = float(capsys.readouterr().out.strip().splitlines()[-1])
    assert 0 < accuracy < 1
    assert (tmp_path / "runs/lwf/results.json").is_file()


def test_every_python_block_is_run_or_saved_for_a_command():
    files = dict(saved("README.md"))
    assert set(files) == {"mine.py", "confidence.py", "birds.yaml"}
    others = [block for name in DOCUMENTS for block in blocks(name, "python") if block.text not in files.values()]
    assert len(others) == 2


def test_the_audit_in_python_runs(capsys):
    (block,) = blocks("audit.md", "python")
    exec(compile(block.text, "docs/audit.md", "exec"), {})
    assert capsys.readouterr().out.startswith("Do nothing")


def test_every_yaml_block_is_right(tmp_path):
    files, checked = dict(saved("README.md")), 0
    for name in DOCUMENTS:
        for block in blocks(name, "yaml"):
            if block.text in files.values():
                continue  # a command validates it
            path = tmp_path / f"{checked}.yaml"
            path.write_text(block.text)
            if "grid:" in block.text:
                plan = load_sweep(path)
                assert (len(plan.jobs), len(plan.trials)) == (2 * 2 * 3 + 2 * 3, 2 * 2 + 2)
            else:
                whole = yaml.safe_load(find_scenario("shapes_fscil").read_text()) | yaml.safe_load(block.text)
                path.write_text(yaml.safe_dump(whole))
                load_scenario(path)
            checked += 1
    assert checked >= 3


def test_links_between_documents_lead_somewhere():
    for path in DOCUMENTS.values():
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_headings_that_links_name_are_there():
    texts = {name: path.read_text(encoding="utf-8") for name, path in DOCUMENTS.items()}
    plain = {name: re.sub(r"[^\w \n#-]", "", text).lower() for name, text in texts.items()}
    headings = {
        name: {h.strip().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", t, re.M)} for name, t in plain.items()
    }
    for name, path in DOCUMENTS.items():
        for target, heading in re.findall(r"\]\(([\w./]*)#([^)]+)\)", path.read_text(encoding="utf-8")):
            assert heading in headings[target.rpartition("/")[2] or name], f"{name}: {target}#{heading}"


DETAILS = {9.55, 10.75}
"""Base accuracies of rows that docs/measured.md alone has: CLIPs trained here."""


def test_figures_of_the_tables_add_up():
    measured = DOCUMENTS["measured.md"].read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ ((?:\| \d+\.\d\d ){9})\| (\d+\.\d\d) \|$", measured, flags=re.MULTILINE)
    assert len(rows) == 7
    for figures, average in rows:
        accuracies = [float(figure) for figure in figures.split("|") if figure.strip()]
        assert sum(accuracies) / 9 == pytest.approx(float(average), abs=0.011)
        base, last = accuracies[0], accuracies[-1]
        assert f"{base:.2f} / {last:.2f} / {average}" in README or base in DETAILS


def test_published_figures_are_those_of_the_scenarios():
    published = load_scenario("cifar_fscil").published
    for name in ("cec", "cpe_clip"):
        row = published[name].accuracy
        assert f"{100 * row[0]:.2f} / {100 * row[-1]:.2f} / {100 * sum(row) / len(row):.2f}" in README


def test_citation_and_changelog_are_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version("clsim")
    assert citation["license"] == metadata("clsim")["License-Expression"] == "MIT"
    newest = re.search(r"^## ([\d.]+), (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest.groups() == (citation["version"], str(citation["date-released"]))
