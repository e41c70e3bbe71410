"""Prompts as a model reads them: through the tokenizer's chat template exactly as in training, or in a plain format.

``chat`` renders the turns with the template and the generation prompt; ``cue`` is ``Instruction: …`` and ``Response:``; ``raw``
is the turns' text alone. The plain formats add no special token: a gap proof compares formats, not leaked markers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadInput
from ..records import Message, Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPT_FORMATS = ("chat", "cue", "raw")


class Prompt(NamedTuple):
    """What is asked, under the id that its answer will carry."""

    id: str
    messages: tuple[Message, ...]


def prompts_of(tasks: Iterable[Task], samples: int = 1) -> list[Prompt]:
    """A prompt for each task; with several ``samples``, one for each under an id of its own (see ``sample_id``)."""
    if samples == 1:
        return [Prompt(task.id, task.messages) for task in tasks]
    return [Prompt(sample_id(task.id, index), task.messages) for task in tasks for index in range(samples)]


def sample_id(task_id: str, index: int) -> str:
    """The id of a task's answer number ``index`` (from 0); sampling draws from it, so answers of one task differ."""
    return f"{task_id}#{index}"


def render(tokenizer: PreTrainedTokenizerBase, messages: tuple[Message, ...], prompt_format: str) -> str:
    """The text that the model continues.

    Raises:
        BadInput: ``chat`` is asked of a tokenizer without a chat template, or the format is unknown.
    """
    if prompt_format == "chat":
        return render_chat(tokenizer, [turn.to_dict() for turn in messages])
    if prompt_format == "cue":
        return f"Instruction: {_plain(messages)}\nResponse:"
    if prompt_format == "raw":
        return _plain(messages) + "\n"
    raise BadInput(f"unknown prompt format {prompt_format!r}.", fix=f"Known: {', '.join(PROMPT_FORMATS)}.")


def render_chat(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, Any]], *, prompt: bool = True) -> str:
    """``turns`` through the chat template; ``prompt`` adds the opening of the assistant's turn."""
    if not tokenizer.chat_template:
        raise BadInput(
            "the tokenizer has no chat template.",
            file=tokenizer.name_or_path or None,
            fix="Add chat_template.jinja to the model's folder, or use the prompt format 'cue' or 'raw'.",
        )
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompt))


def _plain(messages: tuple[Message, ...]) -> str:
    return "\n".join(turn.content for turn in messages)
