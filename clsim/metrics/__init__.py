"""Metrics: pure functions in `functional`, and the Avalanche metric plugins that accumulate their inputs.

May import `streams` and the packages below it. Names are imported on first use: functions need no torch until they
are called with features, plugins import torch and Avalanche.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsim.metrics import functional
from clsim.utils.lazy import lazy_exports

if TYPE_CHECKING:
    from clsim.metrics.class_accuracy import ClassAccuracy, ClassCounts
    from clsim.metrics.cross_test import CrossTests
    from clsim.metrics.extraction import extract_features
    from clsim.metrics.feature_files import FeatureFiles, recompute_matrix
    from clsim.metrics.functional import (
        BackfillCurve,
        Estimate,
        Neighbors,
        average_accuracy,
        average_accuracy_weighted,
        average_compatibility,
        average_forgetting,
        average_multimodel_accuracy,
        average_multimodel_accuracy_curve,
        backfill_curve,
        backward_compatibility,
        best_first_order,
        bootstrap_mean,
        cascade,
        class_means,
        cmc,
        constraints_satisfied,
        descending_order,
        flip_rates,
        forgetting,
        forgetting_by_session,
        gain_over_first,
        harmonic_mean,
        keep_items,
        list_recall,
        match_ranks,
        mean_average_precision,
        merge_by_score,
        nearest,
        nearest_class_mean_accuracy,
        nearest_class_mean_correct,
        nearest_correct,
        partial_index_curve,
        performance_drop,
        popularity,
        queries_to_decide,
        random_order,
        recall_at_k,
        reciprocal_rank_fusion,
        score_line,
        update_gain,
    )
    from clsim.metrics.pair_tests import PairTests, recompute_pairs
    from clsim.metrics.search_service import SearchService
    from clsim.metrics.training_curve import TrainingCurve

__all__ = [
    "BackfillCurve",
    "ClassAccuracy",
    "ClassCounts",
    "CrossTests",
    "Estimate",
    "FeatureFiles",
    "Neighbors",
    "PairTests",
    "SearchService",
    "TrainingCurve",
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
    "extract_features",
    "flip_rates",
    "forgetting",
    "forgetting_by_session",
    "functional",
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
    "recompute_matrix",
    "recompute_pairs",
    "score_line",
    "update_gain",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        **dict.fromkeys(functional.__all__, functional.__name__),
        "ClassAccuracy": "clsim.metrics.class_accuracy",
        "ClassCounts": "clsim.metrics.class_accuracy",
        "CrossTests": "clsim.metrics.cross_test",
        "FeatureFiles": "clsim.metrics.feature_files",
        "PairTests": "clsim.metrics.pair_tests",
        "SearchService": "clsim.metrics.search_service",
        "TrainingCurve": "clsim.metrics.training_curve",
        "extract_features": "clsim.metrics.extraction",
        "recompute_matrix": "clsim.metrics.feature_files",
        "recompute_pairs": "clsim.metrics.pair_tests",
    },
    modules=["functional"],
)
