"""Prompt-completion rows as token ids with labels, and the report that says what will be trained
before anything is.

The prompt's ids are those that generation will feed; the completion is tokenized apart from it, so
that no token spans the border, and ends with the stop token. A row that does not fit is dropped
whole: half an answer teaches not to stop. What was thought before an answer is left out of the
completion unless the recipe trains on thoughts; thoughts of earlier turns are left out always, as
they are when a conversation goes on at inference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...critic.thoughts import part, with_thought
from ...errors import BadInput
from ...generation.prompts import render_chat
from ...records.recipe import Recipe
from ...records.stages import Pool
from ...store import read_jsonl

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that takes no part in the loss."""
MAX_DROPPED = 0.2
"""More rows lost than this and the run is refused: the mix that was judged is not the mix that
trains."""
_CHUNK = 1_000


class Encoded(NamedTuple):
    """One row: ``labels`` equal ``input_ids`` where trained, ``IGNORED`` elsewhere."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenReport:
    """What training will see. Lengths and counts in tokens, of the rows that are kept."""

    rows: int
    kept: int
    too_long: int
    """Rows over ``max_length``: dropped, none is truncated."""
    fully_masked: int
    """Rows without a token to train: an empty completion, or one whose text names the stop token,
    which would become the real one and teach to stop there. Dropped."""
    stop_trained: int
    """Kept rows whose last trained token is the stop token."""
    prefix_differs: int
    """Rows whose training text does not begin with the prompt that generation renders: dropped, and
    refused."""
    tokens: int
    trainable_tokens: int
    longest: int
    stop_token: str
    thoughts: int = 0
    """Rows (of pairs: sides) whose answer comes with a thought; it is trained where the recipe says
    ``train_on_thoughts``."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Side(NamedTuple):
    """A prompt and one answer to it, as token ids."""

    prompt: list[int]
    completion: list[int]


class Prepared(NamedTuple):
    rows: list[Encoded]
    report: TokenReport


def prepare_rows(
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    *,
    train_on_thoughts: bool = False,
) -> Prepared:
    """Read, render and tokenize the rows of ``path``; refuses what would train nonsense.

    Raises:
        BadInput: no rows, a row of another shape (by line), a template that renders training and
            inference differently or trains no stop token, or more than ``MAX_DROPPED`` of the rows
            lost.
    """
    if not path.is_file():
        raise BadInput("no such file of training rows.", file=path)
    encoded: list[Encoded] = []
    counts = {"rows": 0, "too_long": 0, "fully_masked": 0, "prefix_differs": 0, "thoughts": 0}
    rows = ((row.get("prompt"), row.get("completion")) for row in read_jsonl(path))
    named_rows = _named(rows, path)
    for side in encode_rows(parted_rows(named_rows, train_on_thoughts, counts), tokenizer):
        counts["rows"] += 1
        if side is None:
            counts["prefix_differs"] += 1
        elif not side.completion:
            counts["fully_masked"] += 1
        elif len(side.prompt) + len(side.completion) > max_length:
            counts["too_long"] += 1
        else:
            encoded.append(
                Encoded(
                    side.prompt + side.completion, [IGNORED] * len(side.prompt) + side.completion
                )
            )
    report = report_of(encoded, counts, tokenizer)
    refuse_nonsense(report, path, max_length, "sft.max_length")
    return Prepared(encoded, report)


def encode_rows(
    rows: Iterable[tuple[Any, Any]], tokenizer: PreTrainedTokenizerBase
) -> Iterator[Side | None]:
    """Prompt turns and answer turns as token ids, in order, streaming; None where the template
    renders the prompt of training differently from that of inference; an empty answer has no
    tokens."""
    stream = iter(rows)
    while chunk := list(islice(stream, _CHUNK)):
        texts = [_rendered(prompt, completion, tokenizer) for prompt, completion in chunk]
        whole = [pair for pair in texts if pair is not None]
        sides = _encode(whole, tokenizer)
        yield from (None if pair is None else next(sides) for pair in texts)


def parted_rows(
    rows: Iterable[tuple[Any, Any]], train_on_thoughts: bool, counts: dict[str, int]
) -> Iterator[tuple[Any, Any]]:
    """Prompt and completion turns with thoughts where they are trained, and nowhere else;
    ``counts["thoughts"]`` counts them."""
    for prompt, completion in rows:
        turns = [_with_its_thought(turn) for turn in completion]
        parted = [part(str(turn["content"])) for turn in turns]
        counts["thoughts"] += any(parts.thought or not parts.finished for parts in parted)
        if not train_on_thoughts:
            turns = [
                turn | {"content": parts.answer} for turn, parts in zip(turns, parted, strict=True)
            ]
        yield [_answer_alone(turn) for turn in prompt], turns


_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")


