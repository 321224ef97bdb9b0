"""Metrics: pure functions, and the Avalanche metric plugins that hold their state.

May import `streams` and the packages below it. Importing the functions needs no torch: those that take features import
it when called. Import a plugin from its own file.
"""

from clsim.metrics.functional.backfill import BackfillCurve, backfill_curve, best_first_order, random_order
from clsim.metrics.functional.compatibility import (
    average_compatibility,
    average_multimodel_accuracy,
    average_multimodel_accuracy_curve,
    backward_compatibility,
    constraints_satisfied,
    gain_over_first,
    update_gain,
)
from clsim.metrics.functional.continual import (
    average_accuracy,
    average_accuracy_weighted,
    average_forgetting,
    forgetting,
    forgetting_by_session,
    harmonic_mean,
    performance_drop,
)
from clsim.metrics.functional.flips import flip_rates
from clsim.metrics.functional.recall import recall_at_k
from clsim.metrics.functional.retrieval import (
    class_means,
    cmc,
    match_ranks,
    mean_average_precision,
    nearest_class_mean_accuracy,
    nearest_class_mean_correct,
    nearest_correct,
)
from clsim.metrics.functional.search import nearest

__all__ = [
    "BackfillCurve",
    "average_accuracy",
    "average_accuracy_weighted",
    "average_compatibility",
    "average_forgetting",
    "average_multimodel_accuracy",
    "average_multimodel_accuracy_curve",
    "backfill_curve",
    "backward_compatibility",
    "best_first_order",
    "class_means",
    "cmc",
    "constraints_satisfied",
    "flip_rates",
    "forgetting",
    "forgetting_by_session",
    "gain_over_first",
    "harmonic_mean",
    "match_ranks",
    "mean_average_precision",
    "nearest",
    "nearest_class_mean_accuracy",
    "nearest_class_mean_correct",
    "nearest_correct",
    "performance_drop",
    "random_order",
    "recall_at_k",
    "update_gain",
]
