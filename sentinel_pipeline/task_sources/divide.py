"""The user's tasks, read, grouped, divided and checked: what a task bank takes from its sources.

Rows stream to a scratch file, are dealt to sides by group (``groups``), and stream on with every
reference run in the sandbox. A row that cannot be read, a repeated id and a reference that fails
its own verifier are quarantined by name; only what a person has to correct stops. Memory does not
grow with the rows' texts. What this module does not do: write artifacts (the task bank does).
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..candidates.decode import quarantined
from ..candidates.files import read_as
from ..candidates.hub import read_hub_as
from ..candidates.shapes import RowRefused
from ..critic.score import DEFAULTS, Scorable, Score, score
from ..errors import BadInput, Infrastructure
from ..markdown import cell
from ..rates import percent
from ..records import Candidate, Quarantined, Task
from ..records.data_spec import CriticSpec, FieldMap
from ..records.recipe import Recipe
from ..records.report import MAX_INFRA_SHARE
from ..records.task_source import SIDES, Side, TaskSource
from .grounded import copies, drawn_rows
from .groups import (
    BANDED_AT,
    KEPT,
    LEFT_OUT,
    SAME_ID,
    Conflict,
    Dealt,
    Grouping,
)
from .rows import Reader, SourceRow

MOST_FAMILIES = 200
"""GRPO has a reward function for each family."""
SHOWN = 5


class Placed(NamedTuple):
    """A row that is used, and its side."""

    row: SourceRow
    side: Side


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of the sources' rows; complete once ``Division.rows`` was read to its end."""

    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    """Source -> ``read``, ``tasks``, ``unscored``, ``quarantined``."""
    sides: dict[str, Counter[str]] = field(
        default_factory=lambda: {side: Counter() for side in SIDES}
    )
    """Side -> family -> tasks."""
    unscored: int = 0
    """Rows without a verifier, on the training side."""
    judged: int = 0
    """Training tasks that only a judge can score."""
    groups: int = 0
    largest_group: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    """By reason's code."""
    references: Counter[str] = field(default_factory=Counter)
    """``passed``, ``failed``, ``none`` (the row has no reference), ``infra``, ``unchecked``."""
    overlap: dict[str, Any] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    """The first quarantined rows, with place and reason."""
    unscored_examples: list[str] = field(default_factory=list)
    """Ids of the first training rows that no scorer can judge."""

    @property
    def train(self) -> Counter[str]:
        """Family -> training tasks that the scorer can judge."""
        return self.sides["train"]

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {side: sum(counts.values()) for side, counts in self.sides.items()}

    def to_markdown(self) -> str:
        lines = [
            "| source | rows read | tasks | without a verifier | quarantined |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {cell(name)} | {counts['read']:,} | {counts['tasks']:,} | {counts['unscored']:,} "
            f"| {counts['quarantined']:,} |"
            for name, counts in self.sources.items()
        ]
        lines += ["", "| side | tasks |", "|---|---|"]
        lines += [
            f"| {side} | {sum(self.sides[side].values()):,} |"
            for side in reversed(SIDES)
            if side != "reward" or self.sides[side]
        ]
        lines += [
            "",
            f"{self.groups:,} groups, the largest of {self.largest_group:,} rows. Left out: "
            + (", ".join(f"{count:,} {why}" for why, count in self.left_out.items()) or "none")
            + ".",
            "",
            f"References: {self.references['passed']:,} passed their own verifier, "
            f"{self.references['failed']:,} failed, {self.references['none']:,} tasks have none.",
            "",
            self.overlap_text(),
        ]
        lines += ["", *(f"- {example}" for example in self.examples)]
        return "\n".join(lines) + "\n"

    def overlap_text(self) -> str:
        if not self.overlap:
            return ""
        nearest = self.overlap["nearest_rows"]
        pair = f": {nearest[0]} and {nearest[1]}, {self.overlap['nearest']:.2f}" if nearest else ""
        return (
            f"Overlap: {self.overlap['groups_on_two_sides']} groups are on two sides; "
            f"{self.overlap['alike']:,} of {self.overlap['judging']:,} window and held-out tasks "
            f"have a training row at least {percent(BANDED_AT, 0)} alike{pair}."
        )


