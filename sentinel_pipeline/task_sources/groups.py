"""Which rows belong together, and on which side of the split each group is.

Rows are of one group where their requests are equal but for case and punctuation, where request
and answer are near-duplicates (``mix.near``), or where the source's ``group`` field has the same
value. A group goes to one side whole; which one depends on the seed and on the content of its first
row alone, so rows that are added to the end of a file move no group that was there. Held here are
about 100 bytes a row; signatures and bands lie in the scratch folder. What this module does not do:
read rows (``rows``), or run references (``check``).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ..errors import BadInput
from ..mix import near
from ..mix.normal import prompt_of, words
from ..records import verifier_to_json
from ..records.task_source import SIDES, Side, TaskSource

if TYPE_CHECKING:
    import numpy as np

    from .rows import SourceRow

_BATCH = 1024
BANDED_AT = 0.6
"""Bands are those of this similarity: pairs from it on are found, and counted as overlap."""
BANDS = near.PERMUTATIONS // near.rows_in_band(BANDED_AT)
_SIDE: dict[Side | None, int] = {None: -1, **{side: number for number, side in enumerate(SIDES)}}
HELDOUT = _SIDE["heldout"]
WINDOW = _SIDE["window"]
TRAIN = _SIDE["train"]
KEPT = 0
REPEATED = 1
SAME_ID = 2
ALIKE = 3
UNSCORED_BESIDE = 4
LEFT_OUT = {
    REPEATED: "repeated",
    ALIKE: "near_duplicate",
    UNSCORED_BESIDE: "unscored_beside",
}
"""Why a row that could be read is not used: another row is the same; it is a near-duplicate of
another window or held-out task; or no scorer can judge it, and its group judges."""


class Overlap(NamedTuple):
    """What the sides have in common once they are divided."""

    groups_on_two_sides: int
    judging: int
    """Window and held-out tasks."""
    alike: int
    """Of those, the ones with a training row at least ``BANDED_AT`` like them."""
    nearest: float
    """The similarity of the two most alike."""
    judging_row: int = -1
    """Places of those two."""
    training_row: int = -1


class Dealt(NamedTuple):
    """The outcome, by place of the row."""

    sides: np.ndarray
    """Places in ``SIDES``."""
    status: np.ndarray
    """``KEPT``, or why the row is left out."""
    first: np.ndarray
    """The first row of the row's group."""
    stands: np.ndarray
    """The row that stands for one that is left out."""
    overlap: Overlap

    @property
    def groups(self) -> int:
        import numpy as np

        return int(np.unique(self.first).size)


