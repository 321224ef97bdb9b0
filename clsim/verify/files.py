"""The files that a run left beside the hashes it noted of them when it ended."""

from __future__ import annotations

from collections.abc import Iterator

from clsim.results.manifest import result_files
from clsim.results.reader import RunFiles
from clsim.utils.files import sha256_of
from clsim.verify.check import Check, agrees, compared_hash, differs, not_checked

WHAT = "hashes of files"


def check_files(run: RunFiles) -> Iterator[Check]:
    """One line for all that agree, and one for every file that does not."""
    noted, here = run.manifest.get("files"), result_files(run.path)
    if noted is None:
        if run.complete and "clsim source" in run.manifest["hashes"]:
            # Only in the moment between its last two writes does a run look like this by itself.
            yield differs(WHAT, "results.json says complete, and the manifest has no hashes of files")
        else:
            yield not_checked(WHAT, "the manifest has none; they are written when a run is complete")
        return
    wrong = [differs(f"file {name}", "it is not there") for name in noted if name not in here]
    wrong += [differs(f"file {name}", "the manifest does not know it") for name in here if name not in noted]
    known = [compared_hash(f"file {name}", noted[name], sha256_of(here[name])) for name in noted if name in here]
    wrong += [check for check in known if check.verdict == "DIFFERS"]
    if not run.complete:
        wrong.append(differs(WHAT, "the manifest has them, and the run is not complete"))
    yield from wrong
    if not wrong:
        yield agrees(WHAT, f"{len(known)} files")