@dataclass(slots=True)
class Division:
    """The sources' rows on disk, and where each belongs."""

    scratch: Path
    sources: tuple[TaskSource, ...]
    dealt: Dealt
    report: Report

    def rows(
        self, critic: CriticSpec = DEFAULTS, *, check: bool = True, workers: int | None = None
    ) -> Iterator[Placed | Quarantined]:
        """Every row that is used and every one that is quarantined, in the order of the sources.

        With ``check`` each reference runs against its own verifier first.

        Raises:
            BadInput: nothing is left of a source.
            Infrastructure: too many references could not be scored.
            GateRefused: there are programs to run and this machine isolates less than the sandbox
                demands.
        """
        report = self.report

        def scorables() -> Iterator[Scorable]:
            """Read apart from the rows below, so that none waits in memory for another's score."""
            for place, row in enumerate(self._stored()):
                if check and self._is_checked(place, row):
                    task = row.task
                    assert task is not None, "what is checked is a task"
                    yield Scorable(task.id, task.messages, task.reference, task.verifier)

        results = score(scorables(), spec=critic, workers=workers)
        with (self.scratch / "quarantine.jsonl").open(encoding="utf-8") as stream:
            for line in stream:
                yield Quarantined(**json.loads(line))
        left = Counter[int]()
        for place, row in enumerate(self._stored()):
            result = next(results) if check and self._is_checked(place, row) else None
            yield from self._placed(place, row, result, left)
        self._refuse_empty(left)
        infra = report.references["infra"]
        if infra > MAX_INFRA_SHARE * max(1, infra + report.references["passed"]):
            raise Infrastructure(
                f"{infra} references of the task sources could not be scored: fix the sandbox, then run again."
            )

    def _is_checked(self, place: int, row: SourceRow) -> bool:
        return bool(
            self.dealt.status[place] == KEPT
            and row.scorable
            and row.task is not None
            and row.task.reference.strip()
        )

    def _placed(
        self, place: int, row: SourceRow, result: Score | None, left: Counter[int]
    ) -> Iterator[Placed | Quarantined]:
        report = self.report
        status = int(self.dealt.status[place])
        counts = report.sources[self.sources[row.source].title]
        if status == SAME_ID:
            first = self.place_of(int(self.dealt.stands[place]))
            reason = f"duplicate_id: {row.id!r} is also the id of {first[0]}:{first[1]}"
            yield self._quarantine(row, reason, counts)
            return
        if status != KEPT:
            report.left_out[LEFT_OUT[status]] += 1
            left[row.source] += 1
            return
        if result is not None and result.outcome != "pass":
            # A gold query or command that fails is the row's fault, not this machine's.
            ours = result.outcome == "infra" and "the gold " not in result.reason
            report.references["infra" if ours else "failed"] += 1
            what = "could not be scored" if result.outcome == "infra" else "fails its own verifier"
            yield self._quarantine(row, f"reference: {row.id} {what}: {result.reason}", counts)
            return
        side = SIDES[int(self.dealt.sides[place])]
        left[row.source] += 1
        if row.task is None:
            counts["unscored"] += 1
            report.unscored += 1
        else:
            counts["tasks"] += 1
            if row.scorable or side == "heldout":
                report.sides[side][row.task.family] += 1
                if len(report.sides[side]) > MOST_FAMILIES:
                    raise BadInput(
                        f"more than {MOST_FAMILIES} families: GRPO has a reward for each.",
                        file=row.file,
                        line=row.line,
                        field="family",
                        fix="Leave family out, or name fewer.",
                    )
            else:
                report.judged += 1
            if result is not None:
                report.references["passed"] += 1
            elif not row.task.reference.strip():
                report.references["none"] += 1
            else:
                report.references["unchecked"] += 1
            group = f"group-{int(self.dealt.first[place])}"
            row = row._replace(task=replace(row.task, suite=side, composition=group))
        if not row.scorable and side == "train" and len(report.unscored_examples) < SHOWN:
            report.unscored_examples.append(row.id)
        yield Placed(row, side)

    def _quarantine(self, row: SourceRow, reason: str, counts: dict[str, int]) -> Quarantined:
        item = quarantined(row.file, row.line, reason, row.id)
        counts["quarantined"] += 1
        _note(self.report, item)
        return item

    def _refuse_empty(self, left: Counter[int]) -> None:
        for index, source in enumerate(self.sources):
            if not left[index]:
                raise _empty(source, index, self.report)

    def _stored(self) -> Iterator[SourceRow]:
        with (self.scratch / "rows.jsonl").open(encoding="utf-8") as stream:
            for line in stream:
                yield _row_from(json.loads(line))

    def place_of(self, place: int) -> tuple[str, int]:
        """File and line of a row."""
        row = next(islice(self._stored(), place, None))
        return row.file, row.line


