"""Store of pre-trained models by the hash of their recipe, each with a manifest. Missing models are made."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsim.config.models.recipe import ClassifierRecipe, ClipRecipe, Trainable
from clsim.utils.errors import UserError
from clsim.utils.files import atomic, from_home, locked, sha256_of, unlock
from clsim.utils.precision import is_emulated, usable
from clsim.utils.text import clean

if TYPE_CHECKING:
    from clsim.pretraining.contrastive import Progress
    from clsim.pretraining.partial import Partial

ASSETS = Path(__file__).parent / "assets"


def models_root() -> Path:
    """Return the folder of models: ``$CLSIM_MODELS``, or ``~/.cache/clsim/models``."""
    given = os.environ.get("CLSIM_MODELS")
    return from_home(given or "~/.cache/clsim/models", "CLSIM_MODELS")


def resolve_model(
    name: str, recipe: Trainable, *, root: Path | None = None, device: str = "cpu", remake: bool = False
) -> Path:
    """Return the weights file of a recipe: shipped, made earlier, or made now.

    Args:
        name: Name of the model in the scenario, for messages and the manifest.
        recipe: Recipe, for a classifier with its head.
        root: Folder of models; ``None`` for :func:`models_root`.
        device: Device on which a missing model is trained.
        remake: Whether to train even if the weights exist.

    Raises:
        UserError: The weights have changed since they were made, or cannot be written.
        DataMissing: The model must be made, and its training data is not here.
    """
    root = root or models_root()
    path = root / f"{recipe.hash}.safetensors"
    if not remake and (found := find_model(recipe, root)):
        return found
    with _alone(path):  # of two runs that need it, one makes it and the other waits
        found = None if remake else find_model(recipe, root)
        return found or make_model(name, recipe, path, device=device)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Lock a model for its making. Without a lock, making it reports why."""
    lock, descriptor = path.parent / f".{path.name}.lock", None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = locked(lock, wait=True)
    except OSError:
        pass
    try:
        yield
    finally:
        if descriptor is not None:
            unlock(lock, descriptor)


def find_model(recipe: Trainable, root: Path | None = None) -> Path | None:
    """Return the weights file of a recipe that is shipped or was made earlier, ``None`` if there is none.

    Raises:
        UserError: The weights have changed since they were made.
    """
    shipped = [ASSETS / f"{recipe.shipped}.safetensors"] if recipe.shipped else []
    candidates = [*shipped, (root or models_root()) / f"{recipe.hash}.safetensors"]
    return next((candidate for candidate in candidates if _made_by(candidate, recipe)), None)


def make_model(name: str, recipe: Trainable, path: Path, *, device: str = "cpu") -> Path:
    """Train the model of a recipe, and write the weights to ``path`` and the manifest beside them, as ``.json``.

    An interrupted training resumes from its last complete epoch.

    Raises:
        UserError: See :func:`resolve_model`.
        DataMissing: See :func:`resolve_model`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Checks write access before the training rather than after it.
        (path.parent / f".{path.name}.writable").touch()
        (path.parent / f".{path.name}.writable").unlink()
    except OSError as error:
        raise UserError(f"models cannot be written here ({error.strerror or error})", where=str(path.parent)) from error

    from clsim.pretraining.partial import Partial

    started, progress, unfinished = time.time(), _ProgressLine(name), Partial(path)
    if is_emulated(recipe.precision, device):
        what = f"pre-training {clean(name)} in fp32 in place of bf16, which this processor only emulates\n"
        sys.stderr.write(what)
    try:
        if isinstance(recipe, ClipRecipe):
            from clsim.pretraining.clip_file import make_clip_file

            found = make_clip_file(name, recipe, path, device=device, progress=progress, unfinished=unfinished)
        else:
            found = _make_classifier(name, recipe, path, device, progress, unfinished)
        manifest = {
            "format": 1,
            "name": name,
            "recipe": recipe.model_dump(mode="json", exclude={"shipped"}),
            "recipe_hash": recipe.hash,
            "sha256": sha256_of(path),
            **found,
            "seed": recipe.seed,
            "final_loss": progress.loss if math.isfinite(progress.loss) else None,  # NaN if all epochs were done
            "seconds": round(time.time() - started, 1),
            "device": device,
            "precision": usable(recipe.precision, device),
            "versions": _versions(),
        }
        with atomic(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"the model could not be written ({error.strerror or error})", where=str(path)) from error
    unfinished.discard()
    return path


def _make_classifier(
    name: str, recipe: ClassifierRecipe, path: Path, device: str, progress: Progress, unfinished: Partial
) -> dict[str, Any]:
    from clsim.models.replacement_model import load_model, save_classifier
    from clsim.pretraining import supervised

    data = supervised.recipe_images(recipe)
    made = supervised.train(recipe, data, device=device, progress=progress, unfinished=unfinished)
    assert recipe.head is not None
    save_classifier(
        path,
        made.backbone,
        architecture=recipe.backbone,
        name=name,
        head=recipe.head,
        top=made.top,
        dimensions=recipe.dimensions,
    )
    return {"weights_sha256": load_model(name, path).sha256, "accuracy": made.accuracy}


def _made_by(path: Path, recipe: Trainable) -> bool:
    """Return whether weights and manifest exist and belong to the recipe.

    Raises:
        UserError: The weights do not match the manifest.
    """
    manifest = path.with_suffix(".json")
    if not (path.is_file() and manifest.is_file()):
        return False
    try:
        noted: dict[str, Any] = json.loads(manifest.read_text())
        if noted["recipe_hash"] != recipe.hash:
            return False
        intact = noted["sha256"] == sha256_of(path)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"the manifest is damaged ({error})", where=str(manifest), fix="remove it") from error
    if not intact:
        fix = "remove the file; it will be made again"
        raise UserError("the weights do not match their manifest", where=str(path), fix=fix)
    return True


class _ProgressLine:
    """Progress of a training: a line that is overwritten on a terminal, elsewhere a line every twenty seconds."""

    def __init__(self, name: str) -> None:
        self._name = clean(name)
        self._last = -math.inf
        self.loss = math.nan

    def __call__(self, step: int, steps: int, loss: float, pairs_per_second: float) -> None:
        self.loss = loss
        terminal, now = sys.stderr.isatty(), time.monotonic()
        if not (terminal or step == steps or now - self._last > 20):
            return
        self._last = now
        text = f"pre-training {self._name}: step {step} of {steps}, loss {loss:.3f}, {pairs_per_second:.0f} images/s"
        sys.stderr.write(f"\r{text} " if terminal and step < steps else f"\r{text}\n" if terminal else f"{text}\n")
        sys.stderr.flush()


def _versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in ("torch", "open_clip_torch", "safetensors")}
    return {"python": platform.python_version(), **packages}
