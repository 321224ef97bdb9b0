"""Classifiers that learn a session in closed form from the features of a frozen backbone."""

from clsim.models.heads.head import ClosedFormHead
from clsim.models.heads.ncm import NearestMean
from clsim.models.heads.teen import Teen

__all__ = ["BiMC", "ClosedFormHead", "FeCAM", "JointLinear", "NearestMean", "RanPAC", "Teen", "TipAdapter"]
