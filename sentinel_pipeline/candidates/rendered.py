"""A whole conversation in one text, as chat templates render it -> its turns.

Known: ChatML, Llama 3's headers, ``[INST]`` (Llama 2, Mistral), ``### Instruction:`` with ``###
Response:`` (Alpaca), and ``Human:`` with ``Assistant:`` at line starts. A text is taken for one of
them only where all of it is turns. What this module does not do: render, or read what a turn holds
(``turns`` does).
"""

from __future__ import annotations

import re
from typing import Any

Turns = list[dict[str, Any]]

_EDGE = re.compile(
    r"\A\s*(?:<s>|<\|begin_of_text\|>|<bos>|\[gMASK\]<sop>)?"
    r"|(?:<\|endoftext\|>|<\|end_of_text\|>|</s>)?\s*\Z"
)
_CHATML = re.compile(r"<\|im_start\|>[ ]?(\w+)[ ]*\n(.*?)(?:<\|im_end\|>\s*|\Z)", re.DOTALL)
_LLAMA = re.compile(
    r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\s*(.*?)(?:<\|eot_id\|>\s*|<\|eom_id\|>\s*|\Z)",
    re.DOTALL,
)
_SYSTEM = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_ALPACA = re.compile(r"^### (Instruction|Input|Response):[ \t]*\n?", re.MULTILINE)
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def rendered_turns(text: str) -> Turns | None:
    """The turns of a rendered conversation; None where the text is none."""
    if "<|im_start|>" in text:
        return _tiled(_CHATML, text)
    if "<|start_header_id|>" in text:
        return _tiled(_LLAMA, text)
    if "[INST]" in text and "[/INST]" in text:
        inner = _inner(text)
        if not inner.startswith("[INST]"):
            return None
        turns: Turns = []
        for piece in inner.split("[INST]")[1:]:
            request, end, answer = piece.partition("[/INST]")
            if not end:
                return None
            system = _SYSTEM.match(request)
            if system is not None and not turns:
                turns.append({"role": "system", "content": system[1].strip()})
                request = request[system.end() :]
            turns.append({"role": "user", "content": request.strip()})
            turns.append(
                {
                    "role": "assistant",
                    "content": answer.replace("<s>", "").replace("</s>", "").strip(),
                }
            )
        return turns
    if "### Response:" in text:
        return _alpaca(text)
    if "Human:" in text and "Assistant:" in text:
        return _speakers(text)
    return None


def _inner(text: str) -> str:
    return _EDGE.sub("", text)


def _tiled(pattern: re.Pattern[str], text: str) -> Turns | None:
    """Turns that follow one another with nothing between them."""
    inner = _inner(text)
    turns: Turns = []
    at = 0
    while at < len(inner):
        turn = pattern.match(inner, at)
        if turn is None or "<|im_start|>" in turn[2] or "<|start_header_id|>" in turn[2]:
            return None
        turns.append({"role": turn[1], "content": turn[2].strip("\n")})
        at = turn.end()
    return turns or None


def _alpaca(text: str) -> Turns | None:
    heads = list(_ALPACA.finditer(text))
    names = [head[1] for head in heads]
    if names not in (["Instruction", "Response"], ["Instruction", "Input", "Response"]):
        return None
    ends = [*(head.start() for head in heads[1:]), len(text)]
    bodies = [text[head.end() : end].strip() for head, end in zip(heads, ends, strict=True)]
    answer = _inner(bodies[-1])
    return [
        {"role": "user", "content": "\n\n".join(filter(None, bodies[:-1]))},
        {"role": "assistant", "content": answer},
    ]


def _speakers(text: str) -> Turns | None:
    heads = list(_SPEAKER.finditer(text))
    if not heads or text[: heads[0].start()].strip():
        return None
    ends = [*(head.start() for head in heads[1:]), len(text)]
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[head[1]], "content": text[head.end() : end].strip()}
        for head, end in zip(heads, ends, strict=True)
    ]
