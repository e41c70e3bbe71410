"""A row of a task source: a task where something says how an answer is checked, else an answer to
learn from.

Read are the shapes that ``sentinel label`` reads, and rows without an answer (a prompt with its
``verifier`` or ``tests``, and a ``reference`` where there is one). Of a pair the correction is the
reference, and what it corrects a failed answer. What this module does not do: run a reference
(``check``), or say on which side a row is (``groups``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, NamedTuple

from ..candidates.mapping import NotThere, mapped
from ..candidates.pairs import CORRECTED, to_candidates
from ..candidates.raw import reference
from ..candidates.shapes import ANSWERS, OTHER_ANSWERS, RowRefused, to_request
from ..errors import BadInput
from ..records import (
    CATEGORIES,
    Candidate,
    JudgedAnswer,
    Message,
    Task,
    Verifier,
    verifier_to_json,
)
from ..records.conversation import needs, task_of
from ..records.data_spec import FieldMap
from ..records.task_source import Side, TaskSource
from ..tasks.suites import humaneval, mbpp, own
from ..tasks.suites.rows import SuiteRow

LONGEST_FAMILY = 60


class SourceRow(NamedTuple):
    """One row, read."""

    id: str
    """``SOURCE/TASK_ID``, or ``SOURCE/LINE`` where the row has none; after the source stand the
    side that its files give, and the file's name in a folder."""
    task: Task | None
    """None: the row has no verifier."""
    answers: tuple[Candidate, ...]
    """Of a row without a verifier its answers, to learn from; of a task the failed ones that stood
    beside its reference."""
    group: str | None
    """The value of the source's ``group`` field."""
    side: Side | None
    """The side that the source's files give; None: to be dealt."""
    source: int
    """Place of the source in the recipe."""
    file: str
    line: int

    @property
    def scorable(self) -> bool:
        """Whether the scorer itself can say if an answer is right, without a judge."""
        return self.task is not None and not isinstance(self.task.verifier, JudgedAnswer)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows of one file or data set of a source, as ``candidates.files`` asks."""

    spec: TaskSource
    side: Side | None
    source: int
    folder: bool
    """Whether the place is a folder: the ids then hold the file's name."""
    grounds: tuple[str, str] | None = None
    """Two copies of the source's database as SQL, for rows with ``sql``."""

    def __call__(
        self, row: Any, *, source: str, file: str, line: int, maps: Sequence[FieldMap] = ()
    ) -> tuple[SourceRow, ...]:
        """One row, or none where ``ids`` leaves it out.

        Raises:
            RowRefused: the row cannot be read.
        """
        if not isinstance(row, dict):
            raise RowRefused("shape", f"expected an object, got {type(row).__name__}")
        if not self.spec.reads(row.get("task_id")):
            return ()
        try:
            fields = mapped(row, source, maps) if maps else row
        except NotThere as error:
            raise RowRefused("field", str(error)) from error
        fields = {name: value for name, value in fields.items() if value is not None}
        if self.grounds is not None and isinstance(fields.get("sql"), str):
            setup, other = self.grounds
            query = fields["sql"]
            ground = {"kind": "sql_answer", "setup": setup, "query": query, "other_setups": [other]}
            fields = {"reference": query, **fields, "verifier": ground}
        name = self._id(fields, file, line)
        answers: tuple[Candidate, ...] = ()
        verifier: Verifier | None
        if _is_request(fields):
            verifier = _verifier(SuiteRow(fields, file, line))
            messages = to_request(fields, file=file, line=line)
            gold = fields.get("reference") or ""
            if not isinstance(gold, str):
                raise RowRefused("field", f"reference: expected text, got {type(gold).__name__}")
            category = fields.get("category")
        else:
            *failed, right = to_candidates(fields, source=source, file=file, line=line)
            answers = (*failed, right)
            verifier = right.verifier
            messages, gold, category = right.messages, right.completion, right.category
        if waited := needs(messages):
            raise RowRefused(
                "field",
                f"messages: waits for the model's own answer to {waited[0]}; only a suite of your "
                "own can (bench.data)",
            )
        task = None
        if verifier is not None:
            known = isinstance(category, str) and category in CATEGORIES
            task = Task(
                id=name,
                suite="train",
                category=str(category) if known else verifier.category,
                family=self._family(row),
                messages=messages,
                verifier=verifier,
                reference=gold,
            )
            _refuse_surrogates(messages, gold, verifier, name)
            corrected = reference(task).id
            answers = tuple(replace(answer, corrected_by=corrected) for answer in answers[:-1])
        return (
            SourceRow(name, task, answers, self._group(row), self.side, self.source, file, line),
        )

    def _id(self, fields: dict[str, Any], file: str, line: int) -> str:
        value = fields.get("task_id")
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip()
        ):
            raise RowRefused("field", f"task_id: expected text or a number, got {value!r:.40}")
        text = str(value) if value is not None else str(line)
        prefix = f"{self.spec.title}/{self.side}/" if self.side else f"{self.spec.title}/"
        if self.folder:
            prefix += f"{PurePath(file).name.split('.')[0]}/"
        name = text if text.startswith(prefix) else prefix + text
        if task_of(name) != name or any(char.isspace() for char in name):
            raise RowRefused(
                "field", f"task_id: {text!r:.60} holds white space or ends like a sample's number"
            )
        return name

    def _family(self, row: dict[str, Any]) -> str:
        value = row.get("family")
        if not isinstance(value, str) or not value.strip():
            return self.spec.title
        return re.sub(r"[^\w.-]+", "-", value.strip())[:LONGEST_FAMILY]

    def _group(self, row: dict[str, Any]) -> str | None:
        if self.spec.group is None:
            return None
        value = row.get(self.spec.group)
        if value is None or isinstance(value, (dict, list)):
            raise RowRefused(
                "field", f"{self.spec.group}: is missing; the source groups its rows by it"
            )
        return str(value)


def _is_request(fields: dict[str, Any]) -> bool:
    """Whether the row is a prompt that says how an answer is checked, without one."""
    has = fields.keys()
    if (has >= mbpp.FIELDS and has & {"text", "prompt"}) or has >= humaneval.FIELDS:
        return False
    if not has & {"verifier", "tests"}:
        return False
    if "reference" in has:
        return True
    turns = fields.get("messages")
    if isinstance(turns, list) and turns and isinstance(turns[-1], dict):
        answered = turns[-1].get("role") == "assistant"
    else:
        answered = False
    return not answered and not has & {*ANSWERS, *OTHER_ANSWERS, *CORRECTED}


def _verifier(row: SuiteRow) -> Verifier:
    try:
        verifier = own.verifier(row)
    except BadInput as error:
        text = str(error).partition(f"{row.file}:{row.line}, ")[2] or str(error)
        raise RowRefused("field", text) from error
    assert verifier is not None, "the row has a verifier or tests"
    return verifier


def _refuse_surrogates(
    messages: tuple[Message, ...], gold: str, verifier: Verifier, name: str
) -> None:
    """Text that is not Unicode can stand in no table."""
    texts = (*(turn.content for turn in messages), gold, name, verifier_to_json(verifier) or "")
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RowRefused(
                "encoding", f"holds a lone surrogate U+{ord(text[error.start]):04X}"
            ) from error
