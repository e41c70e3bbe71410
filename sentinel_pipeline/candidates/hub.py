"""Hub data sets through ``datasets``, streaming; a local folder of the same layout is read the same
way, without a network.

Nothing is cached or scored here, and no data set's own code is ever run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import BadInput, Infrastructure
from ..records import Candidate, Quarantined
from ..records.data_spec import FieldMap
from ..worker.remote_code import trust_remote_code
from .decode import quarantined
from .files import Convert, T_co
from .pairs import to_candidates
from .shapes import RowRefused
from .turns import without_nulls


def read_hub(
    name: str,
    split: str = "train",
    *,
    limit: int | None = None,
    root: Path | None = None,
    maps: Sequence[FieldMap] = (),
) -> Iterator[Candidate | Quarantined]:
    """The rows of one split as candidates; see ``read_hub_as``."""
    return read_hub_as(to_candidates, name, split, limit=limit, root=root, maps=maps)


def read_hub_as(
    convert: Convert[T_co],
    name: str,
    split: str = "train",
    *,
    limit: int | None = None,
    root: Path | None = None,
    maps: Sequence[FieldMap] = (),
) -> Iterator[T_co | Quarantined]:
    """The rows of one split; lines count the split's rows from one.

    Args:
        convert: how a row is read.
        name: a data set's name on the hub, or a local folder; a relative folder is looked for under
            ``root``.
        split: ``train``, ``test`` …
        limit: at most so many rows.
        root: a relative folder is relative to it.
        maps: names of the fields of rows that are of no known shape.

    Raises:
        BadInput: no such data set, or no such split.
        Infrastructure: the hub cannot be reached; says what to do without a network.
    """
    folder = (root / name) if root is not None else Path(name)
    place = f"hub:{name}"
    rows = _local(str(folder), split) if folder.is_dir() else _remote(name, split)
    for number, row in enumerate(islice(rows, limit), start=1):
        if isinstance(row, str):
            yield quarantined(place, number, row, "")
            return
        try:
            yield from convert(without_nulls(row), source=place, file=place, line=number, maps=maps)
        except RowRefused as error:
            yield quarantined(place, number, error.reason, repr(row)[:400])


def _local(folder: str, split: str) -> Iterator[dict[str, Any] | str]:
    """Rows of a folder; where its files are damaged the reason, as text, ends them."""
    rows = _rows(folder, split)
    try:
        yield from rows
    except Exception as error:
        yield f"damaged: the rest cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _remote(name: str, split: str) -> Iterator[dict[str, Any] | str]:
    """Rows of the hub; half a data set because the network went is no data set."""
    try:
        yield from _rows(name, split)
    except BadInput:
        raise
    except Exception as error:
        raise _unreachable(name, split, error) from error


def _rows(name: str, split: str) -> Iterable[dict[str, Any]]:
    from datasets import load_dataset

    try:
        rows: Iterable[dict[str, Any]] = load_dataset(
            name, split=split, streaming=True, trust_remote_code=trust_remote_code(name)
        )
    except ValueError as error:
        if "split" in str(error).lower():
            raise BadInput(
                f"data set {name!r} has no split {split!r}: {error}", field="split"
            ) from error
        raise BadInput(f"data set {name!r} cannot be read: {error}", field="name") from error
    return rows


def _unreachable(name: str, split: str, error: Exception) -> BadInput | Infrastructure:
    """What the user can do; the library's own words only as far as they help."""
    kind = type(error).__name__
    words = " ".join(str(error).split())[:200]
    if (
        kind == "DatasetNotFoundError"
        and "offline" not in words.lower()
        and "reach" not in words.lower()
    ):
        return BadInput(
            f"there is no data set {name!r} on the hub, or it is not public ({words}).",
            field="candidates.hub",
            fix="Check the name; for a private one log in with `hf auth login`; a local folder's path works too.",
        )
    return Infrastructure(
        f"data set {name!r} (split {split}) cannot be reached: {kind}: {words}. Without a network: download it elsewhere with "
        f"`hf download --repo-type dataset {name} --local-dir FOLDER` and put FOLDER in the place of its name."
    )