def divide(
    sources: Sequence[TaskSource],
    seed: int,
    *,
    root: Path,
    scratch: Path,
    maps: Sequence[FieldMap] = (),
) -> Division:
    """Read every source and deal its rows; runs nothing.

    Args:
        sources: the recipe's ``[[tasks.source]]``.
        seed: of the split.
        root: paths are relative to it.
        scratch: an empty folder for what is kept on disk meanwhile.
        maps: the recipe's ``[[candidates.map]]``.

    Raises:
        BadInput: a file or data set does not exist, a source gives nothing, or the user's own
            files have one group on two sides.
        Infrastructure: the hub cannot be reached.
    """
    report = Report()
    with (
        (scratch / "rows.jsonl").open("w", encoding="utf-8") as stream,
        (scratch / "quarantine.jsonl").open("w", encoding="utf-8") as bad,
        Grouping(scratch, tuple(sources), seed) as grouping,
    ):
        for index, source in enumerate(sources):
            counts = {"read": 0, "tasks": 0, "unscored": 0, "quarantined": 0}
            report.sources[source.title] = counts
            for item in islice(_read(source, index, root, maps, seed), source.limit):
                counts["read"] += 1
                if isinstance(item, Quarantined):
                    counts["quarantined"] += 1
                    _note(report, item)
                    bad.write(json.dumps(asdict(item), ensure_ascii=False) + "\n")
                else:
                    grouping.add(item)
                    stream.write(json.dumps(_row_to(item), ensure_ascii=False) + "\n")
            if counts["read"] == counts["quarantined"]:
                raise _empty(source, index, report)
        stream.flush()
        bad.flush()
        try:
            dealt = grouping.deal()
        except Conflict as conflict:
            rows = _rows_at(scratch / "rows.jsonl", (conflict.first, conflict.second))
            first = rows[0]
            second = rows[1]
            same = first.group is not None and first.group == second.group
            name = sources[second.source].group if same else None
            raise conflict.as_bad_input(
                (first.file, first.line), (second.file, second.line), name
            ) from None
    report.groups = dealt.groups
    division = Division(scratch, tuple(sources), dealt, report)
    overlap = dealt.overlap
    nearest = [
        "{}:{}".format(*division.place_of(place))
        for place in (overlap.judging_row, overlap.training_row)
        if overlap.alike
    ]
    report.overlap = {
        "groups_on_two_sides": overlap.groups_on_two_sides,
        "judging": overlap.judging,
        "alike": overlap.alike,
        "at_least": BANDED_AT,
        "nearest": overlap.nearest,
        "nearest_rows": nearest,
    }
    if len(dealt.first):
        import numpy as np

        report.largest_group = int(np.bincount(dealt.first).max())
    return division


