"""The session loop: building an experiment, training, evaluation, checkpoints.

May import `results` and the packages below it.
"""
