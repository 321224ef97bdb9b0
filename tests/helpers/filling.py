"""Processes that fill one cache of features: killed one after the other, or several at once.

Run as a script with a folder, a number of processes and ``killed`` or ``together``; prints how many files there were
after each process. The script itself computes nothing, so that it may fork: everything is imported once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from clsim.models.features import extract
from helpers.features import cached_backbone
from helpers.tiny import tiny_images

WIDTH, PER_CLASS, PART = 64, 100, 20


def fill(root: Path) -> None:
    """In a child: computes and stores the features of 1000 images, 20 at a time."""
    extract.CHUNK = PART
    cached_backbone(root, WIDTH).features_of(tiny_images(PER_CLASS))
    os._exit(0)


def count(root: Path) -> int:
    return len(list(root.glob("*/*.features")))


def main(root: Path, processes: int, how: str) -> None:
    children = []
    for number in range(processes):
        before, child = count(root), os.fork()
        if child == 0:
            fill(root)
        if how == "killed":
            while count(root) <= before:
                time.sleep(0.001)
            time.sleep(0.003 * number)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            print(count(root))
        else:
            children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
        print(count(root))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
