"""Answers that only a reader can judge: a licensed judge is asked once about each, and its verdicts
are kept beside the answers.

The judge reads the answer, not the thought before it. A judge without a licence for its rubric is
skipped, and a judge that does not answer says nothing: both are infrastructure, never a score.
What this module does not do: license a judge (``llm_judge.licence``), or count what it says
(``bench.evaluate``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ..critic.thoughts import part
from ..errors import GateRefused, Infrastructure
from ..generation.answers import open_for_append
from ..records import JudgedAnswer, Message, Task
from ..records.conversation import sample_id
from ..records.judge_spec import JudgeSpec
from ..store import Home, Ledger, read_jsonl
from ..store.files import whole_lines
from .ask import RUBRIC, Ask, VerdictCut, identity, judge_prompt, open_judges, read_verdict
from .licence import Labelled, labels_hash, read_labels, require_licence


class _Asked(NamedTuple):
    """One answer to judge; ``key`` is of everything that decides the verdict."""

    id: str
    rubric: str
    messages: tuple[Message, ...]
    response: str
    key: str


def verdicts_path(answers: Path) -> Path:
    """Where a judge's verdicts on a suite's answers stand: beside them."""
    return answers.with_suffix(".verdicts.jsonl")


def read_verdicts(answers: Path) -> dict[str, dict[str, Any]]:
    """A judge's verdicts (id, key, outcome, reason) on stored answers, by id; none where no judge
    was asked."""
    path = verdicts_path(answers)
    if not path.exists():
        return {}
    with path.open("rb") as stream:
        return {row["id"]: row for row in map(json.loads, whole_lines(stream))}


def add_verdicts(
    home: Home,
    ledger: Ledger,
    judge: JudgeSpec,
    tasks: Sequence[Task],
    answers: Path,
    *,
    samples: int = 1,
    every: bool = False,
) -> int:
    """Let the recipe's judge judge the stored ``answers`` to the tasks that need one; returns how
    many it judged now.

    With ``every`` it judges those to all tasks: by the task's own rubric, else by the general one.

    Verdicts that stand already, of the same judge on the same answer, are kept: a killed run goes
    on.

    Raises:
        BadInput: the judge's model is not there.
        GateRefused: with ``every``, the judge has no licence: nothing could be ranked.
    """
    rubrics = {task.id: rubric for task in tasks if (rubric := _rubric(task, every)) is not None}
    if judge.model is None or not rubrics:
        return 0
    with open_judges(home, judge.model) as [(ask, model_hash, at_once)]:
        label_set = ""
        if judge.exam is not None:
            label_set = labels_hash(read_labels(home.root / judge.exam.labels))
        licences = _Licences(ledger, judge, judge.model.name, model_hash, label_set)
        if every:
            licences.require(rubrics.values())
        judged_before = {
            name: row["key"]
            for name, row in read_verdicts(answers).items()
            if row["outcome"] != "infra"
        }
        questions = [
            question
            for question in _asked(tasks, rubrics, answers, samples, model_hash)
            if judged_before.get(question.id) != question.key
        ]
        with open_for_append(verdicts_path(answers)) as out:
            for row in _verdicts(ask, questions, licences, at_once):
                out.write(json.dumps(row) + "\n")
                out.flush()
    return len(questions)


def _rubric(task: Task, every: bool) -> str | None:
    if isinstance(task.verifier, JudgedAnswer):
        return task.verifier.rubric or RUBRIC
    return RUBRIC if every else None


def _asked(
    tasks: Sequence[Task], rubrics: dict[str, str], answers: Path, samples: int, model_hash: str
) -> Iterator[_Asked]:
    parted = {row["id"]: part(row["completion"]) for row in read_jsonl(answers)}
    # What ends within its thought is no answer: the scorer has failed it, and there is nothing to
    # judge.
    completions = {name: parts.answer for name, parts in parted.items() if parts.finished}
    for task in (task for task in tasks if task.id in rubrics):
        rubric = rubrics[task.id]
        judge_hash = identity("", model_hash, rubric).judge_hash
        for name in (sample_id(task.id, number) for number in range(1, samples + 1)):
            if name in completions:
                what = [
                    judge_hash,
                    [(turn.role, turn.content) for turn in task.messages],
                    completions[name],
                ]
                key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
                yield _Asked(name, rubric, task.messages, completions[name], key)


class _Licences:
    """Why the judge may not judge by a rubric, asked of the ledger once for each."""

    def __init__(
        self, ledger: Ledger, spec: JudgeSpec, name: str, model_hash: str, labels: str
    ) -> None:
        self.ledger = ledger
        self.spec = spec
        self.name = name
        self.model_hash = model_hash
        self.labels = labels
        self._found: dict[str, str | None] = {}

    def require(self, rubrics: Iterable[str]) -> None:
        """Raises GateRefused: the judge may not judge by one of them."""
        for rubric in rubrics:
            if reason := self.refusal(rubric):
                raise GateRefused(reason)

    def refusal(self, rubric: str) -> str | None:
        if rubric not in self._found:
            try:
                require_licence(
                    self.ledger,
                    identity(self.name, self.model_hash, rubric),
                    self.spec,
                    self.labels,
                )
                self._found[rubric] = None
            except GateRefused as error:
                self._found[rubric] = str(error)
        return self._found[rubric]


def _verdicts(
    ask: Ask, questions: Sequence[_Asked], licences: _Licences, at_once: int
) -> Iterator[dict[str, Any]]:
    """One row for each, in order; after an outage nobody else is asked."""
    down: list[str] = []

    def judged(question: _Asked) -> dict[str, Any]:
        if reason := licences.refusal(question.rubric):
            return _row(question, "infra", f"infra: the judge has no licence: {reason}")
        if down:
            return _row(question, "infra", f"infra: the judge did not answer: {down[0]}")
        try:
            reply = read_verdict(
                ask(
                    judge_prompt(
                        question.rubric,
                        Labelled(question.id, question.messages, question.response, "fail"),
                    )
                )
            )
        except VerdictCut as error:
            return _row(question, "infra", f"infra: no verdict: {error}")
        except Infrastructure as error:
            down.append(str(error))
            return _row(question, "infra", f"infra: the judge did not answer: {error}")
        if reply is None:
            return _row(question, "infra", "infra: the judge's reply says neither pass nor fail")
        return _row(
            question,
            reply,
            "passed" if reply == "pass" else "judged: the answer does not meet the rubric",
        )

    for rubric in {question.rubric for question in questions}:
        licences.refusal(rubric)  # the ledger is asked here, by one thread
    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(judged, questions)


def _row(question: _Asked, outcome: str, reason: str) -> dict[str, Any]:
    return {"id": question.id, "key": question.key, "outcome": outcome, "reason": reason}
