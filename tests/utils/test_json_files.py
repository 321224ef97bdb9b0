import pytest

from clsim.utils.errors import UserError
from clsim.utils.json_files import parse_json, read_json


def test_the_line_of_a_mistake_is_told():
    with pytest.raises(UserError, match=r"results.json:3: not valid JSON: Expecting"):
        parse_json('{"a": 1,\n"b": [\n}', "results.json")
    with pytest.raises(UserError, match=r"sessions.jsonl:12: .*NaN"):
        parse_json('{"a": NaN}', "sessions.jsonl", first_line=12)


def test_what_is_no_file_and_what_is_no_text(tmp_path):
    with pytest.raises(UserError) as caught:
        read_json(tmp_path)
    assert caught.value.where == str(tmp_path)
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff")
    with pytest.raises(UserError) as caught:
        read_json(path)
    assert caught.value.where == str(path)
