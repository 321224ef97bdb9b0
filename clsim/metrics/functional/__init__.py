"""Metrics as pure functions: features, labels and accuracies in, numbers out.

Imported on first use. Functions on features import torch when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.utils.lazy import lazy_exports

if TYPE_CHECKING:
    from clsim.metrics.functional.arrangements import (
        descending_order,
        list_recall,
        partial_index_curve,
        popularity,
        score_line,
    )
    from clsim.metrics.functional.backfill import BackfillCurve, backfill_curve, best_first_order, random_order
    from clsim.metrics.functional.bootstrap import Estimate, bootstrap_mean, queries_to_decide
    from clsim.metrics.functional.calibration import brier_score, expected_calibration_error, negative_log_likelihood
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
    from clsim.metrics.functional.flips import flip_rates, relative_negative_flip_rate
    from clsim.metrics.functional.generalized import generalized_accuracy, generalized_accuracy_area
    from clsim.metrics.functional.nearest_mean import (
        class_means,
        nearest_class_mean_accuracy,
        nearest_class_mean_correct,
    )
    from clsim.metrics.functional.neighbor_lists import (
        Neighbors,
        cascade,
        keep_items,
        merge_by_score,
        reciprocal_rank_fusion,
    )
    from clsim.metrics.functional.precision import mean_average_precision, ndcg_at_k, r_precision
    from clsim.metrics.functional.recall import nearest_others, recall_at_k, recall_of_exact
    from clsim.metrics.functional.retrieval import cmc, match_ranks, nearest_correct
    from clsim.metrics.functional.search import nearest

__all__ = [
    "BackfillCurve",
    "Estimate",
    "Neighbors",
    "average_accuracy",
    "average_accuracy_weighted",
    "average_compatibility",
    "average_forgetting",
    "average_multimodel_accuracy",
    "average_multimodel_accuracy_curve",
    "backfill_curve",
    "backward_compatibility",
    "best_first_order",
    "bootstrap_mean",
    "brier_score",
    "cascade",
    "class_means",
    "cmc",
    "constraints_satisfied",
    "descending_order",
    "expected_calibration_error",
    "flip_rates",
    "forgetting",
    "forgetting_by_session",
    "gain_over_first",
    "generalized_accuracy",
    "generalized_accuracy_area",
    "harmonic_mean",
    "keep_items",
    "list_recall",
    "match_ranks",
    "mean_average_precision",
    "merge_by_score",
    "ndcg_at_k",
    "nearest",
    "nearest_class_mean_accuracy",
    "nearest_class_mean_correct",
    "nearest_correct",
    "nearest_others",
    "negative_log_likelihood",
    "partial_index_curve",
    "performance_drop",
    "popularity",
    "queries_to_decide",
    "r_precision",
    "random_order",
    "recall_at_k",
    "recall_of_exact",
    "reciprocal_rank_fusion",
    "relative_negative_flip_rate",
    "score_line",
    "update_gain",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "BackfillCurve": "clsim.metrics.functional.backfill",
        "Estimate": "clsim.metrics.functional.bootstrap",
        "Neighbors": "clsim.metrics.functional.neighbor_lists",
        "average_accuracy": "clsim.metrics.functional.continual",
        "average_accuracy_weighted": "clsim.metrics.functional.continual",
        "average_compatibility": "clsim.metrics.functional.compatibility",
        "average_forgetting": "clsim.metrics.functional.continual",
        "average_multimodel_accuracy": "clsim.metrics.functional.compatibility",
        "average_multimodel_accuracy_curve": "clsim.metrics.functional.compatibility",
        "backfill_curve": "clsim.metrics.functional.backfill",
        "backward_compatibility": "clsim.metrics.functional.compatibility",
        "best_first_order": "clsim.metrics.functional.backfill",
        "bootstrap_mean": "clsim.metrics.functional.bootstrap",
        "brier_score": "clsim.metrics.functional.calibration",
        "cascade": "clsim.metrics.functional.neighbor_lists",
        "class_means": "clsim.metrics.functional.nearest_mean",
        "cmc": "clsim.metrics.functional.retrieval",
        "constraints_satisfied": "clsim.metrics.functional.compatibility",
        "descending_order": "clsim.metrics.functional.arrangements",
        "expected_calibration_error": "clsim.metrics.functional.calibration",
        "flip_rates": "clsim.metrics.functional.flips",
        "forgetting": "clsim.metrics.functional.continual",
        "forgetting_by_session": "clsim.metrics.functional.continual",
        "gain_over_first": "clsim.metrics.functional.compatibility",
        "generalized_accuracy": "clsim.metrics.functional.generalized",
        "generalized_accuracy_area": "clsim.metrics.functional.generalized",
        "harmonic_mean": "clsim.metrics.functional.continual",
        "keep_items": "clsim.metrics.functional.neighbor_lists",
        "list_recall": "clsim.metrics.functional.arrangements",
        "match_ranks": "clsim.metrics.functional.retrieval",
        "mean_average_precision": "clsim.metrics.functional.precision",
        "merge_by_score": "clsim.metrics.functional.neighbor_lists",
        "ndcg_at_k": "clsim.metrics.functional.precision",
        "nearest": "clsim.metrics.functional.search",
        "nearest_class_mean_accuracy": "clsim.metrics.functional.nearest_mean",
        "nearest_class_mean_correct": "clsim.metrics.functional.nearest_mean",
        "nearest_correct": "clsim.metrics.functional.retrieval",
        "nearest_others": "clsim.metrics.functional.recall",
        "negative_log_likelihood": "clsim.metrics.functional.calibration",
        "partial_index_curve": "clsim.metrics.functional.arrangements",
        "performance_drop": "clsim.metrics.functional.continual",
        "popularity": "clsim.metrics.functional.arrangements",
        "queries_to_decide": "clsim.metrics.functional.bootstrap",
        "r_precision": "clsim.metrics.functional.precision",
        "random_order": "clsim.metrics.functional.backfill",
        "recall_at_k": "clsim.metrics.functional.recall",
        "recall_of_exact": "clsim.metrics.functional.recall",
        "reciprocal_rank_fusion": "clsim.metrics.functional.neighbor_lists",
        "relative_negative_flip_rate": "clsim.metrics.functional.flips",
        "score_line": "clsim.metrics.functional.arrangements",
        "update_gain": "clsim.metrics.functional.compatibility",
    },
)
