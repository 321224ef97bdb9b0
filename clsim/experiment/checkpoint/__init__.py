"""What a run needs to go on where it was killed: the state of all that learns, in files that hold no code."""
