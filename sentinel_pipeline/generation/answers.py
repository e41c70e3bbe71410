"""``answer``: a model's completions to prompts, appended to a JSONL file item by item, so that a
killed run goes on.

Whoever generates is an engine (``engine``, ``vllm_engine``, ``server``). What is done once for all
of them is done here: what is answered is skipped, what the same model answered before is
taken from the cache, and a conversation's later turns are asked when the earlier ones are answered,
with the model's own answers in them, without the thoughts before them. Nothing is scored here, and
nothing that a model wrote is trusted: a completion is data of one field.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..critic.thoughts import part
from ..errors import BadInput
from ..records.conversation import filled, needs
from ..records.decoding import Decoding
from ..store.files import cut_torn_line, whole_lines
from .answer import Answer as Answer
from .answer import Engine as Engine
from .cache import AnswerCache
from .engine import engine_of
from .loading import load_model, load_tokenizer
from .prompts import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Progress = Callable[[int, int, int], None]
"""Called with (items done, items in all, tokens generated since the start)."""


def answer(
    model_dir: Path,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    out_jsonl: Path,
    progress: Progress | None = None,
) -> None:
    """Answer the prompts that ``out_jsonl`` does not hold yet, in batches of like length; order of
    lines is not that of prompts.

    Args:
        model_dir: a Transformers folder, or a PEFT adapter folder whose base it names.
        decoding: see ``Decoding``; greedy answers do not depend on the batch up to float rounding.

    Raises:
        BadInput: no model in the folder, no chat template, or two prompts of one id.
    """
    if _Items(prompts, out_jsonl).open() or not out_jsonl.is_file():
        answer_with(
            load_model(model_dir), load_tokenizer(model_dir), prompts, decoding, out_jsonl, progress
        )


def answer_with(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    out_jsonl: Path,
    progress: Progress | None = None,
) -> None:
    """``answer`` by a model that is loaded already."""
    answer_by(engine_of(model, tokenizer), prompts, decoding, out_jsonl, progress)


def answer_by(
    engine: Engine,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    out_jsonl: Path,
    progress: Progress | None = None,
    cache: AnswerCache | None = None,
) -> int:
    """``answer`` by any engine, round after round where prompts wait for answers; returns how many
    prompts stay unanswered.

    Raises:
        BadInput: two prompts of one id, or a prompt that waits for an answer that nobody is asked
            for.
    """
    items = _Items(prompts, out_jsonl)
    tokens = 0
    with open_for_append(out_jsonl) as stream:

        def keep(batch: list[Answer]) -> None:
            append(stream, batch)
            items.done(batch)
            if progress and batch:
                progress(len(items.answered), len(prompts), tokens)

        while ready := items.ready():
            before = len(items.answered)
            if cache:
                keep(cache.known(ready, decoding))
                ready = [prompt for prompt in ready if prompt.id not in items.answered]
            for batch in engine(ready, decoding) if ready else ():
                tokens += sum(item.tokens for item in batch)
                if cache:
                    cache.add(ready, batch, decoding)
                keep(batch)
            if len(items.answered) == before:
                break
    return len(items.open())


class _Items:
    """What is answered and what can be asked next."""

    def __init__(self, prompts: Sequence[Prompt], out_jsonl: Path) -> None:
        repeated = [
            name for name, count in Counter(prompt.id for prompt in prompts).items() if count > 1
        ]
        if repeated:
            raise BadInput(f"duplicate prompt id {repeated[0]!r}: answers are stored by id.")
        self.prompts, self.answered = prompts, set[str]()
        self._wanted = {name for prompt in prompts for name in needs(prompt.messages)}
        unknown = self._wanted - {prompt.id for prompt in prompts}
        if unknown:
            raise BadInput(
                f"a prompt waits for the answer to {min(unknown)!r}, which is not among the prompts."
            )
        self._texts: dict[str, str] = {}
        self.done(read_answers(out_jsonl) if out_jsonl.is_file() else ())

    def done(self, answers: Iterator[Answer] | Sequence[Answer]) -> None:
        for row in answers:
            self.answered.add(row.id)
            if row.id in self._wanted:
                self._texts[row.id] = part(row.completion).answer

    def open(self) -> list[Prompt]:
        return [prompt for prompt in self.prompts if prompt.id not in self.answered]

    def ready(self) -> list[Prompt]:
        """Open prompts whose earlier turns are answered, with those answers in them."""
        return [
            Prompt(prompt.id, filled(prompt.messages, self._texts))
            for prompt in self.open()
            if all(name in self._texts for name in needs(prompt.messages))
        ]


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
        BadInput: a whole line is not an answer, by file and line.
    """
    with path.open("rb") as stream:
        for number, line in enumerate(whole_lines(stream), start=1):
            try:
                yield Answer(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise BadInput(
                    f"not an answer: {error}.", file=path, line=number, fix="Delete the file."
                ) from error
