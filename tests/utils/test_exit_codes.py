"""Exit code and message of every exception."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from clsim.utils.errors import DataMissing, UserError, UserErrors
from clsim.utils.exit_codes import ending, leave


class OutOfMemoryError(RuntimeError):
    """Error with the name of torch's."""


HINT = "  set CLSIM_DEBUG=1 to see the traceback"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("wrong", where="f.yaml:3", fix="mend it"), 2, "f.yaml:3: wrong\n  mend it"),
        (UserError("wrong"), 2, "clsim: wrong"),
        (UserErrors([UserError("a", where="f:1"), UserError("b", where="f:2")]), 2, "f:1: a\nf:2: b\n2 problems"),
        (DataMissing("not here", where="data"), 2, "data: not here"),
        (KeyboardInterrupt(), 130, "clsim: interrupted; all files written so far are complete"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 2, "clsim: out: Permission denied"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "out"), 2, "clsim: out: File name too long"),
        (UserError("a\x1b[2J", where="\nb", fix="c\u202e"), 2, "\\nb: a\\x1b[2J\n  c\\u202e"),
        (
            ValueError("odd\x1b[2J"),
            1,
            "clsim: failed: ValueError: odd\\x1b[2J\n" + HINT,
        ),
        (OSError(errno.EROFS, "Read-only file system", "out"), 2, "clsim: out: Read-only file system"),
        (OSError(errno.ENOSPC, "No space left on device", "out"), 1, "clsim: out: no space left on the disk"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 1, "clsim: no space left on the disk"),
        (
            OSError(errno.EIO, "Input/output error"),
            1,
            "clsim: Input/output error\n" + HINT,
        ),
        (MemoryError(), 1, "clsim: out of memory; try a smaller batch (no message)"),
        (OutOfMemoryError("CUDA\nmore"), 1, "clsim: out of memory; try a smaller batch (CUDA)"),
        (ValueError("odd\nmore"), 1, "clsim: failed: ValueError: odd\n" + HINT),
    ],
)
def test_an_exception_has_a_code_and_a_message(error: BaseException, code: int, message: str) -> None:
    assert ending(error) == (code, message)


def test_a_traceback_comes_only_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLSIM_DEBUG", raising=False)
    try:
        raise UserError("wrong") from ValueError("the cause\x1b[2J")
    except UserError as error:
        assert leave(error) == 2
        assert capsys.readouterr().err == "clsim: wrong\n"
        monkeypatch.setenv("CLSIM_DEBUG", "1")
        assert leave(error) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "the cause" in err
    assert "\x1b" not in err
    assert err.endswith("clsim: wrong\n")


def test_many_and_long_problems_are_cut() -> None:
    message = ending(UserErrors([UserError("x" * 9999, where=f"f:{i}") for i in range(1000)])).message
    assert len(message) < 500_000
    assert message.endswith("and 800 more\n1000 problems")


def test_the_line_of_a_user_file_is_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("import json\n\ndef build():\n    return json.loads('{')\n")
    space: dict[str, Any] = {}
    exec(compile(mine.read_text(), str(mine), "exec"), space)
    with pytest.raises(ValueError, match="property name") as caught:
        space["build"]()
    assert f" ({mine}:4)\n" in ending(caught.value).message
