"""Errors, files, downloads, devices, seeding, processes.

May import no other package of clsim.
"""
