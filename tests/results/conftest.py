from helpers.verified_runs import made, run, world

__all__ = ["made", "run", "world"]
