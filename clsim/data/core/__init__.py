"""Types of data sets, and the checks, warnings and splits that apply to all of them."""
