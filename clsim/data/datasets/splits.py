"""Assignment of training images to few-shot sessions: the standard lists, or a seeded draw.

The standard lists are those of "Few-Shot Class-Incremental Learning" (Tao et al., CVPR 2020; repository
xyutao/fscil), used unchanged by CEC and most later work. ``session_1.txt`` is the base session.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from clsim.data.core.images import DataSet, Images
from clsim.data.datasets.entry import Entry
from clsim.data.datasets.split_hashes import SHA256
from clsim.data.root import data_root
from clsim.utils.download import connection, fetch_file
from clsim.utils.errors import DataMissing, UserError, UserErrors

NAME = "fscil_splits"
SOURCE = "https://raw.githubusercontent.com/xyutao/fscil/master/data/index_list"


def standard_sessions(dataset: DataSet, root: Path | None = None) -> list[Tensor]:
    """Return indices into ``dataset.train`` for every session of the standard protocol, in the order of the lists.

    Raises:
        DataMissing: The lists were not found and could not be downloaded.
        UserError: The data set has no standard lists, or a list is altered or names a missing image.
    """
    if dataset.name not in SHA256:
        raise UserError(
            f"no standard few-shot lists for {dataset.name}, only for {', '.join(SHA256)}",
            fix="use `splits: drawn` or `splits: {draw: SEED}`",
        )
    lists = [name for name in SHA256[dataset.name] if name.startswith("session_")]
    index_of = _LineIndex(dataset.train)
    return [torch.tensor([index_of(line) for line in read_list(dataset.name, name, root)]) for name in lists]


def draw_sessions(labels: Tensor, class_blocks: Sequence[Sequence[int]], shots: int, seed: int) -> list[Tensor]:
    """Draw ``shots`` images of every class of every block except the first, which takes all its images.

    Classes are drawn in the order of the blocks from a separate generator, so the global one stays untouched. With the
    same seed, the images for fewer shots are a subset of those for more.

    Args:
        labels: Labels of the training images, int64 ``[N]``.
        class_blocks: Class ids of each session.
        shots: Number of images per class in every session after the first.
        seed: Seed of the draw.

    Raises:
        UserError: A class has fewer images than ``shots``, or none.

    Example:
        >>> draw_sessions(torch.tensor([0, 0, 1, 1]), [[0], [1]], shots=1, seed=0)[0]
        tensor([0, 1])
    """
    generator = torch.Generator().manual_seed(seed)
    labels = labels.cpu()
    sessions = []
    for block, classes in enumerate(class_blocks):
        chosen = []
        for class_id in classes:
            images = (labels == class_id).nonzero().flatten()
            needed = shots if block else 1
            if len(images) < needed:
                raise UserError(f"class {class_id} has {len(images)} training images, but {needed} are needed")
            # A full permutation, so that fewer shots are a subset.
            chosen.append(images[torch.randperm(len(images), generator=generator)[:shots]] if block else images)
        sessions.append(torch.cat(chosen))
    return sessions


def read_list(dataset: str, name: str, root: Path | None = None, *, download: bool = True) -> list[str]:
    """Return the lines of a standard list.

    Args:
        dataset: Name of the data set.
        name: File name of the list.
        root: Folder of all data sets; :func:`~clsim.data.data_root` by default.
        download: Whether to download a missing list.

    Raises:
        DataMissing: The list was not found and could not be downloaded.
        UserError: Its SHA-256 is not the pinned one.
    """
    path = (root or data_root()) / NAME / dataset / name
    if not path.is_file():
        try:
            if not download:
                raise FileNotFoundError("download is off")
            with connection(SOURCE):
                fetch_file(f"{SOURCE}/{dataset}/{name}", path, SHA256[dataset][name])
        except OSError as error:
            raise DataMissing(
                f"the standard few-shot lists of {dataset} were not found ({error})",
                where=str(path),
                fix=f"run `clsim data fetch {NAME}`, or draw other lists with `splits: {{draw: SEED}}`",
            ) from error
    content = path.read_bytes().replace(b"\r\n", b"\n")
    if hashlib.sha256(content).hexdigest() != SHA256[dataset][name]:
        raise UserError(
            "this list differs from the standard one (sha256)",
            where=str(path),
            fix=f"run `clsim data fetch {NAME}`, or draw other lists with `splits: {{draw: SEED}}`",
        )
    return content.decode().split()


def faulty_lists(root: Path) -> dict[str, UserError]:
    """Return the error of every list that is missing or altered, by ``data set/file``."""
    faults = {}
    for dataset, names in SHA256.items():
        for name in names:
            try:
                read_list(dataset, name, root, download=False)
            except UserError as error:
                faults[f"{dataset}/{name}"] = error
    return faults


def fetch_lists(root: Path) -> None:
    """Download every list that is missing or altered, and check it against its pinned hash.

    Raises:
        OSError: No network, a broken transfer or a full disk.
    """
    with connection(SOURCE):
        for listed in faulty_lists(root):
            dataset, name = listed.split("/")
            fetch_file(f"{SOURCE}/{listed}", root / NAME / listed, SHA256[dataset][name])


class _LineIndex:
    """Lookup from a line of a list, a number or a file name, to the index of its training image.

    Only the last part of a path counts, because copies of a data set differ in their folders.
    """

    def __init__(self, images: Images) -> None:
        self.count = len(images)
        names = [PurePosixPath(path).name for path in images.paths or ()]
        self.positions = {name: i for i, name in enumerate(names)}

    def __call__(self, line: str) -> int:
        name = PurePosixPath(line).name
        position = int(line) if line.isdecimal() else self.positions.get(name, self.count)
        if position >= self.count:
            raise UserError(f"a standard few-shot list names a missing image: {line}")
        return position


def _verify(root: Path) -> str:
    faults = list(faulty_lists(root).values())
    if faults:
        raise faults[0] if len(faults) == 1 else UserErrors(faults)
    return "pinned sha256"


FSCIL_SPLITS = Entry(
    name=NAME,
    how=f"`clsim data fetch {NAME}`, or copy data/index_list of the repository xyutao/fscil into the data root "
    f"as {NAME}/",
    where=lambda root: root / NAME,
    is_here=lambda root: (root / NAME).is_dir(),
    verify=_verify,
    fetch=fetch_lists,
)
