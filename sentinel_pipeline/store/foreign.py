"""Files that somebody else wrote, read within bounds of bytes: Parquet whose pages or dictionaries
unpack to a thousand times their size, and folders with links that lead out of them.

What this module does not do: say what a row means, or bound what a footer lies about: a page whose
own header names more bytes than its file's footer does can cost up to 2 GiB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

MIB = 2**20
BATCH_ROWS = 256
BATCH_BYTES = 32 * MIB
"""A batch is smaller where rows are long on average."""
LARGE_CHUNK = 64 * MIB
"""A column of a row group of more bytes than this, unpacked, may not be packed more than ``RATIO``
times."""
RATIO = 400
LONG_LISTS = 4_000_000
"""Values of nested columns that a row group may hold however few bytes they take in the file."""
VALUE_BYTES = 16
"""What a number, a truth or a date counts."""


class TooLarge(ValueError):
    """A file that would take more memory than its rows are worth."""


class ForeignRow(NamedTuple):
    """A row of a Parquet file; ``data`` is None where it has more than the most ``size`` bytes."""

    data: pa.RecordBatch | None
    size: int


def foreign_rows(path: Path, most: int) -> Iterator[ForeignRow]:
    """The rows of a Parquet file one by one; see ``foreign_group``."""
    import pyarrow.parquet as pq

    with path.open("rb") as source:
        count = int(pq.read_metadata(source).num_row_groups)
        for group in range(count):
            yield from foreign_group(source, group, most)


def foreign_group(source: IO[bytes], group: int, most: int) -> Iterator[ForeignRow]:
    """The rows of one row group of an open Parquet file one by one; a row of more than ``most``
    bytes is passed over before it is unfolded.

    Texts stay in the file's dictionary until their row is asked for, so that rows that share a text
    do not cost it again.

    Raises:
        TooLarge: the row group unpacks to far more than it takes in the file.
        pyarrow.ArrowException, OSError, ValueError: the file is damaged.
    """
    import pyarrow.parquet as pq

    in_file = source.seek(0, 2)
    footer = pq.ParquetFile(source)
    columns = [footer.schema.column(index) for index in range(len(footer.schema))]
    texts = [
        column.path
        for column in columns
        if column.physical_type == "BYTE_ARRAY"
        and column.logical_type.type in ("STRING", "NONE", "JSON", "ENUM", "UNKNOWN")
    ]
    rows = _batch_rows(footer.metadata.row_group(group), columns, in_file)
    file = pq.ParquetFile(source, read_dictionary=texts, buffer_size=MIB)
    for batch in file.iter_batches(batch_size=rows, row_groups=[group]):
        for index, size in enumerate(_sizes_of_rows(batch)):
            yield ForeignRow(batch.slice(index, 1) if size <= most else None, size)


def _batch_rows(group: Any, columns: list[Any], in_file: int) -> int:
    """How many rows of a group are read at once.

    Raises:
        TooLarge: it is packed as no honest file is.
    """
    total = 0
    rows = BATCH_ROWS
    for index, column in enumerate(columns):
        chunk = group.column(index)
        packed = max(min(chunk.total_compressed_size, in_file), 1)
        unpacked = chunk.total_uncompressed_size
        total += max(unpacked, 0)
        fix = "write the file as JSON lines"
        if unpacked > LARGE_CHUNK and unpacked > RATIO * packed:
            raise TooLarge(
                f"column {column.path}: {packed} bytes unpack to {unpacked}, more than {RATIO} times as many: {fix}"
            )
        if column.max_repetition_level and chunk.num_values > max(LONG_LISTS, 50 * packed):
            raise TooLarge(
                f"column {column.path}: {chunk.num_values} values in {packed} bytes: {fix}"
            )
        # Each text is written as what it shares with the one before and the rest: it unpacks to
        # more than either size says.
        if "DELTA_BYTE_ARRAY" in chunk.encodings:
            if column.max_repetition_level:
                raise TooLarge(f"column {column.path}: lists of texts that share beginnings: {fix}")
            rows = 1
    mean = total // max(group.num_rows, 1)
    return max(1, min(rows, int(BATCH_BYTES // max(mean, 1))))


def _sizes_of_rows(batch: pa.RecordBatch) -> list[int]:
    """How many bytes each row unfolds to, told without unfolding it."""
    import numpy as np

    total = np.zeros(batch.num_rows, dtype=np.int64)
    for column in batch.columns:
        total += _sizes(column)
    return [int(size) for size in total]


def _sizes(values: pa.Array) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        lengths = np.append(_sizes(values.dictionary), 0)
        places = values.indices.fill_null(len(lengths) - 1).to_numpy(zero_copy_only=False)
        return lengths[places]
    if (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        return pc.binary_length(values).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_struct(kind):
        total = np.zeros(len(values), dtype=np.int64)
        for index in range(kind.num_fields):
            total += _sizes(values.field(index))
        return total
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        offsets = values.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        inner = np.concatenate(([0], np.cumsum(_sizes(values.values))))
        return inner[offsets[1:]] - inner[offsets[:-1]] + VALUE_BYTES
    if pa.types.is_fixed_size_list(kind):
        inner = _sizes(values.flatten()) if len(values) else np.zeros(0, dtype=np.int64)
        return np.full(len(values), int(inner.sum()) + VALUE_BYTES, dtype=np.int64)
    width = kind.byte_width if pa.types.is_fixed_size_binary(kind) else VALUE_BYTES
    return np.full(len(values), max(width, VALUE_BYTES), dtype=np.int64)


def files_under(folder: Path, accepts: Callable[[Path], bool]) -> tuple[list[Path], list[Path]]:
    """The files of a folder that ``accepts`` accepts, by name, and those links among them that
    lead out of it, which nobody may follow. The folder itself may be a link: a person named it."""
    root = folder.resolve()
    inside: list[Path] = []
    outside: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if not accepts(path) or not path.is_file():
            continue
        (inside if path.resolve().is_relative_to(root) else outside).append(path)
    return inside, outside
