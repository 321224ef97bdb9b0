"""Files of vectors in every format, and damaged ones."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_npy(path: Path, rows: NDArray[Any]) -> None:
    np.save(path, rows)


def write_npz(path: Path, rows: NDArray[Any]) -> None:
    np.savez(path, vectors=rows)


def write_compressed(path: Path, rows: NDArray[Any]) -> None:
    np.savez_compressed(path, vectors=rows)


def write_safetensors(path: Path, rows: NDArray[Any]) -> None:
    from safetensors.numpy import save_file

    save_file({"vectors": np.ascontiguousarray(rows)}, path)


def write_vecs(path: Path, rows: NDArray[Any]) -> None:
    with path.open("wb") as stream:
        for row in rows:
            stream.write(struct.pack("<i", len(row)) + row.tobytes())


def write_hdf5(path: Path, rows: NDArray[Any]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["vectors"] = rows


def write_chunked(path: Path, rows: NDArray[Any]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("vectors", data=rows, chunks=(2, rows.shape[1]), compression="gzip")


def arrow_table(rows: NDArray[Any], *, fixed: bool) -> Any:
    import pyarrow as pa

    flat = pa.array(rows.reshape(-1))
    if fixed:
        return pa.table({"vectors": pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])})
    ends = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1])
    return pa.table({"vectors": pa.ListArray.from_arrays(ends, flat)})


def write_parquet(path: Path, rows: NDArray[Any]) -> None:
    import pyarrow.parquet as pq

    pq.write_table(arrow_table(rows, fixed=False), path, row_group_size=4)


def write_fixed_parquet(path: Path, rows: NDArray[Any]) -> None:
    import pyarrow.parquet as pq

    pq.write_table(arrow_table(rows, fixed=True), path, row_group_size=4)


def write_arrow(path: Path, rows: NDArray[Any]) -> None:
    import pyarrow as pa

    table = arrow_table(rows, fixed=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def write_arrow_stream(path: Path, rows: NDArray[Any]) -> None:
    import pyarrow as pa

    table = arrow_table(rows, fixed=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def write_run(path: Path, rows: NDArray[Any]) -> None:
    from safetensors.numpy import save_file

    (path / "features").mkdir(parents=True)
    save_file({"query": np.ascontiguousarray(rows)}, path / "features" / "version0.safetensors")


Writer = Callable[[Path, NDArray[Any]], None]
FLOATS = ("float16", "float32", "float64")
FORMATS: dict[str, tuple[str, Writer, tuple[str, ...], str | None]] = {
    "npy": ("v.npy", write_npy, (*FLOATS, "int8"), None),
    "npz": ("v.npz", write_npz, (*FLOATS, "int8"), None),
    "npz, compressed": ("v.npz", write_compressed, (*FLOATS, "int8"), None),
    "safetensors": ("v.safetensors", write_safetensors, (*FLOATS, "int8"), None),
    "fvecs": ("v.fvecs", write_vecs, ("float32",), None),
    "bvecs": ("v.bvecs", write_vecs, ("uint8",), None),
    "hdf5": ("v.hdf5", write_hdf5, (*FLOATS, "int8"), "h5py"),
    "hdf5, chunked": ("v.h5", write_chunked, (*FLOATS, "int8"), "h5py"),
    "parquet": ("v.parquet", write_parquet, ("float32", "float64", "int8"), "pyarrow"),
    "parquet, fixed": ("v.parquet", write_fixed_parquet, ("float32", "float64"), "pyarrow"),
    "arrow": ("v.arrow", write_arrow, (*FLOATS, "int8"), "pyarrow"),
    "arrow, stream": ("v.arrow", write_arrow_stream, (*FLOATS, "int8"), "pyarrow"),
    "run": ("run", write_run, FLOATS, None),
}
"""File name, writer, types of numbers and package of each format."""


def some_rows(count: int = 11, width: int = 6, dtype: str = "float32", seed: int = 0) -> NDArray[Any]:
    """Rows without zeros, so that every change of a number shows."""
    rows = np.random.default_rng(seed).uniform(1, 100, (count, width))
    return rows.astype(dtype)


class Bomb:
    """An object whose unpickling would leave a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def with_pickle(marker: Path) -> bytes:
    """A .npy file of Python objects, whose unpickling runs code."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (2, 2)})
    return stream.getvalue() + pickle.dumps([Bomb(marker)] * 4)


def npy_with(descr: str, shape: str, content: bytes) -> bytes:
    """A .npy file with a header of any text."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def forged_npy(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Yield .npy files whose header is wrong: the fault in words, and the file."""
    body = some_rows().tobytes()
    yield "pickle", with_pickle(marker)
    for descr in (
        "'|O'",
        "'<c8'",
        "'<i8'",
        "'<U6'",
        "'|b1'",
        "'|V4'",
        "'<f3'",
        "'<f44'",
        "[('a', '<f4')]",
        "5",
        "None",
    ):
        yield f"type {descr}", npy_with(descr, "(11, 6)", body)
    for shape in (
        *("()", "(66,)", "(11, 7)", "(12, 6)", "(10, 6)", "(0, 6)", "(11, 0)", "(-11, -6)", "(1, 11, 6)", "66", "None"),
        *("('11', 6)", "(11.0, 6)", "(11, 6", "[11, 6]", f"({2**62}, 6)", f"({2**64}, {2**64})", "(True, 66)"),
        *("(" * 500 + ")" * 500, "__import__('os')", "(11, 6)" * 5, "{}", "(1e400, 6)"),
    ):
        yield f"shape {shape[:30]}", npy_with("'<f4'", shape, body)


def mutations(whole: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield changed copies of a file: cut, with flipped or deleted or repeated parts, or with noise for its start."""
    random = np.random.default_rng(seed)
    for number in range(count):
        place, kind = int(random.integers(len(whole))), number % 6
        length = int(random.integers(1, 9))
        noise = random.bytes(length)
        if kind == 0:
            yield f"cut at {place}", whole[:place]
        elif kind == 1:
            yield f"{length} random bytes at {place}", whole[:place] + noise + whole[place + length :]
        elif kind == 2:
            yield f"{length} bytes deleted at {place}", whole[:place] + whole[place + length :]
        elif kind == 3:
            yield f"{length} bytes more at {place}", whole[:place] + noise + whole[place:]
        elif kind == 4:
            early = place % 64
            yield f"{length} random bytes at {early}", whole[:early] + noise + whole[early + length :]
        else:
            flipped = bytes([whole[place] ^ 1 << int(random.integers(8))])
            yield f"one bit at {place}", whole[:place] + flipped + whole[place + 1 :]
