"""``answer``: a model's completions to prompts, appended to a JSONL file item by item, so that a killed run goes on.

Nothing is scored here, and nothing that a model wrote is trusted: a completion is data of one field.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ..errors import BadInput
from ..store.files import cut_torn_line, whole_lines
from .decoding import Decoding
from .prompts import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Progress = Callable[[int, int, int], None]
"""Called with (items done, items in all, tokens generated since the start)."""


class Answer(NamedTuple):
    """One line of an answers file."""

    id: str
    completion: str
    stopped: bool
    """The model ended by itself, with its end token."""
    tokens: int
    """Generated tokens, the end token not counted."""
    seconds: float
    """The item's share of its batch's wall time."""


def answer(
    model_dir: Path,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    out_jsonl: Path,
    progress: Progress | None = None,
) -> None:
    """Answer the prompts that ``out_jsonl`` does not hold yet, in batches of like length; order of lines is not that of prompts.

    Args:
        model_dir: a Transformers folder, or a PEFT adapter folder whose base it names.
        decoding: see ``Decoding``; greedy answers do not depend on the batch up to float rounding.

    Raises:
        BadInput: no model in the folder, no chat template, or two prompts of one id.
    """
    from .loading import load_model, load_tokenizer

    if _open_items(prompts, out_jsonl) or not out_jsonl.is_file():
        answer_with(load_model(model_dir), load_tokenizer(model_dir), prompts, decoding, out_jsonl, progress)


def answer_with(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    out_jsonl: Path,
    progress: Progress | None = None,
) -> None:
    """``answer`` by a model that is loaded already."""
    from .engine import generate

    open_items = _open_items(prompts, out_jsonl)
    finished, tokens = len(prompts) - len(open_items), 0
    with open_for_append(out_jsonl) as stream:
        for batch in generate(model, tokenizer, open_items, decoding):
            append(stream, batch)
            finished, tokens = finished + len(batch), tokens + sum(item.tokens for item in batch)
            if progress:
                progress(finished, len(prompts), tokens)


def _open_items(prompts: Sequence[Prompt], out_jsonl: Path) -> list[Prompt]:
    repeated = [name for name, count in Counter(prompt.id for prompt in prompts).items() if count > 1]
    if repeated:
        raise BadInput(f"prompt id {repeated[0]!r} stands twice: answers are kept by id.")
    done = {row.id for row in read_answers(out_jsonl)} if out_jsonl.is_file() else set()
    return [prompt for prompt in prompts if prompt.id not in done]


def append(stream: IO[str], batch: Sequence[Answer]) -> None:
    """Write a batch's lines and hand them to the disk: what was answered is not answered again."""
    for item in batch:
        stream.write(json.dumps(item._asdict(), ensure_ascii=False) + "\n")
    stream.flush()
    os.fsync(stream.fileno())


def open_for_append(path: Path) -> IO[str]:
    """Open for appending; a torn last line, left by a kill, is cut off first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        with path.open("rb+") as raw:
            cut_torn_line(raw)
    return path.open("a", encoding="utf-8")


def read_answers(path: Path) -> Iterator[Answer]:
    """Whole lines of an answers file; a torn last line is passed over.

    Raises:
        BadInput: a whole line is no answer, by file and line.
    """
    with path.open("rb") as stream:
        for number, line in enumerate(whole_lines(stream), start=1):
            try:
                yield Answer(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise BadInput(f"is no answer: {error}.", file=path, line=number, fix="Delete the file.") from error
