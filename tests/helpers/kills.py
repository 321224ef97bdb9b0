"""Kills a run again and again, resumes it each time, and compares what it leaves with a run that nobody killed.

Run as a script with a scenario, a seed, a number of kills and overrides; prints one JSON object. The script itself
computes nothing, so that it may fork: each run is a child of it, with everything imported already.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST = 5
"""Kills of one run."""
CAPTIONED = 1000
"""Images with captions; all their captions are encoded anew by every run that is resumed in that session."""
TIMES = ("train_seconds", "eval_seconds", "seconds", "device_seconds_saved", "peak_memory_bytes")


def without_times(content: Any) -> Any:
    """Everything that has to be the same in two runs of one seed."""
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key not in TIMES}
    return [without_times(item) for item in content] if isinstance(content, list) else content


def left(run: Path) -> dict[str, Any]:
    """What a run leaves: figures without times, weights and features byte for byte."""
    lines = (run / "sessions.jsonl").read_text().splitlines()
    files = [*run.glob("features/*"), run / "checkpoints" / "last.safetensors"]
    return {
        "results": without_times(json.loads((run / "results.json").read_text())),
        "sessions": [without_times(json.loads(line)) for line in lines],
        **{str(path.relative_to(run)): path.read_bytes() for path in files},
    }


def run_once(scenario: str, overrides: list[str], out: Path, calls: int | None, count: Path | None) -> None:
    """In a child: runs or resumes; kills itself at a call of a Python or C function."""
    from clsim import load_scenario
    from clsim.experiment.build import prepare
    from clsim.experiment.runner import simulate

    prepared = prepare(load_scenario(scenario, overrides), None, None, None, "cpu", True)
    made = 0

    def watch(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event.endswith("call")
        if made == calls:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    try:
        simulate(prepared, out=out, resume=True)
    finally:
        sys.setprofile(None)
    if count is not None:
        count.write_text(str(made))


def few_captions(load: Callable[..., Any], name: str, **how: Any) -> Any:
    """The first images of a data set, with their captions."""
    loaded = load(name, **how)
    return dataclasses.replace(loaded, train=loaded.train.subset(range(CAPTIONED)))


def child(scenario: str, overrides: list[str], out: Path, calls: int | None = None, count: Path | None = None) -> int:
    """Process id of a run."""
    process = os.fork()
    if process:
        return process
    try:
        with (out.parent / f"{out.name}.log").open("a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        run_once(scenario, overrides, out, calls, count)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def killed(process: int, after: float | None = None) -> bool:
    """Waits for a run, which may be killed after some seconds; whether it was killed."""
    ends = None if after is None else time.monotonic() + after
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            break
        if ends is not None and time.monotonic() >= ends:
            os.kill(process, signal.SIGKILL)
            ends = None
        time.sleep(0.005)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status:
        raise RuntimeError(f"a run ended with {status}")
    return False


def main(scenario: str, seed: str, kills: str, *overrides: str) -> dict[str, Any]:
    """Kills as often as it is told to, half of the times at a call and half at a moment."""
    import torch

    import clsim.experiment.resolve
    import clsim.experiment.runner
    from clsim import load_scenario

    torch.set_num_threads(1)  # with threads a process must not be forked
    clsim.experiment.resolve.load_dataset = functools.cache(clsim.experiment.resolve.load_dataset)
    clsim.experiment.resolve.load_captions = functools.cache(
        functools.partial(few_captions, clsim.experiment.resolve.load_captions)
    )
    clsim.experiment.resolve.resolve(load_scenario(scenario, overrides))  # loads the data for every child
    draw, given = random.Random(int(seed)), list(overrides)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        started = time.monotonic()
        if killed(child(scenario, given, place / "whole", count=place / "calls")):
            raise RuntimeError("the run that nobody killed was killed")
        seconds, calls = time.monotonic() - started, int((place / "calls").read_text())
        whole, points, different = left(place / "whole"), [], []
        trial = 0
        while len(points) < int(kills):
            trial += 1
            out = place / f"trial{trial}"
            for kill in range(MOST + 1):
                at, moment = draw.randrange(calls), draw.uniform(0, seconds)
                if kill == MOST:  # on a busy machine it would never end
                    hit = killed(child(scenario, given, out))
                elif draw.random() < 0.5:
                    hit = killed(child(scenario, given, out, calls=at))
                else:
                    hit = killed(child(scenario, given, out), after=moment)
                if not hit:
                    break
                points.append((trial, at, round(moment, 2)))
            found = left(out)
            different += [name for name in {*whole, *found} if whole.get(name) != found.get(name)]
        told = [line for log in place.glob("trial*.log") for line in log.read_text().splitlines()]
        return {
            "kills": len(points),
            "trials": trial,
            "amid": sum("resuming in session" in line for line in told),
            "between": sum("resuming after session" in line for line in told),
            "damaged": sum("is damaged" in line for line in told),
            "different": different,
            "seconds": round(time.monotonic() - started, 1),
        }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
