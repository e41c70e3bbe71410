"""Prompts as a model reads them: through the tokenizer's chat template exactly as in training, or
in a plain format.

``chat`` renders the turns with the template and the generation prompt; ``cue`` is ``Instruction:
…`` and ``Response:``; ``raw`` is the turns' text alone. The plain formats hold no special token but
the one by which a document began in pretraining (BOS), where the tokenizer writes one itself: a gap
proof compares formats, not leaked markers, and a model without the BOS that it knows is another
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..critic.thoughts import opened_at_end
from ..errors import BadInput
from ..records import Message, Task
from ..records.conversation import sample_id, sampled
from ..records.decoding import Decoding
from .template import rendered

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPT_FORMATS = ("chat", "cue", "raw")


class Prompt(NamedTuple):
    """What is asked, under the id that its answer will carry."""

    id: str
    messages: tuple[Message, ...]


def prompts_of(tasks: Iterable[Task], samples: int = 1) -> list[Prompt]:
    """A prompt for each task and sample; see ``records.conversation`` for their ids."""
    return [
        Prompt(
            sample_id(task.id, sample),
            sampled(task.messages, sample) if sample > 1 else task.messages,
        )
        for task in tasks
        for sample in range(1, samples + 1)
    ]


def render(
    tokenizer: PreTrainedTokenizerBase, messages: tuple[Message, ...], prompt_format: str
) -> str:
    """The text that the model continues.

    Raises:
        BadInput: ``chat`` is asked of a tokenizer without a chat template, or the format is
            unknown.
    """
    if prompt_format == "chat":
        return render_chat(tokenizer, [turn.to_dict() for turn in messages])
    return plain(messages, prompt_format)


def plain(messages: tuple[Message, ...], prompt_format: str) -> str:
    """The text of the formats that need no tokenizer.

    Raises:
        BadInput: the format is unknown.
    """
    if prompt_format == "cue":
        return f"Instruction: {_plain(messages)}\nResponse:"
    if prompt_format == "raw":
        return _plain(messages) + "\n"
    raise BadInput(
        f"unknown prompt format {prompt_format!r}.", fix=f"Known: {', '.join(PROMPT_FORMATS)}."
    )


def encode(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], decoding: Decoding
) -> list[list[int]]:
    """Token ids of rendered prompts. Plain ones begin with BOS where the tokenizer itself begins a
    text so; that they hold no other special token is checked, not assumed.

    Raises:
        BadInput: as ``render``, or a plain prompt whose own text is read as a special token.
    """
    texts = [render(tokenizer, prompt.messages, decoding.prompt_format) for prompt in prompts]
    encoded: list[list[int]] = (
        tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    )
    if decoding.prompt_format != "chat":
        special = special_tokens(tokenizer)
        for prompt, tokens in zip(prompts, encoded, strict=True):
            if specials_present := special & set(tokens):
                name = tokenizer.convert_ids_to_tokens(min(specials_present))
                problem = f"the plain prompt {prompt.id!r} holds the special token {name!r}."
                raise BadInput(problem, fix="Change its text.")
        opening = text_opening(tokenizer)
        encoded = [opening + tokens for tokens in encoded]
    return encoded


def text_opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """BOS, where the tokenizer puts it before a plain text as it did in pretraining; else
    nothing."""
    bos = tokenizer.bos_token_id
    ids = tokenizer("a")["input_ids"]
    return [bos] if bos is not None and ids and ids[0] == bos else []


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every id that a tokenizer treats as special, the turn markers of its chat template among
    them."""
    added = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset({*tokenizer.all_special_ids, *added})


def render_chat(
    tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, Any]], *, prompt: bool = True
) -> str:
    """``turns`` through the chat template; ``prompt`` adds the opening of the assistant's turn."""
    return rendered(tokenizer, turns, prompt=prompt)


def opened_thought(tokenizer: PreTrainedTokenizerBase, prompt_format: str = "chat") -> str:
    """The tag by which the chat template opens a thought for the model; empty where it does not. It
    belongs before a completion: without it nobody could tell an unfinished thought from an
    answer."""
    if prompt_format != "chat" or not tokenizer.chat_template:
        return ""
    return opened_at_end(render_chat(tokenizer, [{"role": "user", "content": "-"}]))


def _plain(messages: tuple[Message, ...]) -> str:
    return "\n".join(turn.content for turn in messages)
