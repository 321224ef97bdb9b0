"""Directories that an audit may write to."""

import pytest

from clsim.auditing.files import check_out
from clsim.utils.errors import UserError


def test_absent_empty_and_earlier_directories_are_accepted(tmp_path):
    assert check_out(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert check_out(tmp_path) == tmp_path
    (tmp_path / "audit.json").touch()
    assert check_out(tmp_path) == tmp_path


def test_files_and_other_directories_are_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="other files"):
        check_out(tmp_path)
    for path in (tmp_path / "thesis.tex", tmp_path / "thesis.tex" / "audit"):
        with pytest.raises(UserError, match="a file, not a directory"):
            check_out(path)
