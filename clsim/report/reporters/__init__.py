"""Reporters that wrap others: in the background, guarded against errors, several as one."""
