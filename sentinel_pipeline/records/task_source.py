"""Recipe sections about tasks: generated families, and the user's own files, folders and data sets
with their division into training, window and held-out tasks.

What this module does not do: read a source, or divide it (``task_sources``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Annotated, Literal

from msgspec import Meta

from .bounds import Count, CountOrZero, PositiveShare, Seed
from .decode import Fault

Side = Literal["train", "window", "heldout", "reward"]
SIDES: tuple[Side, ...] = ("heldout", "window", "reward", "train")
"""In the order in which groups are dealt: whether there is a reward side moves nothing from or to
the two before it."""
SPLIT: dict[Side, float] = {"train": 0.8, "window": 0.1, "heldout": 0.1}
"""How a source is divided where nothing is said."""
Similarity = Annotated[float, Meta(ge=0.5, le=1, description="1 groups equal tasks only.")]
_RANGE = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSource:
    """Tasks of the user's own: one file, folder or data set that is divided by groups, or a file
    for each side."""

    name: str = ""
    """Begins the ids of its tasks and is their family where a row names none; absent: the name of
    the file, folder or data set."""
    file: str | None = None
    """A file or folder to divide, relative to the project's root; the kinds of file and the shapes
    of rows are those that ``sentinel label`` reads."""
    hub: str | None = None
    """A data set of the hub to divide, or a local folder of the same layout."""
    hub_split: str = "train"
    """The data set's split that is read."""
    train: str | None = None
    """A file or folder of training tasks, where the user has divided them."""
    window: str | None = None
    heldout: str | None = None
    reward: str | None = None
    """Tasks that only the check ``eval_reward`` asks: whoever trains or chooses weights on them
    makes the check worthless."""
    database: str | None = None
    """A database of the user's own (SQLite or DuckDB file, Parquet, CSV): with ``table`` and
    ``prompt`` each row that is drawn is a task; beside ``file`` it is what the ``sql`` of the
    file's rows is asked of."""
    table: str | None = None
    """The table or view whose rows are drawn: ``limit`` of them, 1,000 when absent, at random by
    the recipe's seed."""
    where: str | None = None
    """A condition in SQL on the rows that may be drawn."""
    prompt: str | None = None
    """The request, with columns in braces: ``Pedido {order_id}: {review}``."""
    expected: tuple[str, ...] = ()
    """Columns that the answer, one JSON object, has to hold."""
    must_mention: tuple[str, ...] = ()
    """Instead: columns whose values a text about the row has to name; it may hold no number or
    name that the row does not."""
    words: tuple[Count, Count] = (10, 120)
    """Least and most words of such a text."""
    language: Literal["pt", "en"] = "pt"
    """What such a text is written in."""
    split: dict[Side, PositiveShare] | None = None
    """Shares of the sides, which sum to 1; absent: 0.8 train, 0.1 window, 0.1 held-out. A group of
    near-duplicates goes to one side whole. Where GRPO trains and no share ``reward`` is named, as
    much as the window's is taken off the training share for the check ``eval_reward``."""
    group: str | None = None
    """A field of the rows: rows with the same value of it go to one side (an author, a repository,
    a source document)."""
    ids: str | None = None
    """Only the rows whose ``task_id`` is a number in these ranges: ``"601-974"``, ``"1-10,
    20"``."""
    limit: Count | None = None
    """Only so many rows, the first ones."""
    near_duplicates: Similarity = 0.85
    """Jaccard similarity of two requests and of their answers (three words at a time) from which
    two tasks are one group."""

    @property
    def places(self) -> dict[Side | None, str]:
        """Path or data set -> of which side it is; None: to be divided."""
        sides: dict[Side | None, str | None] = {
            None: self.file or self.hub or (self.database if self.table else None),
            "train": self.train,
            "window": self.window,
            "heldout": self.heldout,
            "reward": self.reward,
        }
        return {side: place for side, place in sides.items() if place}

    @property
    def title(self) -> str:
        """``name``, or what stands in its place."""
        if self.name:
            return self.name
        place = next(iter(self.places.values()))
        stem = PurePath(place).name.split(".")[0]
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.") or "tasks"

    @property
    def shares(self) -> dict[Side, float]:
        return dict(self.split or SPLIT)

    def with_reward_side(self) -> TaskSource:
        """The same source with a share for the check ``eval_reward``, where it is divided and names
        none: as large as the window's, off the training share, at most half of that."""
        shares = self.shares
        if None not in self.places or "reward" in shares or not shares.get("train"):
            return self
        share = min(shares.get("window", 0.0) or SPLIT["window"], shares["train"] / 2)
        return replace(self, split={**shares, "reward": share, "train": shares["train"] - share})

    def reads(self, task_id: object) -> bool:
        """Whether a row of this id is among those that ``ids`` names."""
        if self.ids is None:
            return True
        text = str(task_id)
        if isinstance(task_id, bool) or not text.isdecimal():
            return False
        return any(first <= int(text) <= last for first, last in _ranges(self.ids))

    def check(self) -> None:
        """One way to name the rows; shares are a whole; ranges are ranges."""
        sides = [name for name in ("train", "window", "heldout", "reward") if getattr(self, name)]
        ways = [name for name in ("file", "hub", "table") if getattr(self, name)]
        ways += sides and ["sides"]
        if not ways:
            fix = (
                "Give file, hub, a database with table and prompt, or a file for each side (train, "
                "window, heldout, reward)."
            )
            raise Fault("names no tasks", "file", fix)
        if len(ways) > 1:
            other = sides[0] if sides else ways[1]
            fix = "Divide one file with split, or give a file for each side."
            raise Fault(f"stands beside {ways[0]}", other, fix)
        if self.name and not _NAME.fullmatch(self.name):
            fix = "Use letters, digits, '.', '_' and '-'."
            raise Fault("cannot begin an id", "name", fix)
        if self.table is not None:
            if self.database is None:
                raise Fault("is missing: a table is of a database", "database", "Name its file.")
            if self.prompt is None:
                fix = "Write the request with columns in braces."
                raise Fault("is missing: it says what is asked of a row", "prompt", fix)
            if bool(self.expected) == bool(self.must_mention):
                fix = "Name columns in expected or in must_mention, and not in both."
                raise Fault("nothing or two things say what is right", "expected", fix)
        elif self.where or self.prompt or self.expected or self.must_mention:
            raise Fault("is missing: what rows are drawn from", "table", "Name a table or view.")
        if sides and self.split is not None:
            fix = "Leave it out: the files say which side their tasks are of."
            raise Fault("the sides have files of their own", "split", fix)
        if self.split is not None and abs(math.fsum(self.split.values()) - 1) > 1e-6:
            total = math.fsum(self.split.values())
            raise Fault(f"shares sum to {total:g}, expected 1", "split", "Adjust the shares.")
        if self.ids is not None:
            _ranges(self.ids)


