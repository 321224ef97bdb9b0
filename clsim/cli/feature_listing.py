"""Table of ``clsim cache``."""

from __future__ import annotations

from datetime import datetime

from clsim.cli.listing import print_table
from clsim.models.features.folder import FOLDER, FeatureFolder
from clsim.utils.errors import UserError


def show_features() -> None:
    """Print what is stored of every backbone: images, size and last use.

    Raises:
        UserError: ``$CLSIM_FEATURES_LIMIT`` is no size.
    """
    folder = FeatureFolder.from_environment()
    rows = [
        (
            each.name,
            each.weights_sha256[:12],
            each.precision,
            f"{each.images:,}",
            f"{each.size / 1e6:,.1f} MB",
            datetime.fromtimestamp(each.last_use).isoformat(" ", "minutes"),
        )
        for each in folder.status()
    ]
    place = "off" if folder.path is None else f"{folder.path}, at most {folder.limit / 1e9:g} GB"
    print_table(f"features: {place}", ("backbone", "weights", "precision", "images", "size", "last use"), rows)


def clear_features() -> None:
    """Remove all stored features, and print how many bytes that were.

    Raises:
        UserError: A file cannot be removed.
    """
    folder = FeatureFolder.from_environment()
    try:
        files, size = folder.clear()
    except OSError as error:
        what = f"stored features cannot be removed ({error.strerror or error})"
        raise UserError(what, where=str(error.filename or FOLDER)) from error
    print(f"removed {files:,} files of features, {size / 1e6:,.1f} MB")
