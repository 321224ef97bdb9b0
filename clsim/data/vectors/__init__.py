"""Vectors of a user's models: files of many formats, checks, matching by id, and relevance.

Imports no torch; pyarrow and h5py only for their formats. May import what `data` may.
"""

from clsim.data.vectors.checks import VectorReport, check_vectors
from clsim.data.vectors.formats import FORMATS, list_arrays, read_array
from clsim.data.vectors.pairs import PairReport, VectorPairs, check_pairs, match_by_id, pair_vectors
from clsim.data.vectors.relevance import (
    Relevant,
    check_labels,
    encode_labels,
    read_label_values,
    read_labels,
    read_relevant,
)
from clsim.data.vectors.vector_set import VectorSet, as_vectors, open_vectors

__all__ = [
    "FORMATS",
    "PairReport",
    "Relevant",
    "VectorPairs",
    "VectorReport",
    "VectorSet",
    "as_vectors",
    "check_labels",
    "check_pairs",
    "check_vectors",
    "encode_labels",
    "list_arrays",
    "match_by_id",
    "open_vectors",
    "pair_vectors",
    "read_array",
    "read_label_values",
    "read_labels",
    "read_relevant",
]
