"""Bridges by name, and their files."""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from clsim.models.bridges.base import FORMAT, BridgeBase
from clsim.models.bridges.fct import FCT, FastFill
from clsim.models.bridges.identity import Identity
from clsim.models.bridges.lambda_orthogonal import LambdaOrthogonal
from clsim.models.bridges.low_rank import LowRank
from clsim.models.bridges.mean_drift import MeanDrift
from clsim.models.bridges.procrustes import Procrustes, ProcrustesCentered
from clsim.models.bridges.residual_mlp import ResidualMLP
from clsim.models.bridges.ridge import Ridge
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.text import suggestion

BRIDGES: Mapping[str, type[BridgeBase]] = {
    kind.name: kind
    for kind in (
        Identity,
        MeanDrift,
        Procrustes,
        ProcrustesCentered,
        Ridge,
        LowRank,
        LambdaOrthogonal,
        ResidualMLP,
        FCT,
        FastFill,
    )
}
"""Kinds of bridges by name."""
DEFAULT_BRIDGES = ("identity", "procrustes", "procrustes_centered", "ridge", "low_rank", "residual_mlp")
"""Bridges that take seconds for 20,000 pairs."""


def make_bridge(name: str, **settings: object) -> BridgeBase:
    """Return an unfitted bridge.

    Args:
        name: Name of the kind, a key of :data:`BRIDGES`.
        settings: Arguments of its constructor.

    Raises:
        ArgumentError: The name or a setting is unknown, or a value is out of range.

    Example:
        >>> make_bridge("low_rank", rank=8)
        LowRank(side='query', rank=8)

    """
    if name not in BRIDGES:
        raise ArgumentError(f"unknown bridge {name!r}", where="make_bridge", fix=suggestion(name, BRIDGES))
    try:
        return BRIDGES[name](**settings)  # type: ignore[arg-type]
    except TypeError as error:
        raise ArgumentError(str(error), where=f"make_bridge({name!r})") from error


def load_bridge(path: Path) -> BridgeBase:
    """Load a fitted bridge from a file that its method ``save`` wrote.

    Args:
        path: Path of the file.

    Raises:
        UserError: The file is missing, damaged, or of another format.

    Example:
        >>> import torch
        >>> from tempfile import mkdtemp
        >>> path = Path(mkdtemp()) / "bridge.safetensors"
        >>> make_bridge("mean_drift").fit(torch.zeros(2, 2), torch.ones(2, 2)).save(path)
        >>> load_bridge(path).transform(torch.ones(1, 2))
        tensor([[0., 0.]])

    """
    facts, state = _read(path)
    if (version := facts.get("format")) != FORMAT:
        raise UserError(f"expected a bridge of format {FORMAT}, got {version}", where=str(path))
    try:
        bridge = make_bridge(facts["bridge"], **json.loads(facts["settings"]))
        source, target = literal_eval(facts["widths"])
        bridge.restore((int(source), int(target)), state)
    except (KeyError, ValueError, TypeError, SyntaxError, RecursionError, UserError) as error:
        raise UserError(f"this file of a bridge is damaged: {error}", where=str(path)) from error
    return bridge


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise UserError(f"this file of a bridge cannot be read: {error}", where=str(path)) from error
    # safetensors raises any of these for a forged header.
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise UserError(f"this file of a bridge is damaged: {error}", where=str(path)) from error
