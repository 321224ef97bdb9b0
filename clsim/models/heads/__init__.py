"""Classifiers that learn a session in closed form from the features of a frozen backbone."""

from clsim.models.heads.bimc import BiMC
from clsim.models.heads.fecam import FeCAM
from clsim.models.heads.head import ClosedFormHead
from clsim.models.heads.joint import JointLinear
from clsim.models.heads.ncm import NearestMean
from clsim.models.heads.ranpac import RanPAC
from clsim.models.heads.teen import Teen
from clsim.models.heads.tip_adapter import TipAdapter

__all__ = ["BiMC", "ClosedFormHead", "FeCAM", "JointLinear", "NearestMean", "RanPAC", "Teen", "TipAdapter"]