def _with_its_thought(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn whose thought, where it came in a field of its own, stands before its answer."""
    fields = [turn[name] for name in _THOUGHT_FIELDS if isinstance(turn.get(name), str)]
    if not fields:
        return turn
    rest = {name: value for name, value in turn.items() if name not in _THOUGHT_FIELDS}
    return rest | {"content": with_thought(fields[0], str(turn["content"]))}


def _answer_alone(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn of the prompt without its thought; one that is thought alone stays as it is."""
    if turn["role"] != "assistant":
        return turn
    answer = part(str(turn["content"])).answer
    rest = {name: value for name, value in turn.items() if name not in _THOUGHT_FIELDS}
    return rest | {"content": answer} if answer.strip() else rest


def _named(rows: Iterable[tuple[Any, Any]], path: Path) -> Iterator[tuple[Any, Any]]:
    for line, (prompt, completion) in enumerate(rows, start=1):
        check_turns((prompt, completion), "{'prompt': [turns], 'completion': [turns]}", path, line)
        yield prompt, completion


def check_turns(parts: Iterable[Any], expected: str, path: Path, line: int) -> None:
    """Raises BadInput unless every one of ``parts`` is a list of turns."""
    if not all(map(_turns, parts)):
        raise BadInput(
            f"expected {expected} with role and content in every turn.", file=path, line=line
        )


def _rendered(
    prompt: list[dict[str, Any]],
    completion: list[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
) -> tuple[str, str] | None:
    """Prompt text and the completion's text up to its stop token; None where the two renderings
    disagree."""
    stop = str(tokenizer.eos_token)
    prompt_text = render_chat(tokenizer, prompt)
    whole = render_chat(tokenizer, prompt + completion, prompt=False)
    if not whole.startswith(prompt_text):
        return None
    answer, stop_part, _ = whole[len(prompt_text) :].rpartition(stop)
    # What the template writes after the stop token (a line break) is never generated, so it is not
    # trained either.
    if not completion[-1]["content"] or any(stop in str(turn["content"]) for turn in completion):
        return prompt_text, ""
    return prompt_text, answer + stop_part if stop_part else whole[len(prompt_text) :]


def _turns(value: Any) -> list[dict[str, Any]]:
    """``value`` if it is a list of turns, else an empty one."""
    good = isinstance(value, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("content"), str) and "role" in turn
        for turn in value
    )
    return value if good else []


def _encode(pairs: Sequence[tuple[str, str]], tokenizer: PreTrainedTokenizerBase) -> Iterator[Side]:
    prompts = [prompt for prompt, _ in pairs]
    completions = [completion for _, completion in pairs]
    if prompts:
        encoded = [
            tokenizer(texts, add_special_tokens=False)["input_ids"]
            for texts in (prompts, completions)
        ]
        yield from (Side(prompt, completion) for prompt, completion in zip(*encoded, strict=True))


def report_of(
    encoded: list[Encoded], counts: dict[str, int], tokenizer: PreTrainedTokenizerBase
) -> TokenReport:
    return TokenReport(
        **counts,
        kept=len(encoded),
        stop_trained=sum(row.labels[-1] == tokenizer.eos_token_id for row in encoded),
        tokens=sum(len(row.input_ids) for row in encoded),
        trainable_tokens=sum(label != IGNORED for row in encoded for label in row.labels),
        longest=max((len(row.input_ids) for row in encoded), default=0),
        stop_token=str(tokenizer.eos_token),
    )


def refuse_nonsense(report: TokenReport, path: Path, max_length: int, field: str) -> None:
    """Raises BadInput on what would train nonsense; ``field`` is the recipe's key of
    ``max_length``."""
    if report.rows == 0:
        raise BadInput(
            "holds no rows: there is nothing to train on.",
            file=path,
            fix="Look at the report of what made the file.",
        )
    if report.prefix_differs:
        raise BadInput(
            f"{report.prefix_differs} of {report.rows} rows render differently in training than at inference.",
            file=path,
            fix="Correct the chat template: what it writes for a prompt must begin what it writes for prompt and completion.",
        )
    lost = report.rows - report.kept
    if lost > MAX_DROPPED * report.rows:
        raise BadInput(
            f"{lost} of {report.rows} rows would be lost ({report.too_long} longer than {max_length} tokens, "
            f"{report.fully_masked} without a token to train).",
            file=path,
            field=field,
            fix=f"Raise {field} or shorten the rows.",
        )
    if report.stop_trained < report.kept:
        raise BadInput(
            f"{report.kept - report.stop_trained} of {report.kept} rows do not end with the stop token "
            f"{report.stop_token!r}: the model would never learn to stop.",
            file=path,
            fix="Let the chat template close an assistant's turn with the tokenizer's eos_token.",
        )


def expected_rows(recipe: Recipe, pool: Pool) -> int:
    """The mix is at most as large as references and answers together."""
    return recipe.mix.size or pool.total + pool.answers
