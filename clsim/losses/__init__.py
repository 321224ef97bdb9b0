"""Losses and closed-form maps between feature spaces, as pure functions.

May import `utils`.
"""

from clsim.losses.alignment import orthogonal_procrustes, slerp
from clsim.losses.balanced import balanced_softmax_cross_entropy
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
from clsim.losses.prototypes import calibrated_prototypes, influence_rows, prototypes, similarity_weights

__all__ = [
    "EXCLUDED",
    "balanced_softmax_cross_entropy",
    "calibrated_prototypes",
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
    "similarity_weights",
    "slerp",
    "smoothed_cross_entropy",
]
