from helpers.verified_runs import listed, made, run, world

__all__ = ["listed", "made", "run", "world"]
