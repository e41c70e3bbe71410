"""Labelled answers as token ids: the prompt as generation will feed it, the answer apart from it
and ended by the stop token.

Rendering, the border between prompt and answer, and what is refused are those of ``tokens``.
``laid_out`` puts the answers into the order in which they are trained, each beside the mismatched
answer of its micro-batch. What this module does not do: choose answers, or weigh their classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadInput
from ...records.kto_spec import KtoSpec
from ...records.recipe import Recipe
from ...records.stages import Pool
from ...store import read_jsonl
from .tokens import (
    IGNORED,
    Encoded,
    TokenReport,
    check_turns,
    encode_rows,
    parted_rows,
    refuse_nonsense,
    report_of,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class EncodedAnswer(NamedTuple):
    """Token ids of a prompt and an answer that ends with the stop token, and the answer's label."""

    prompt: list[int]
    completion: list[int]
    desirable: bool


class PreparedAnswers(NamedTuple):
    answers: list[EncodedAnswer]
    report: TokenReport

    @property
    def desirable(self) -> int:
        return sum(answer.desirable for answer in self.answers)

    @property
    def undesirable(self) -> int:
        return len(self.answers) - self.desirable


class Sample(NamedTuple):
    """An answer as the trainer reads it: ``mismatched`` answers another prompt of the same
    micro-batch."""

    answer: EncodedAnswer
    mismatched: list[int]


def prepare_answers(
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    *,
    train_on_thoughts: bool = False,
) -> PreparedAnswers:
    """Read, render and tokenize the answers of ``path``; refuses what would train nonsense.

    Raises:
        BadInput: no answers, a row of another shape or one that contradicts another's label (by
            line), answers of one class only, a template that renders training and inference
            differently or trains no stop token, or too many lost.
    """
    if not path.is_file():
        raise BadInput("no such file of labelled answers.", file=path)
    counts = {"rows": 0, "too_long": 0, "fully_masked": 0, "prefix_differs": 0, "thoughts": 0}
    answers: list[EncodedAnswer] = []
    labels: list[bool] = []
    lines: dict[int, tuple[int, bool]] = {}
    turns = parted_rows(_turns_of(path, labels), train_on_thoughts, counts)
    for line, side in enumerate(encode_rows(turns, tokenizer), start=1):
        counts["rows"] += 1
        desirable = labels[line - 1]
        if side is None:
            counts["prefix_differs"] += 1
        elif not side.completion:
            counts["fully_masked"] += 1
        elif len(side.prompt) + len(side.completion) > max_length:
            counts["too_long"] += 1
        else:
            first, label = lines.setdefault(
                hash((tuple(side.prompt), tuple(side.completion))), (line, desirable)
            )
            if label != desirable:
                raise BadInput(
                    f"the same answer to the same prompt has the other label in line {first}.",
                    file=path,
                    line=line,
                    fix="Keep one of them.",
                )
            answers.append(EncodedAnswer(side.prompt, side.completion, desirable))
    encoded = [
        Encoded(
            answer.prompt + answer.completion, [IGNORED] * len(answer.prompt) + answer.completion
        )
        for answer in answers
    ]
    report = report_of(encoded, counts, tokenizer)
    refuse_nonsense(report, path, max_length, "kto.max_length")
    prepared = PreparedAnswers(answers, report)
    if not prepared.desirable or not prepared.undesirable:
        word = "undesirable" if prepared.desirable else "desirable"
        raise BadInput(
            f"holds no {word} answer among {len(answers)}: there is nothing to contrast.",
            file=path,
            field="label",
            fix="KTO needs answers of both labels; train on desirable ones alone with SFT.",
        )
    return prepared


def _turns_of(path: Path, labels: list[bool]) -> Iterator[tuple[Any, Any]]:
    """Prompt and answer of each row; its label is added to ``labels`` before it is yielded."""
    expected = "{'prompt': [turns], 'completion': [turn], 'label': true or false}"
    for line, row in enumerate(read_jsonl(path), start=1):
        check_turns([row.get("prompt"), row.get("completion")], expected, path, line)
        if not isinstance(row.get("label"), bool):
            raise BadInput(
                f"expected {expected}, the label is {row.get('label')!r}.",
                file=path,
                line=line,
                field="label",
            )
        labels.append(row["label"])
        yield row["prompt"], row["completion"]


def laid_out(
    answers: Sequence[EncodedAnswer], order: Sequence[int], micro_batch: int
) -> list[Sample]:
    """The answers in the ``order`` in which they are trained, with what the reference point is
    estimated on.

    A pure function of its arguments, so that a resumed run meets the same mismatched answers.
    Within each ``micro_batch`` every answer is used once, for another prompt: answers are shifted
    by the least number of places with which the fewest of them fall on a prompt equal to their own.
    """
    samples: list[Sample] = []
    for start in range(0, len(order), micro_batch):
        batch = [answers[index] for index in order[start : start + micro_batch]]
        shifts = range(1, len(batch))
        shift = min(shifts, key=lambda places: (_own_prompts(batch, places), places), default=0)
        samples += [
            Sample(answer, batch[(index + shift) % len(batch)].completion)
            for index, answer in enumerate(batch)
        ]
    return samples


def _own_prompts(batch: Sequence[EncodedAnswer], shift: int) -> int:
    return sum(
        answer.prompt == batch[(index + shift) % len(batch)].prompt
        for index, answer in enumerate(batch)
    )


def expected_answers(recipe: Recipe, pool: Pool) -> int:
    """An answer for each task and row and for each corrupted reference, within the limits of a
    class."""
    tasks = pool.total
    limits = recipe.kto.answers if recipe.kto is not None else KtoSpec().answers
    most = limits.max_per_class or tasks + pool.answers
    corrupted = int(tasks * recipe.candidates.corrupted_share)
    return min(tasks + pool.answers, most) + min(corrupted, most)
