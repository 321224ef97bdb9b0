"""What arrives over time; each function here returns a :class:`Stream`."""

from clsim.streams.fscil import fscil
from clsim.streams.session import ResidentView, Session
from clsim.streams.stream import Stream

__all__ = ["ResidentView", "Session", "Stream", "fscil"]
