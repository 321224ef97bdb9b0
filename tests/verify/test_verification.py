import json
import sys

import pytest

from clsim import cli
from clsim.verify import verify

KINDS = ("fscil", "replaced", "upgrade", "texts")
OF_ALL = {
    "hashes of files",
    "what ran, results.json and manifest",
    "sessions.jsonl and results.json",
    "accuracies from those by session",
    "harmonic means",
    "forgetting of every session",
    "accuracy_matrix and the records",
    "summary",
    "weighted average",
    "scenario.yaml",
    "clsim source",
    "strategy file",
    "train images",
    "test images",
    "split lists",
    "numbers of test images",
}
COMPARED = {
    "compatibility_matrix and the records",
    "matrices and the records",
    "AC, AM and gains from the matrix",
    "versions in features/",
    "headers of features and manifest",
    "flips and constraints from features",
}
OF_CLASSES = COMPARED | {
    "query images",
    "gallery images",
    "matrix of cmc@1 from features",
    "matrix of map from features",
}
OF_KIND = {
    "fscil": {"weights file of the strategy"},
    "replaced": OF_CLASSES
    | {"matrix of nearest_class_mean from features", "service from features", "items of the service"}
    | {"weights file trained"},
    "upgrade": OF_CLASSES | {"matrix of cmc@5 from features"},
    "texts": COMPARED
    | {f"matrix of recall@{k}/{side} from features" for k in (1, 5) for side in ("image_to_text", "text_to_image")}
    | {"matrix of recall@1 from features", "matrix and its two directions", "service from features"}
    | {"train captions", "test captions", "weights file small", "weights file large"},
}


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a command line; gives exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["clsim", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return int(left.value.code or 0), said.out, said.err

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_run_that_nobody_touched_everything_agrees(made, kind):
    found = {check.what: check for check in verify(made(kind)).checks}
    assert {check.verdict for check in found.values()} == {"agrees"}, found
    assert OF_ALL | OF_KIND[kind] <= set(found)
