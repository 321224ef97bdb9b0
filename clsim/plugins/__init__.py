"""What composes a strategy: one Avalanche plugin a file."""

from clsim.plugins.base_session import BaseSession
from clsim.plugins.class_scope import ClassScope
from clsim.plugins.gradient_scale import NewClassGradientScale
from clsim.plugins.progress import Progress
from clsim.plugins.warmup_cosine import WarmupCosine

__all__ = ["BaseSession", "ClassScope", "NewClassGradientScale", "Progress", "WarmupCosine"]