class Grouping:
    """Takes rows one by one, then deals them."""

    def __init__(self, folder: Path, sources: tuple[TaskSource, ...], seed: int) -> None:
        self.sources = sources
        self.seed = seed
        self._folder = folder
        self._ids = array("Q")
        self._exact = array("Q")
        self._prompts = array("Q")
        self._named = array("Q")
        self._given = array("b")
        self._scorable = array("b")
        self._tasks = array("b")
        self._short = array("b")
        self._source = array("H")
        self._sets: list[tuple[list[str], list[str]]] = []
        self._stack = ExitStack()
        self._signatures = self._open("signatures.bin")
        self._bands = [self._open(f"band-{number}.bin") for number in range(BANDS)]

    def __enter__(self) -> Grouping:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return len(self._ids)

    def _open(self, name: str) -> IO[bytes]:
        return self._stack.enter_context((self._folder / name).open("wb"))

    def add(self, row: SourceRow) -> None:
        """Take the next row."""
        task = row.task
        messages = task.messages if task is not None else row.answers[-1].messages
        answer = task.reference if task is not None else row.answers[-1].completion
        prompt = " ".join(words(prompt_of(messages)))
        checked = verifier_to_json(task.verifier) if task is not None else ""
        turns = "\0".join(f"{turn.role}\1{turn.content}" for turn in messages)
        self._ids.append(_number(row.id))
        self._exact.append(_number(f"{turns}\0\0{answer}\0\0{checked}"))
        # A prompt without a word ("?", an empty one) makes no group.
        self._prompts.append(_number(f"{len(messages)}\0{prompt}") if prompt else 0)
        self._named.append(_number(f"{row.source}\0{row.group}") if row.group is not None else 0)
        self._given.append(_SIDE[row.side])
        self._scorable.append(row.scorable)
        self._tasks.append(task is not None)
        self._source.append(row.source)
        pair = near.shingles(messages, answer)
        self._short.append(sum(map(len, pair)) < near.MIN_SHINGLES)
        self._sets.append(pair)
        if len(self._sets) == _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._sets:
            minima = near.signatures(self._sets)
            self._signatures.write(near.lowest_bytes(minima).tobytes())
            hashed = near.bands(minima, BANDED_AT)
            for number, stream in enumerate(self._bands):
                stream.write(hashed[:, number].tobytes())
            self._sets.clear()

    def deal(self) -> Dealt:
        """Divide what was taken.

        Raises:
            Conflict: the user's own files have one group on two sides.
        """
        import numpy as np

        self._flush()
        self._stack.close()
        rows = len(self)
        given = np.array(self._given, np.int8)
        scorable = np.array(self._scorable, bool)
        tasks = np.array(self._tasks, bool)
        exact = np.array(self._exact, np.uint64)
        stands = np.arange(rows)
        status = np.zeros(rows, np.int8)
        if not rows:
            empty = np.zeros(0, np.int64)
            return Dealt(empty, status, empty, stands, Overlap(0, 0, 0, 0.0))
        repeated = _first_of(exact)
        status[repeated != stands] = REPEATED
        stands = np.where(status == REPEATED, repeated, stands)
        same_id = _first_of(np.array(self._ids, np.uint64))
        clash = (same_id != np.arange(rows)) & (status == KEPT)
        status[clash] = SAME_ID
        stands = np.where(clash, same_id, stands)
        signatures = np.memmap(
            self._folder / "signatures.bin", np.uint8, "r", shape=(rows, near.PERMUTATIONS)
        )
        pairs = self._near_pairs(signatures)
        prompt_pairs = _pairs_of(np.array(self._prompts, np.uint64))
        edges = np.concatenate(
            [
                pairs,
                prompt_pairs,
                _pairs_of(exact),
                _pairs_of(np.array(self._named, np.uint64)),
            ]
        )
        first = _components(edges, rows)
        sides = self._sides(first, given, scorable, tasks, exact)
        judging = sides != TRAIN
        allowed = np.where(sides == HELDOUT, tasks, scorable)
        status[judging & ~allowed & (status == KEPT)] = UNSCORED_BESIDE
        # Equal requests and near-duplicates are one question: it judges once.
        for later, earlier in np.concatenate([pairs, prompt_pairs]).tolist():
            if judging[later] and status[later] == KEPT:
                standing = int(stands[earlier]) if status[earlier] != KEPT else earlier
                if status[standing] == KEPT and standing != later:
                    status[later] = ALIKE
                    stands[later] = standing
        overlap = self._overlap(signatures, sides, status, first)
        return Dealt(sides, status, first, stands, overlap)

    def _near_pairs(self, signatures: np.ndarray) -> np.ndarray:
        """Pairs (later, earlier) of rows that are as alike as their sources ask."""
        import numpy as np

        asked = np.array([source.near_duplicates for source in self.sources], np.float64)
        thresholds = asked[np.array(self._source, np.int64)]
        found = [np.empty((0, 2), np.int64)]
        for order, starts in self._buckets():
            before = np.where(starts[1:], -1, order[:-1])
            leader = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))][1:]
            for earlier in (before, leader):
                pair = np.stack([order[1:], earlier], axis=1)
                pair = pair[(pair[:, 1] >= 0) & (pair[:, 0] != pair[:, 1])]
                least = np.minimum(thresholds[pair[:, 0]], thresholds[pair[:, 1]])
                found.append(pair[_similarities(signatures, pair) >= least])
            found = [np.unique(np.concatenate(found), axis=0)]
        return found[0]

    def _buckets(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each band, one in memory at a time: the rows in the order of their hashes, and where
        a bucket begins."""
        import numpy as np

        long = np.flatnonzero(np.array(self._short, np.int8) == 0)
        for number in range(BANDS if len(long) else 0):
            hashes = np.fromfile(self._folder / f"band-{number}.bin", np.uint64)[long]
            by_hash = np.argsort(hashes, kind="stable")
            ordered = hashes[by_hash]
            starts = np.ones(len(ordered), bool)
            starts[1:] = ordered[1:] != ordered[:-1]
            yield long[by_hash], starts

    def _sides(
        self,
        first: np.ndarray,
        given: np.ndarray,
        scorable: np.ndarray,
        tasks: np.ndarray,
        exact: np.ndarray,
    ) -> np.ndarray:
        import numpy as np

        rows = len(first)
        of_group = np.full(rows, -1, np.int8)
        for place in np.flatnonzero(given >= 0).tolist():
            group = int(first[place])
            if of_group[group] not in (-1, given[place]):
                other = next(
                    at
                    for at in np.flatnonzero(first == group).tolist()
                    if given[at] == of_group[group]
                )
                raise Conflict(other, place, SIDES[of_group[group]], SIDES[given[place]])
            of_group[group] = given[place]
        has_scorable = np.zeros(rows, bool)
        has_task = np.zeros(rows, bool)
        np.logical_or.at(has_scorable, first, scorable)
        np.logical_or.at(has_task, first, tasks)
        for group in np.unique(first[of_group[first] < 0]).tolist():
            if not has_task[group]:
                of_group[group] = TRAIN
                continue
            shares = self.sources[self._source[group]].shares
            fraction = _place(self.seed, int(exact[group]))
            if not has_scorable[group]:
                # Windows and rewards ask no judge: what only a judge can score trains or is held
                # out.
                unjudged = shares.pop("window", 0.0) + shares.pop("reward", 0.0)
                shares["train"] = shares.get("train", 0.0) + unjudged
            of_group[group] = _side_at(fraction, shares)
        sides: np.ndarray = of_group[first]
        return sides

    def _overlap(
        self, signatures: np.ndarray, sides: np.ndarray, status: np.ndarray, first: np.ndarray
    ) -> Overlap:
        """Measured on what the sides hold, not on how they were made."""
        import numpy as np

        kept = (status == KEPT) | (status == REPEATED)
        judging = (sides != TRAIN) & (status == KEPT)
        train = (sides == TRAIN) & kept
        on_two = np.intersect1d(first[judging], first[train]).size
        best = np.zeros(len(sides), np.float64)
        partner = np.full(len(sides), -1, np.int64)
        for order, starts in self._buckets():
            bucket = np.cumsum(starts)
            places = np.arange(len(order))
            is_train = train[order]
            last = np.maximum.accumulate(np.where(is_train, places, -1))
            reverse = np.where(is_train, places, len(order))[::-1]
            following = np.minimum.accumulate(reverse)[::-1]
            for other in (last, following):
                inside = (other >= 0) & (other < len(order)) & judging[order]
                asked = places[inside]
                asked = asked[bucket[asked] == bucket[other[asked]]]
                pair = np.stack([order[asked], order[other[asked]]], axis=1)
                alike = _similarities(signatures, pair)
                better = alike > best[pair[:, 0]]
                best[pair[better, 0]] = alike[better]
                partner[pair[better, 0]] = pair[better, 1]
        nearest = int(best.argmax())
        return Overlap(
            int(on_two),
            int(judging.sum()),
            int((best >= BANDED_AT).sum()),
            round(float(best[nearest]), 4),
            nearest if partner[nearest] >= 0 else -1,
            int(partner[nearest]),
        )


class Conflict(Exception):
    """Two rows of one group stand on two sides: their places and sides."""

    def __init__(self, first: int, second: int, first_side: str, second_side: str) -> None:
        super().__init__(first, second)
        self.first = first
        self.second = second
        self.sides = (first_side, second_side)

    def as_bad_input(
        self, first: tuple[str, int], second: tuple[str, int], group: str | None
    ) -> BadInput:
        """The same as a person is told it, with the places of the two rows."""
        what = f"have the same {group}" if group else "are near-duplicates of each other"
        return BadInput(
            f"{first[0]}:{first[1]} ({self.sides[0]}) and {second[0]}:{second[1]} "
            f"({self.sides[1]}) {what}: a group may not be on two sides of a split.",
            file=second[0],
            line=second[1],
            fix="Move one to the other's side, or give one file with split.",
        )


def _number(text: str) -> int:
    """64 bits of a hash; never 0, which stands for none."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


def _place(seed: int, content: int) -> float:
    """A fixed number in [0, 1)."""
    return _number(f"side|{seed}|{content}") / 2**64


def _side_at(place: float, shares: dict[Side, float]) -> int:
    reached = 0.0
    for side in SIDES:
        reached += shares.get(side, 0.0)
        if place < reached and shares.get(side):
            return _SIDE[side]
    return _SIDE[next(side for side in reversed(SIDES) if shares.get(side))]


def _first_of(values: np.ndarray) -> np.ndarray:
    """For each place the first place with the same value."""
    import numpy as np

    _, where, inverse = np.unique(values, return_index=True, return_inverse=True)
    places: np.ndarray = where[inverse]
    return places


def _pairs_of(values: np.ndarray) -> np.ndarray:
    """(later, first) of places with the same value; 0 stands for none."""
    import numpy as np

    first = _first_of(values)
    later = np.flatnonzero((first != np.arange(len(values))) & (values != 0))
    return np.stack([later, first[later]], axis=1)


def _components(edges: np.ndarray, rows: int) -> np.ndarray:
    """For each row the first row of its group."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(rows, rows))
    _, labels = connected_components(graph, directed=False)
    _, where = np.unique(labels, return_index=True)
    places: np.ndarray = where[labels]
    return places


def _similarities(signatures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Of pairs of places, a slice at a time."""
    import numpy as np

    bounds = [*range(0, len(pairs), 16_384), len(pairs)]
    parts = [
        near.similarity(signatures[pairs[start:end, 0]], signatures[pairs[start:end, 1]])
        for start, end in pairwise(bounds)
        if end > start
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.float64)
