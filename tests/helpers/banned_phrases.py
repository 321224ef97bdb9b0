"""Phrases that prose, messages and names avoid; run as a script, it prints how often each occurs.

python tests/helpers/banned_phrases.py [ROOT ...]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("clsim/**/*.py", "clsim/**/*.j2", "clsim/**/*.js", "strategies/*.py", "scenarios/**/*.yaml", "docs/*", "*.md")
SKIPPED = ("CHANGELOG.md",)
"""History: it quotes the messages and names of past versions."""

BANNED = {
    "told": r"told",
    "tell, tells": r"(?<!cannot[ _])tells?(?! (\w+ )?apart)",
    "one's own": r"one's own",
    "anew": r"anew",
    "whatever": r"whatever",
    "of which": r"of which",
    "go on, goes on": r"go(es|ing)? on(?! (the|a) )",
    "hold together": r"(hold|held)s? together",
    "as it is": r"as (it is|they are|it stands|they stand)",
    "desk": r"desks?",
    "by hand": r"by hand",
    "no ... of its own": r"no \w+ of (its|their) own",
    "so many": r"so many",
    "hand on": r"hand(s|ed)? on",
    "take for": r"(take|took|taken)s? for",
    "give back": r"(give|gives|gave|given) back",
    "look at": r"look(s|ed)? at",
    "British spelling": r"(initial|normal|regular|optim|summar|seri?al|general)is(e|ed|es|er|ing|ation)|behaviours?",
}
"""Pattern of each phrase; an underscore ends a word, so that names count as well."""


def occurrences(root: Path = ROOT, places: tuple[str, ...] = PLACES) -> Iterator[tuple[str, str]]:
    """Yield the phrase and the place, as file and line, of every occurrence."""
    patterns = {name: re.compile(rf"(?<![a-z]){p}(?![a-z])", re.IGNORECASE) for name, p in BANNED.items()}
    for path in sorted({path for place in places for path in root.glob(place)}):
        if path.name in SKIPPED or path.suffix == ".png":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for name, pattern in patterns.items():
                for _ in pattern.finditer(line):
                    yield name, f"{path.relative_to(root)}:{number}"


def counts(root: Path = ROOT) -> dict[str, int]:
    """Return how often each phrase occurs."""
    found = [name for name, _ in occurrences(root)]
    return {name: found.count(name) for name in BANNED}


def main() -> None:
    columns = [counts(Path(root)) for root in sys.argv[1:] or [ROOT]]
    for name in BANNED:
        print(f"{name:18}", *(f"{column[name]:6}" for column in columns))
    print(f"{'all':18}", *(f"{sum(column.values()):6}" for column in columns))


if __name__ == "__main__":
    main()