def _ranges(text: str) -> list[tuple[int, int]]:
    """Raises Fault: not numbers and ranges of numbers."""
    ranges = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            fix = 'Write numbers and ranges: "601-974", "1-10, 20".'
            raise Fault(f"{part.strip()!r:.40} is not a range of numbers", "ids", fix)
        ranges.append((int(match[1]), int(match[2] or match[1])))
    return ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksSpec:
    """How many generated tasks of each family, by family name; and tasks of the user's own."""

    train: dict[str, CountOrZero] = field(default_factory=dict)
    heldout: dict[str, CountOrZero] = field(default_factory=dict)
    window: dict[str, CountOrZero] = field(default_factory=dict)
    """For the windows of training; of compositions that neither train nor judge."""
    levels: dict[str, tuple[Count, Count]] = field(default_factory=dict)
    """Least and most difficult level of a family that has levels, by family name:
    ``modules = [2, 4]``; all levels where it is not named. ``sentinel families`` lists them."""
    fresh_seed: Seed | None = None
    """Draws a second held-out suite, ``fresh``: name it in ``bench.suites``, and choose no setting
    by it. Absent: none."""
    fresh: dict[str, CountOrZero] = field(default_factory=dict)
    """Tasks of each family in the suite ``fresh``; as many as in ``heldout`` where none is named. A
    small step between two models takes more of them than a gate does."""
    source: tuple[TaskSource, ...] = ()
    """Files, folders and data sets of tasks: each a ``[[tasks.source]]``."""

    @property
    def fresh_sizes(self) -> dict[str, int]:
        return self.fresh or self.heldout

    def check(self) -> None:
        if self.fresh and self.fresh_seed is None:
            raise Fault("is missing: it draws these tasks", "fresh_seed", "Name a seed of its own.")
        titles = [source.title for source in self.source]
        for index, title in enumerate(titles):
            if title in titles[:index]:
                fix = "Give one of them a name."
                raise Fault(f"two sources are called {title!r}", f"source[{index}].name", fix)
