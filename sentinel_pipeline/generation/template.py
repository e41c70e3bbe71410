"""What a chat template does with turns: the token by which it ends an answer, and whether it takes
a system turn.

Both are found by rendering short conversations, never by reading the template's text or a model's
name. A template that refuses system turns, or silently drops them, is given their text at the head
of the user's first turn, in training as at inference. What this module does not do: tokenize
rows (``training.data.tokens``), or choose a template (``worker.convert``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = "ANSWER7319"
_SYSTEM = "SYSTEM7319"
_refusals: WeakKeyDictionary[Any, tuple[str, bool]] = WeakKeyDictionary()
"""Tokenizer -> its template, and whether that takes no system turn."""

NO_TEMPLATE = (
    "Add chat_template.jinja to the model's folder, name a template in the recipe (model.template: "
    "chatml, llama3, gemma, mistral or a file), or use the prompt format 'cue' or 'raw'."
)


def rendered(
    tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, Any]], *, prompt: bool = True
) -> str:
    """``turns`` through the chat template; ``prompt`` adds the opening of the assistant's turn.

    Raises:
        BadInput: there is no template, or it refuses these turns; in its own words.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise BadInput(
            "the tokenizer has no chat template.",
            file=tokenizer.name_or_path or None,
            fix=NO_TEMPLATE,
        )
    if any(turn["role"] == "system" for turn in turns) and takes_no_system(tokenizer):
        turns = _joined(turns)
    try:
        return str(
            tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompt)
        )
    except TemplateError as error:
        roles = ", ".join(turn["role"] for turn in turns)
        raise BadInput(
            f"the chat template refuses turns of {roles}: {error}",
            file=tokenizer.name_or_path or None,
            fix="Change the rows, or name another template (model.template).",
        ) from error


def takes_no_system(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the chat template raises at a system turn, or leaves its text out."""
    from jinja2 import TemplateError

    template = str(tokenizer.chat_template)
    known = _refusals.get(tokenizer)
    if known is not None and known[0] == template:
        return known[1]
    turns = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": "-"}]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        refuses = _SYSTEM not in text
    except TemplateError:
        refuses = True
    _refusals[tokenizer] = (template, refuses)
    return refuses


def _joined(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The system turns' text at the head of the first user's turn."""
    system = "\n\n".join(str(turn["content"]) for turn in turns if turn["role"] == "system")
    rest = [dict(turn) for turn in turns if turn["role"] != "system"]
    first = next((turn for turn in rest if turn["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": system}, *rest]
    first["content"] = f"{system}\n\n{first['content']}"
    return rest


def turn_end(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The token that the template writes after an answer: the tokenizer's ``eos_token`` where it is
    among what follows, else the first token there; None without a template, or without one."""
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        return None
    turns = [{"role": "user", "content": "-"}, {"role": "assistant", "content": _MARK}]
    try:
        text = str(
            tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False)
        )
    except TemplateError:
        return None
    _, answered, rest = text.rpartition(_MARK)
    if not answered:
        return None
    eos = tokenizer.eos_token
    if eos and str(eos) in rest:
        return str(eos)
    markers = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    markers |= {str(token) for token in tokenizer.all_special_tokens}
    places = [(rest.find(marker), -len(marker), marker) for marker in markers if marker in rest]
    return min(places)[2] if places else None


def problems(tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[str, str]]:
    """What training through this template would be refused for, as (the recipe's key, the reason):
    known before there are rows."""
    if not tokenizer.chat_template:
        yield "model.template", f"the tokenizer has no chat template. {NO_TEMPLATE}"
        return
    prompt = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    answer = {"role": "assistant", "content": _MARK}
    try:
        opened = rendered(tokenizer, prompt)
        whole = rendered(tokenizer, [*prompt, answer], prompt=False)
    except BadInput as error:
        yield "model.template", str(error)
        return
    if not whole.startswith(opened):
        yield (
            "model.template",
            "the chat template renders a prompt differently in training than at inference. "
            "Name another one, or set model.thinking where the template opens a thought.",
        )
        return
    if _MARK not in whole[len(opened) :]:
        yield "model.template", "the chat template leaves the answer out. Name another one."
        return
    if turn_end(tokenizer) is None:
        yield (
            "model.template",
            "the chat template ends an answer with no token of its own: the model would never learn to stop. "
            "Name another template.",
        )
