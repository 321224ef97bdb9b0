"""Prose, messages and names avoid the phrases that helpers/banned_phrases.py lists."""

from helpers.banned_phrases import BANNED, occurrences

CEILING = {
    "as it is": 1,
    "take for": 1,
    "British spelling": 9,
}
"""Occurrences that remain: former names of settings, a key of stored manifests, columns of CSV files."""


def test_no_banned_phrase():
    places: dict[str, list[str]] = {name: [] for name in BANNED}
    for name, place in occurrences():
        places[name].append(place)
    assert {name: found for name, found in places.items() if len(found) > CEILING.get(name, 0)} == {}


def test_a_phrase_is_found_in_prose_and_names(tmp_path):
    (tmp_path / "README.md").write_text("It is told.\nretold\ntold_by()\nBehaviour\n")
    assert list(occurrences(tmp_path)) == [
        ("told", "README.md:1"),
        ("told", "README.md:3"),
        ("British spelling", "README.md:4"),
    ]
