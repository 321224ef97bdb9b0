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
    from clsim.metrics.functional.neighbor_lists import (
        Neighbors,
        cascade,
        keep_items,
        merge_by_score,
        reciprocal_rank_fusion,
    )
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
    "cascade",
    "class_means",
    "cmc",
    "constraints_satisfied",
    "descending_order",
    "flip_rates",
    "forgetting",
    "forgetting_by_session",
    "gain_over_first",
    "harmonic_mean",
    "keep_items",
    "list_recall",
    "match_ranks",
    "mean_average_precision",
    "merge_by_score",
    "nearest",
    "nearest_class_mean_accuracy",
    "nearest_class_mean_correct",
    "nearest_correct",
    "partial_index_curve",
    "performance_drop",
    "popularity",
    "queries_to_decide",
    "random_order",
    "recall_at_k",
    "reciprocal_rank_fusion",
    "score_line",
    "update_gain",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "descending_order": "clsim.metrics.functional.arrangements",
        "list_recall": "clsim.metrics.functional.arrangements",
        "partial_index_curve": "clsim.metrics.functional.arrangements",
        "popularity": "clsim.metrics.functional.arrangements",
        "score_line": "clsim.metrics.functional.arrangements",
        "Estimate": "clsim.metrics.functional.bootstrap",
        "bootstrap_mean": "clsim.metrics.functional.bootstrap",
        "queries_to_decide": "clsim.metrics.functional.bootstrap",
        "Neighbors": "clsim.metrics.functional.neighbor_lists",
        "cascade": "clsim.metrics.functional.neighbor_lists",
        "keep_items": "clsim.metrics.functional.neighbor_lists",
        "merge_by_score": "clsim.metrics.functional.neighbor_lists",
        "reciprocal_rank_fusion": "clsim.metrics.functional.neighbor_lists",
        "BackfillCurve": "clsim.metrics.functional.backfill",
        "average_accuracy": "clsim.metrics.functional.continual",
        "average_accuracy_weighted": "clsim.metrics.functional.continual",
        "average_compatibility": "clsim.metrics.functional.compatibility",
        "average_forgetting": "clsim.metrics.functional.continual",
        "average_multimodel_accuracy": "clsim.metrics.functional.compatibility",
        "average_multimodel_accuracy_curve": "clsim.metrics.functional.compatibility",
        "backfill_curve": "clsim.metrics.functional.backfill",
        "backward_compatibility": "clsim.metrics.functional.compatibility",
        "best_first_order": "clsim.metrics.functional.backfill",
        "class_means": "clsim.metrics.functional.retrieval",
        "cmc": "clsim.metrics.functional.retrieval",
        "constraints_satisfied": "clsim.metrics.functional.compatibility",
        "flip_rates": "clsim.metrics.functional.flips",
        "forgetting": "clsim.metrics.functional.continual",
        "forgetting_by_session": "clsim.metrics.functional.continual",
        "gain_over_first": "clsim.metrics.functional.compatibility",
        "harmonic_mean": "clsim.metrics.functional.continual",
        "match_ranks": "clsim.metrics.functional.retrieval",
        "mean_average_precision": "clsim.metrics.functional.retrieval",
        "nearest": "clsim.metrics.functional.search",
        "nearest_class_mean_accuracy": "clsim.metrics.functional.retrieval",
        "nearest_class_mean_correct": "clsim.metrics.functional.retrieval",
        "nearest_correct": "clsim.metrics.functional.retrieval",
        "performance_drop": "clsim.metrics.functional.continual",
        "random_order": "clsim.metrics.functional.backfill",
        "recall_at_k": "clsim.metrics.functional.recall",
        "update_gain": "clsim.metrics.functional.compatibility",
    },
)
