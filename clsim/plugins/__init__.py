"""Parts of a strategy, one Avalanche plugin a file.

May import `training` and the packages below it.
"""

from clsim.plugins.base_session import BaseSession
from clsim.plugins.caption_contrast import CaptionContrast
from clsim.plugins.class_scope import ClassScope
from clsim.plugins.clip_upgrade import ClipUpgrade
from clsim.plugins.feature_replay import FeatureReplay
from clsim.plugins.feature_teacher import FeatureTeacher
from clsim.plugins.fit_head import FitHead
from clsim.plugins.freeze_after_base import FreezeAfterBase
from clsim.plugins.gradient_scale import NewClassGradientScale
from clsim.plugins.loss_guard import LossGuard
from clsim.plugins.model_replacement import ModelReplacement
from clsim.plugins.model_upgrade import ModelUpgrade
from clsim.plugins.old_prototypes import OldPrototypes
from clsim.plugins.one_cycle import OneCycle
from clsim.plugins.procrustes import Procrustes
from clsim.plugins.progress import Progress
from clsim.plugins.progressive_resize import ProgressiveResize
from clsim.plugins.rehearsal import Rehearsal
from clsim.plugins.session_budget import SessionBudget
from clsim.plugins.text_projection import TextProjection
from clsim.plugins.warmup_cosine import WarmupCosine

__all__ = [
    "BaseSession",
    "CaptionContrast",
    "ClassScope",
    "ClipUpgrade",
    "FeatureReplay",
    "FeatureTeacher",
    "FitHead",
    "FreezeAfterBase",
    "LossGuard",
    "ModelReplacement",
    "ModelUpgrade",
    "NewClassGradientScale",
    "OldPrototypes",
    "OneCycle",
    "Procrustes",
    "Progress",
    "ProgressiveResize",
    "Rehearsal",
    "SessionBudget",
    "TextProjection",
    "WarmupCosine",
]
