"""Bridges: maps between the spaces of two models, fitted on features of the same items.

A bridge with the side ``query`` maps queries of the new model to the old space, so that the old index stays. One with
the side ``gallery`` maps the stored vectors to the new space, without the items. May import what `models` may.
"""

from clsim.models.bridges.affine import AffineBridge, AffineMap, squared_error
from clsim.models.bridges.bound import ProcrustesBound, bound_of, procrustes_bound
from clsim.models.bridges.fct import FCT, FastFill, gaussian_loss
from clsim.models.bridges.identity import Identity, fit_width
from clsim.models.bridges.lambda_orthogonal import LambdaOrthogonal, lambda_orthogonality, orthogonality_error
from clsim.models.bridges.low_rank import LowRank, reduce_rank
from clsim.models.bridges.mean_drift import MeanDrift, mean_drift
from clsim.models.bridges.moments import FitsMoments, Moments, moments_of
from clsim.models.bridges.procrustes import Procrustes, ProcrustesCentered, procrustes_map
from clsim.models.bridges.protocols import Bridge, Rows, Side
from clsim.models.bridges.registry import BRIDGES, DEFAULT_BRIDGES, load_bridge, make_bridge
from clsim.models.bridges.residual_mlp import ResidualMLP
from clsim.models.bridges.ridge import Ridge, ridge_map
from clsim.models.bridges.selection import FittedBridge, FittedBridges, Split, fit_bridges, mean_cosine, split_pairs

__all__ = [
    "BRIDGES",
    "DEFAULT_BRIDGES",
    "FCT",
    "AffineBridge",
    "AffineMap",
    "Bridge",
    "FastFill",
    "FitsMoments",
    "FittedBridge",
    "FittedBridges",
    "Identity",
    "LambdaOrthogonal",
    "LowRank",
    "MeanDrift",
    "Moments",
    "Procrustes",
    "ProcrustesBound",
    "ProcrustesCentered",
    "ResidualMLP",
    "Ridge",
    "Rows",
    "Side",
    "Split",
    "bound_of",
    "fit_bridges",
    "fit_width",
    "gaussian_loss",
    "lambda_orthogonality",
    "load_bridge",
    "make_bridge",
    "mean_cosine",
    "mean_drift",
    "moments_of",
    "orthogonality_error",
    "procrustes_bound",
    "procrustes_map",
    "reduce_rank",
    "ridge_map",
    "split_pairs",
    "squared_error",
]
