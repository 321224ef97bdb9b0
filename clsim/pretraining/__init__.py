"""Models made ahead of a run, from recipes; imports nothing heavy before it is needed."""