def sources_of(recipe: Recipe) -> tuple[TaskSource, ...]:
    """The recipe's sources, with a reward side where GRPO trains: the prompts of the check
    ``eval_reward``, which nothing else asks."""
    sources = recipe.tasks.source
    if recipe.grpo is None:
        return sources
    return tuple(source.with_reward_side() for source in sources)


def heldout_tasks(recipe: Recipe, root: Path) -> list[Task]:
    """The held-out tasks of the recipe's own sources, their references checked; none without a
    source.

    Raises:
        BadInput, Infrastructure, GateRefused: as ``divide`` and ``Division.rows``.
    """
    if not recipe.tasks.source:
        return []
    with tempfile.TemporaryDirectory(prefix="sentinel-tasks-") as folder:
        division = divide(
            sources_of(recipe),
            recipe.seed,
            root=root,
            scratch=Path(folder),
            maps=recipe.candidates.map,
        )
        return [
            item.row.task
            for item in division.rows(recipe.critic)
            if isinstance(item, Placed) and item.side == "heldout" and item.row.task is not None
        ]


def _read(
    source: TaskSource, index: int, root: Path, maps: Sequence[FieldMap], seed: int
) -> Iterator[SourceRow | Quarantined]:
    if source.table is not None:
        reader = Reader(source, None, index, False)
        place = str(source.database)
        for line, row in enumerate(drawn_rows(source, index, root, seed), start=1):
            try:
                yield from reader(row, source=f"database:{place}", file=place, line=line)
            except RowRefused as error:
                yield quarantined(place, line, error.reason, json.dumps(row, ensure_ascii=False))
        return
    grounds = copies(source, index, root, seed) if source.database is not None else None
    for side, place in source.places.items():
        folder = (root / place).is_dir()
        reader = Reader(source, side, index, folder and source.hub is None, grounds)
        if source.hub is not None:
            yield from read_hub_as(reader, place, source.hub_split, root=root, maps=maps)
            continue
        try:
            yield from read_as(reader, [place], root=root, maps=maps)
        except BadInput as error:
            if error.field is not None or error.line is not None:
                raise
            key = f"tasks.source[{index}].{side or 'file'}"
            message = str(error.args[0]).removeprefix(f"{error.file}: ")
            raise BadInput(message, file=error.file, field=key, fix=error.fix) from error


def _empty(source: TaskSource, index: int, report: Report) -> BadInput:
    counts = report.sources[source.title]
    why = "; ".join(report.examples[:2])
    of_ids = f" with an id in {source.ids}" if source.ids and not counts["read"] else ""
    return BadInput(
        f"{', '.join(source.places.values())} gives no row{of_ids}: {counts['read']} read, "
        f"{counts['quarantined']} quarantined{f' ({why})' if why else ''}.",
        field=f"tasks.source[{index}]",
        fix="Give rows with a prompt and a verifier, tests or an answer; `sentinel label FILE` shows what is wrong.",
    )


def _note(report: Report, item: Quarantined) -> None:
    report.quarantined[item.reason.partition(":")[0]] += 1
    if len(report.examples) < SHOWN:
        report.examples.append(f"{item.file}:{item.line}: {item.reason}"[:300])


def _rows_at(path: Path, places: tuple[int, int]) -> list[SourceRow]:
    rows: dict[int, SourceRow] = {}
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream):
            if number in places:
                rows[number] = _row_from(json.loads(line))
    return [rows[place] for place in places]


def _row_to(row: SourceRow) -> dict[str, Any]:
    return row._asdict() | {
        "task": row.task.to_row() if row.task is not None else None,
        "answers": [answer.to_row() for answer in row.answers],
    }


def _row_from(data: dict[str, Any]) -> SourceRow:
    task = Task.from_row(data["task"]) if data["task"] is not None else None
    answers = tuple(map(Candidate.from_row, data["answers"]))
    return SourceRow(**{**data, "task": task, "answers": answers})
