"""Columns of Parquet and Arrow files. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clsim.data.vectors.entry import BLOCK, Entries, Entry, spooled

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_entries(path: Path) -> Entries:
    """Return the columns: lists of equal length as rows, numbers and texts as one value each.

    The lists of a column are copied to a temporary file when they are loaded.
    """
    import pyarrow as pa

    schema, count = _schema(path)
    found = {}
    for field in schema:
        kind = field.type
        if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
            width = kind.list_size if pa.types.is_fixed_size_list(kind) else _first_length(path, field.name)
            load = partial(_rows, path, field.name, (count, width))
            found[field.name] = Entry((count, width), str(kind.value_type).replace("halffloat", "float16"), load)
        else:
            found[field.name] = Entry((count,), str(kind), partial(_values, path, field.name, count))
    return found


def _schema(path: Path) -> tuple[pa.Schema, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() == ".parquet":
        file = pq.ParquetFile(path)
        return file.schema_arrow, file.metadata.num_rows
    with pa.memory_map(str(path)) as source, _reader(source) as reader:
        return reader.schema, sum(batch.num_rows for batch in _batches_of(reader))


def _reader(source: pa.MemoryMappedFile) -> Any:
    """Return a reader of the file format, or of the stream format."""
    import pyarrow as pa

    if source.read(6) == b"ARROW1":
        source.seek(0)
        return pa.ipc.open_file(source)
    source.seek(0)
    return pa.ipc.open_stream(source)


def _batches_of(reader: Any) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader


def _column(path: Path, name: str) -> Iterator[tuple[int, pa.Array]]:
    """Yield the position of the first row and the values of each part of a column, checked and without gaps."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def parts() -> Iterator[pa.RecordBatch]:
        if path.suffix.lower() == ".parquet":
            yield from pq.ParquetFile(path).iter_batches(BLOCK, columns=[name])
        else:
            with pa.memory_map(str(path)) as source, _reader(source) as reader:
                yield from _batches_of(reader)

    start = 0
    for batch in parts():
        batch.validate(full=True)
        values = batch.column(name)
        if values.null_count:
            row = start + int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
            raise ValueError(f"row {row} of column {name!r} is empty")
        yield start, values
        start += batch.num_rows


def _first_length(path: Path, name: str) -> int:
    for _, values in _column(path, name):
        if len(values):
            return len(values[0])
    return 0


def _rows(path: Path, name: str, shape: tuple[int, int]) -> NDArray[Any]:
    parts = _equal_rows(path, name, shape[1])
    first = next(parts, np.empty((0, shape[1])))

    def all_parts() -> Iterator[NDArray[Any]]:
        yield first
        yield from parts

    return spooled(all_parts(), first.dtype, shape)


def _equal_rows(path: Path, name: str, width: int) -> Iterator[NDArray[Any]]:
    import pyarrow.compute as pc

    for start, values in _column(path, name):
        lengths = pc.list_value_length(values).to_numpy(zero_copy_only=False)
        if len(wrong := np.flatnonzero(lengths != width)):
            row = int(wrong[0])
            raise ValueError(f"row {start + row} of column {name!r} has {lengths[row]} numbers, the first has {width}")
        flat = values.flatten()
        if flat.null_count:
            place = int(np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))[0])
            raise ValueError(f"row {start + place // width} of column {name!r} lacks a number")
        yield flat.to_numpy(zero_copy_only=False).reshape(len(values), width)


def _values(path: Path, name: str, count: int) -> NDArray[Any]:
    import pyarrow as pa

    parts = []
    for _, values in _column(path, name):
        plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        texts = pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type)
        parts.append(np.array(plain.to_pylist(), dtype=str) if texts else plain.to_numpy(zero_copy_only=False))
    found: NDArray[Any] = np.concatenate(parts) if parts else np.empty(0)
    if found.shape != (count,):
        raise ValueError(f"column {name!r} has {len(found):,} values, expected {count:,}")
    return found
