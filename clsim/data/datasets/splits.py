"""Which training images arrive in which few-shot session: the standard lists, or a seeded draw.

The standard lists are those of "Few-Shot Class-Incremental Learning" (Tao et al., CVPR 2020; repository
xyutao/fscil), which CEC and most later work use unchanged. ``session_1.txt`` is the base session.
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
    """Indices into ``dataset.train`` for every session of the standard protocol, in the order of the lists.

    Raises:
        DataMissing: the lists are not here and could not be fetched.
        UserError: the data set has no standard lists, or one is altered or names an image that is not here.
    """
    if dataset.name not in SHA256:
        raise UserError(
            f"there are no standard few-shot lists for {dataset.name}, only for {', '.join(SHA256)}",
            fix="use `splits: drawn` or `splits: {draw: SEED}`",
        )
    lists = [name for name in SHA256[dataset.name] if name.startswith("session_")]
    place = _Placer(dataset.train)
    return [torch.tensor([place(line) for line in read_list(dataset.name, name, root)]) for name in lists]


def draw_sessions(labels: Tensor, class_blocks: Sequence[Sequence[int]], shots: int, seed: int) -> list[Tensor]:
    """Draw ``shots`` images of every class of every block but the first, which takes all its images.

    Class by class in the order of the blocks, from a generator of its own: the global one is not touched, and
    fewer shots of the same seed are a subset of more.

    Args:
        labels: int64 ``[N]``, of the training images.
        class_blocks: the class ids that arrive in each session.
        shots: images a class in every session after the first.
        seed: of the draw.

    Raises:
        UserError: a class has fewer images than ``shots``, or none.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = labels.cpu()
    sessions = []
    for block, classes in enumerate(class_blocks):
        chosen = []
        for class_id in classes:
            images = (labels == class_id).nonzero().flatten()
            asked = shots if block else 1
            if len(images) < asked:
                raise UserError(f"class {class_id} has {len(images)} training images, {asked} are asked for")
            chosen.append(images[torch.randperm(len(images), generator=generator)[:shots]] if block else images)
        sessions.append(torch.cat(chosen))
    return sessions


def read_list(dataset: str, name: str, root: Path | None = None, *, download: bool = True) -> list[str]:
    """The lines of one standard list, fetched first if it is not here and ``download`` allows.

    Raises:
        DataMissing: it is not here and could not be fetched.
        UserError: it does not have its pinned sha256.
    """
    path = (root or data_root()) / NAME / dataset / name
    if not path.is_file():
        try:
            if not download:
                raise FileNotFoundError("no download asked for")
            with connection(SOURCE):
                fetch_file(f"{SOURCE}/{dataset}/{name}", path, SHA256[dataset][name])
        except OSError as error:
            raise DataMissing(
                f"the standard few-shot lists of {dataset} are not here ({error})",
                where=str(path),
                fix=f"`clsim data fetch {NAME}` gets them; `splits: {{draw: SEED}}` draws others",
            ) from error
    content = path.read_bytes().replace(b"\r\n", b"\n")
    if hashlib.sha256(content).hexdigest() != SHA256[dataset][name]:
        raise UserError(
            "this list differs from the standard one (sha256)",
            where=str(path),
            fix=f"`clsim data fetch {NAME}` replaces it; `splits: {{draw: SEED}}` draws others",
        )
    return content.decode().split()


def faulty_lists(root: Path) -> dict[str, UserError]:
    """What is wrong with every list that is missing or altered, by ``data set/file``."""
    faults = {}
    for dataset, names in SHA256.items():
        for name in names:
            try:
                read_list(dataset, name, root, download=False)
            except UserError as error:
                faults[f"{dataset}/{name}"] = error
    return faults


def fetch_lists(root: Path) -> None:
    """Download every list that is missing or altered, each checked against its pinned hash.

    Raises:
        OSError: no network, a broken transfer or a full disk.
    """
    with connection(SOURCE):
        for listed in faulty_lists(root):
            dataset, name = listed.split("/")
            fetch_file(f"{SOURCE}/{listed}", root / NAME / listed, SHA256[dataset][name])


class _Placer:
    """Turns a line of a list into a position in the training images: a number, or the name of a file.

    The folders in which a data set was unpacked differ from copy to copy; the file names do not.
    """

    def __init__(self, images: Images) -> None:
        self.count = len(images)
        names = [PurePosixPath(path).name for path in images.paths or ()]
        self.positions = {name: i for i, name in enumerate(names)}

    def __call__(self, line: str) -> int:
        name = PurePosixPath(line).name
        position = int(line) if line.isdecimal() else self.positions.get(name, self.count)
        if position >= self.count:
            raise UserError(f"a standard few-shot list names an image that is not here: {line}")
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
