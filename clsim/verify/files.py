"""Checks of a run's files against the hashes that its manifest holds."""

from __future__ import annotations

from collections.abc import Iterator

from clsim.results.manifest import result_files
from clsim.results.reader import RunFiles
from clsim.utils.files import sha256_of
from clsim.verify.check import Check, agrees, compared_hash, differs, not_checked

WHAT = "hashes of files"


def check_files(run: RunFiles) -> Iterator[Check]:
    """Yield one check for all files that agree, and one for every file that does not."""
    noted, here = run.manifest.get("files"), result_files(run.path)
    if noted is None:
        if run.complete and "clsim source" in run.manifest["hashes"]:
            # A run is in this state only between its last two writes.
            yield differs(WHAT, "results.json says complete, but the manifest holds no hashes of files")
        else:
            yield not_checked(WHAT, "the manifest holds none; they are written when a run is complete")
        return
    wrong = [differs(f"file {name}", "missing") for name in noted if name not in here]
    wrong += [differs(f"file {name}", "not in the manifest") for name in here if name not in noted]
    known = [compared_hash(f"file {name}", noted[name], sha256_of(here[name])) for name in noted if name in here]
    wrong += [check for check in known if check.verdict == "DIFFERS"]
    if not run.complete:
        wrong.append(differs(WHAT, "the manifest holds them, but the run is not complete"))
    yield from wrong
    if not wrong:
        yield agrees(WHAT, f"{len(known)} files")
