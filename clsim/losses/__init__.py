"""Losses and closed-form maps between feature spaces, as pure functions.

May import `utils`.
"""

from clsim.losses.alignment import orthogonal_procrustes, slerp
from clsim.losses.functional import (
    EXCLUDED,
    contrastive_loss,
    cosine_distillation,
    current_class_cross_entropy,
    exclude_classes,
    excluded_columns,
    higher_order_compatibility,
    no_loss,
    prototype_alignment,
    prototype_cross_entropy,
    smoothed_cross_entropy,
)
from clsim.losses.prototypes import influence_rows, prototypes

__all__ = [
    "EXCLUDED",
    "contrastive_loss",
    "cosine_distillation",
    "current_class_cross_entropy",
    "exclude_classes",
    "excluded_columns",
    "higher_order_compatibility",
    "influence_rows",
    "no_loss",
    "orthogonal_procrustes",
    "prototype_alignment",
    "prototype_cross_entropy",
    "prototypes",
    "slerp",
    "smoothed_cross_entropy",
]
