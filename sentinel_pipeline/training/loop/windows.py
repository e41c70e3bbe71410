"""Windows: while training, the model answers held-out tasks, and the one scorer says what they are
worth.

The scorer is injected; in production it is the critic's. What a window draws depends on the seed
and the item alone: every window has the same draws, and training is left as it was. What a window
means for the run is said by ``gates.window_rules``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import BadInput
from ...generation.answers import Answer
from ...generation.prompts import prompts_of
from ...rates import percent
from ...records import Task
from ...records.conversation import needs
from ...records.decoding import Decoding
from ...records.window import Window
from ...store import read_parquet, write_jsonl
from ...store.files import whole_lines
from ...worker import ranks

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Scored(Protocol):
    """What a window reads of a score; ``records.SampleScore`` and the critic's own are both
    such."""

    @property
    def outcome(self) -> str: ...
    @property
    def syntax_ok(self) -> bool | None: ...


Scorer = Callable[[Sequence[Task], Sequence[str]], Iterable[Scored]]


def critic_scorer(tasks: Sequence[Task], completions: Sequence[str]) -> Iterable[Scored]:
    """The critic's scores of ``completions``, one for each of ``tasks``."""
    from ...critic.score import Scorable, score

    return score(
        Scorable(task.id, task.messages, completion, task.verifier)
        for task, completion in zip(tasks, completions, strict=True)
    )


def window_tasks(suite: Path, items: int) -> list[Task]:
    """``items`` tasks of a suite's Parquet file at even distances, so that every family has its
    share.

    Raises:
        BadInput: the file is missing or empty.
    """
    if not suite.is_file():
        raise BadInput("no such suite for the windows.", file=suite, field="sft.windows.suite")
    tasks = [Task.from_row(row) for row in read_parquet(suite)]
    if not tasks:
        raise BadInput("holds no tasks.", file=suite, field="sft.windows.suite")
    count = min(items, len(tasks))
    return [tasks[index * len(tasks) // count] for index in range(count)]


def evaluate_window(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tasks: Sequence[Task],
    decoding: Decoding,
    scorer: Scorer,
    step: int,
    *,
    shared: bool = False,
) -> Window:
    """Answer and score ``tasks``; the model's training mode is put back.

    Of several processes that each hold the whole model, every one answers its share (``shared``);
    where they hold pieces of it, all must answer all.
    """
    from ...generation.engine import generate

    if any(needs(task.messages) for task in tasks):
        raise BadInput(
            "a suite of conversations cannot be a window.",
            field="sft.windows.suite",
            fix="Name another one.",
        )
    was_training = model.training
    side = tokenizer.padding_side
    model.eval()
    mine = ranks.share(tasks) if shared else tasks
    try:
        answers = {
            answer.id: answer
            for batch in generate(model, tokenizer, prompts_of(mine), decoding)
            for answer in batch
        }
    finally:
        model.train(was_training)
        tokenizer.padding_side = side
    if shared:
        answers = ranks.joined(answers)
    scores = scorer(tasks, [answers[task.id].completion for task in tasks])
    return summarise(step, list(scores), list(answers.values()))


def summarise(step: int, scores: Sequence[Scored], answers: Sequence[Answer]) -> Window:
    outcomes = [score.outcome for score in scores]
    passed = outcomes.count("pass")
    infra = outcomes.count("infra")
    n = len(outcomes) - infra
    syntax = [score.syntax_ok for score in scores if score.syntax_ok is not None]
    return Window(
        step=step,
        n=n,
        passed=passed,
        pass_at_1=passed / n if n else None,
        syntax_n=len(syntax),
        syntax_rate=sum(syntax) / len(syntax) if syntax else None,
        infra=infra,
        stopped=sum(answer.stopped for answer in answers),
    )


def describe(window: Window) -> str:
    rate = (
        "nothing scored"
        if window.pass_at_1 is None
        else f"Pass@1 {percent(window.pass_at_1, 0)} of {window.n}"
    )
    syntax = "" if window.syntax_rate is None else f", syntax {percent(window.syntax_rate, 0)}"
    return f"window at step {window.step}: {rate}{syntax}, stopped by itself {window.stopped}"


def best_window(windows: Sequence[Window]) -> Window | None:
    """The window of the highest Pass@1, the latest among equals; None when none was scored."""
    scored = [window for window in windows if window.pass_at_1 is not None]
    return max(scored, key=lambda window: (window.pass_at_1 or 0.0, window.step), default=None)


def append_window(path: Path, window: Window) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(window._asdict()) + "\n")


def rewind_windows(path: Path, step: int) -> list[Window]:
    """Keep the windows up to ``step``, the last full checkpoint; what came after will be trained,
    and judged, again."""
    return [Window(**row) for row in rewind_rows(path, step)]


def rewind_rows(path: Path, step: int) -> list[dict[str, Any]]:
    """Cut a JSONL file of rows with a ``step`` back to ``step``; a torn last line goes with the
    rest."""
    if not path.is_file():
        return []
    with path.open("rb") as stream:
        rows = [row for row in map(json.loads, whole_lines(stream)) if row["step"] <= step]
    if ranks.is_main():
        write_jsonl(path, rows)
    return rows
