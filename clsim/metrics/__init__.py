"""Metrics: pure functions first, then the Avalanche metric plugins that hold their state.

The functions here need no torch; the plugins are imported from their own files.
"""

from clsim.metrics.continual import (
    average_accuracy,
    average_accuracy_weighted,
    average_forgetting,
    forgetting,
    forgetting_by_session,
    harmonic_mean,
    performance_drop,
)

__all__ = [
    "average_accuracy",
    "average_accuracy_weighted",
    "average_forgetting",
    "forgetting",
    "forgetting_by_session",
    "harmonic_mean",
    "performance_drop",
]
