"""Thought and answer of a completion, parted once and before anything is read from it: what a model
thinks is not what it answers.

Known forms: ``<think>`` and its relatives (``<thinking>``, ``<thought>``, ``<reasoning>``,
``<seed:think>``, any case, attributes), ``[THINK]``, ``<|begin_of_thought|>``,
``<|START_THINKING|>``, ``◁think▷``, ``<|inner_prefix|>``, a block that the chat template opened and
the completion only closes, Harmony's channels. A thought stands at the beginning, where a model
writes one; a tag that the answer merely names (in quotes, inline code, a fenced program, a
sentence) parts nothing. A thought that never ends leaves no answer. What this module does not do:
score a thought, or read the answer (``extract`` does).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal, NamedTuple

from .fences import Fence, fences
from .mentions import around, named

UNFINISHED = "unfinished_thought: the thought never ended: there is no answer"


class Parted(NamedTuple):
    """``answer`` is empty where the thought is not ``finished``; ``thought`` is empty where there
    is none."""

    thought: str
    answer: str
    finished: bool = True


class Segment(NamedTuple):
    """A piece of a completion; the pieces in order are the whole completion. ``tag`` marks where a
    thought or answer begins or ends and belongs to neither."""

    kind: Literal["thought", "tag", "answer"]
    text: str


def part(completion: str) -> Parted:
    """The thought and the answer of ``completion``; a text without a thought is an answer as it
    stands."""
    pieces, finished = _pieces(completion)
    if len(pieces) == 1 and pieces[0].kind == "answer":
        return Parted("", completion)
    thoughts = [piece.text for piece in pieces if piece.kind == "thought"]
    answer = "".join(piece.text for piece in pieces if piece.kind == "answer")
    return Parted("\n".join(thoughts), answer, finished)


def segments(completion: str) -> list[Segment]:
    """Every character of ``completion`` once, in order, by what it belongs to."""
    return _pieces(completion)[0]


def with_thought(thought: str, answer: str) -> str:
    """A completion that ``part`` reads back as this thought and the answer in ``answer``: how a
    thought that came in a field of its own is kept beside its answer. An empty ``answer`` is
    written as a thought that never ended."""
    if not thought.strip():
        return answer
    if not answer.strip():
        return f"<think>\n{thought}"
    inner = part(answer)
    texts = [f"{opening}\n{thought}\n{closing}\n\n{answer}" for opening, closing in _WRITTEN]
    expected = inner._replace(thought="\n".join(filter(None, (f"\n{thought}\n", inner.thought))))
    return next((text for text in texts if part(text) == expected), texts[0])


def opened_at_end(prompt: str) -> str:
    """The tag, with the white space after it, by which a rendered prompt leaves a thought open;
    empty where it does not. What a model continues such a prompt with is thought from its first
    word on."""
    tail = prompt[-200:]
    matches = [match for match in _TAG.finditer(tail) if not tail[match.end() :].strip()]
    opens = [match for match in matches if str(match.lastgroup).endswith("_open")]
    return tail[opens[-1].start() :] if opens else ""


_WRITTEN = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
"""The first is what most chat templates read; the others are for thoughts that speak of the
first."""

_NAME = r"(?:[a-z]+[:_])?think(?:ing)?|thoughts?|reasoning"
_FAMILIES: tuple[tuple[str, str, str], ...] = (
    ("angle", rf"<(?:{_NAME})(?:\s[^<>]{{0,200}})?(?<!/)>", rf"</\s?(?:{_NAME})\s?>"),
    ("bracket", r"\[THINK\]", r"\[/THINK\]"),
    ("begin_of", r"<\|(?:begin|start)_of_(?:thought|think(?:ing)?)\|>", r"<\|end_of_(?:thought|think(?:ing)?)\|>"),
    ("start", r"<\|(?:START|begin)_THINK(?:ING)?\|>", r"<\|END_THINK(?:ING)?\|>"),
    ("triangle", r"◁think▷", r"◁/think▷"),
    ("inner", r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
)  # fmt: skip
"""Name, opening, closing; an opening of one family is closed by its own alone."""
_SIDES = "|".join(
    f"(?P<{name}_open>{opens})|(?P<{name}_close>{ends})" for name, opens, ends in _FAMILIES
)
_TAG = re.compile(rf"(?=[<\[◁])(?:{_SIDES})", re.IGNORECASE)
_HINTS = ("think", "thought", "reasoning", "<|channel|>", "<|inner_", "analysis")
"""Without one of these there is no thought: most texts end here."""
_BEFORE = re.compile(
    r"[\s\ufeff]*(?:(?:<s>|<\|im_start\|>assistant|<\|start_header_id\|>assistant<\|end_header_id\|>|<\|assistant\|>|<｜Assistant｜>)\s*)?"
)
_AFTER = re.compile(r"(?:[ \t]*\r?\n)+|[ ]")
"""What a closing tag takes with it: the line breaks to the answer, or one blank, never the answer's
own indentation."""
_TRIED = 16
"""Closing tags without an opening that are looked at, from the last one: bounds the time on hostile
text."""
_LATER = 64
"""Thoughts between parts of an answer that are parted from it."""
_ROUNDS = 8
"""How often an answer is parted again until it holds no thought."""


class _Mark(NamedTuple):
    """A tag; ``named`` is ``surely`` where quotes or backticks enclose the tag, ``perhaps`` where
    they may."""

    family: str
    opens: bool
    start: int
    end: int
    named: Literal["no", "perhaps", "surely"]
    begins_line: bool


def _pieces(text: str) -> tuple[list[Segment], bool]:
    """``_split`` until the answer holds nothing more to part, so that an answer is parted into
    itself."""
    folded = text.lower()
    if not any(hint in folded for hint in _HINTS):
        return [Segment("answer", text)], True
    pieces, finished = _split(text)
    for _ in range(_ROUNDS):
        answer = "".join(piece.text for piece in pieces if piece.kind == "answer")
        if not finished or answer == text:
            return pieces, finished
        inner, finished = _split(answer)
        if finished and [piece.kind for piece in inner] == ["answer"]:
            return pieces, True
        pieces = _within(pieces, inner)
        text = answer
    return [Segment("thought", piece.text) if piece.kind == "answer" else piece for piece in pieces], False  # fmt: skip


def _within(pieces: list[Segment], inner: list[Segment]) -> list[Segment]:
    """``pieces`` with the answers among them divided as ``inner`` divides them, which is about the
    answers alone, end to end."""
    result: list[Segment] = []
    waiting = list(reversed(inner))
    for piece in pieces:
        if piece.kind != "answer":
            result.append(piece)
            continue
        room = len(piece.text)
        while room:
            kind, text = waiting.pop()
            result.append(Segment(kind, text[:room]))
            if len(text) > room:
                waiting.append(Segment(kind, text[room:]))
            room -= min(room, len(text))
    return result


class _Pieces:
    """Segments up to ``at``, and ways to add the next."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: list[Segment] = []

    def add(self, kind: Literal["thought", "tag", "answer"], end: int) -> None:
        if end > self.at:
            self.found.append(Segment(kind, self.text[self.at : end]))
            self.at = end

    def close(self, end: int) -> None:
        """Add a closing tag that ends at ``end``, with the white space that parts it from the
        answer."""
        after = _AFTER.match(self.text, end)
        self.add("tag", after.end() if after else end)


def _split(text: str) -> tuple[list[Segment], bool]:
    """The pieces of one reading, and whether every thought ended."""
    pieces = _Pieces(text)
    if (harmony := _harmony(text)) is not None:
        return harmony
    family = ""
    while opened := _opening(text, pieces.at):
        closing = _end_of_thought(text, opened)
        if closing is None and _in_a_sentence(text, opened):
            break
        family = opened.family
        pieces.add("tag", opened.end)
        if closing is None:
            pieces.add("thought", len(text))
            return pieces.found, False
        pieces.add("thought", closing.start)
        pieces.close(closing.end)
    alone = _closing_alone(text, pieces.at, family)
    if alone is not None:
        family = alone.family
        pieces.add("thought", alone.start)
        pieces.close(alone.end)
    if not family:
        return [Segment("answer", text)], True
    finished = _later_thoughts(pieces)
    if not finished:
        thoughts = [Segment("thought", p.text) if p.kind == "answer" else p for p in pieces.found]
        return thoughts, False
    pieces.add("answer", len(text))
    return _unwrapped(pieces.found), True


def _marks(text: str, start: int, family: str = "") -> Iterator[_Mark]:
    """The tags from ``start`` on, of one family or of all."""
    for match in _TAG.finditer(text, start):
        name, _, side = str(match.lastgroup).rpartition("_")
        if not family or name == family:
            yield _mark(text, name, side == "open", match.start(), match.end())


def _mark(text: str, family: str, opens: bool, start: int, end: int) -> _Mark:
    before, after = around(text, start, end)
    return _Mark(family, opens, start, end, named(before, after), not before.strip())


_SPOKEN_BEFORE = re.compile(
    r"\b(?:an?|the|tags?|tokens?|markers?|literal|closing|opening|called)[ ]\Z", re.IGNORECASE
)
_SPOKEN_AFTER = re.compile(
    r"[ ](?:and[ ]</?\w+>[ ])?(?:tags?|tokens?|markers?|elements?|delimiters?|blocks?|sections?|pairs?)\b"
    r"|[ ]?(?:and|or|\.\.\.|…)[ ]?<",
    re.IGNORECASE,
)


def _in_a_sentence(text: str, mark: _Mark) -> bool:
    """Whether a sentence speaks of the tag: ``the </think> tag``."""
    return bool(
        _SPOKEN_BEFORE.search(text[max(mark.start - 20, 0) : mark.start])
        or _SPOKEN_AFTER.match(text, mark.end)
    )


def _opening(text: str, at: int) -> _Mark | None:
    """The opening tag at ``at``, white space and the marks of a turn aside."""
    before = _BEFORE.match(text, at)
    match = _TAG.match(text, before.end() if before else at)
    if match is None or not str(match.lastgroup).endswith("_open"):
        return None
    family = str(match.lastgroup).rpartition("_")[0]
    end = match.end()
    while (again := _TAG.match(text, _BEFORE.match(text, end).end())) and again.lastgroup == match.lastgroup:  # type: ignore[union-attr]  # matches any text  # fmt: skip
        end = again.end()  # what a template opened, the model opened once more
    return _mark(text, family, True, match.start(), match.end())._replace(end=end)


def _end_of_thought(text: str, opened: _Mark) -> _Mark | None:
    """The tag that closes what ``opened`` opened; a block inside, which begins a line of its own,
    closes first. Where no tag is one beyond doubt, one at the beginning or the end of a line is."""
    for certain in (True, False):
        depth = 1
        for mark in _marks(text, opened.end, opened.family):
            if mark.named == "surely":
                continue
            at_an_end = mark.begins_line or text[mark.end : mark.end + 1] in ("", "\n", "\r")
            if mark.opens:
                depth += mark.begins_line and mark.named == "no"
            elif (mark.named == "no" and not _in_a_sentence(text, mark)) or (
                not certain and at_an_end
            ):
                depth -= 1
                if depth == 0:
                    return mark
    return None


def _closing_alone(text: str, start: int, family: str) -> _Mark | None:
    """The last closing tag from ``start`` on that nothing opened: the chat template did, or the
    thought named its tag before."""
    depths: dict[str, int] = {}
    alone: list[_Mark] = []
    for mark in _marks(text, start, family):
        if mark.named != "no":
            continue
        depth = depths.get(mark.family, 0)
        if mark.opens:
            depths[mark.family] = depth + 1
        elif depth:
            depths[mark.family] = depth - 1
        elif not _in_a_sentence(text, mark):
            alone.append(mark)
    if not alone or _is_a_whole_program(text[start:]):
        return None
    rest = text[start:]
    blocks = fences(rest)
    last = reversed(alone[-_TRIED:])
    return next(
        (
            mark
            for mark in last
            if not _belongs_to_answer(rest, mark.start - start, mark.end - start, blocks)
        ),
        None,
    )


def _belongs_to_answer(text: str, start: int, end: int, blocks: list[Fence]) -> bool:
    """Whether the tag is part of a diff, a fenced program or a long text in quotes. A fence that
    the thought left open ends with it: then what follows the tag has whole blocks only."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    if line[:1] in ("+", "-", " ") and _DIFF_HEAD.match(text):
        return True
    if any(text.count(quotes, 0, start) % 2 for quotes in ('"""', "'''")):
        return any(quotes in text[end:] for quotes in ('"""', "'''"))
    if any(block.start <= start < block.end for block in blocks):
        return any(not block.closed for block in fences(text[end:]))
    return False


_DIFF_HEAD = re.compile(r"\s*(?:diff --git |--- \S+.*\n\+\+\+ |@@ -)")


def _is_a_whole_program(text: str) -> bool:
    """JSON or Python through and through: a tag in it is its matter."""
    from .json_reader import read_strictly
    from .syntax import python_tree

    return read_strictly(text) is not None or python_tree(text) is not None


def _later_thoughts(pieces: _Pieces) -> bool:
    """Add the blocks that stand on lines of their own between parts of the answer, the answer
    before each included; False where one never ends. A model that begins with a thought may think
    again."""
    text = pieces.text
    if not _TAG.search(text, pieces.at):
        return True
    offset = pieces.at
    added = 0
    blocks = fences(text[offset:])
    starts = [offset + block.start for block in blocks]
    for mark in _marks(text, offset):
        before = bisect_right(starts, mark.start) - 1
        fenced = before >= 0 and mark.start < offset + blocks[before].end
        if mark.start < pieces.at or not mark.opens or not mark.begins_line or fenced:
            continue
        if mark.named != "no" or _in_a_sentence(text, mark):
            continue
        closing = _end_of_thought(text, mark)
        pieces.add("answer", mark.start)
        pieces.add("tag", mark.end)
        if closing is None:
            pieces.add("thought", len(text))
            return False
        pieces.add("thought", closing.start)
        pieces.close(closing.end)
        added += 1
        if added == _LATER:
            break
    return True


_STOP = r"(?:\s*(?:<\|[a-z_]{2,32}\|>|</s>|<end_of_turn>))*\s*"
_WRAPPED = re.compile(
    rf"(?P<open>\s*(?:<answer>|<\|begin_of_solution\|>|<\|START_RESPONSE\|>)\n*)(?P<answer>.*?)"
    rf"(?P<close>\s*(?:</answer>|<\|end_of_solution\|>|<\|END_RESPONSE\|>))?(?P<stop>{_STOP})\Z",
    re.DOTALL | re.IGNORECASE,
)
_WRAPPERS = re.compile(r"<answer>|<\|begin_of_solution\|>|<\|START_RESPONSE\|>", re.IGNORECASE)


def _unwrapped(pieces: list[Segment]) -> list[Segment]:
    """Without the tags in which some models put the answer that follows their thought, where they
    hold all of it."""
    if pieces[-1].kind != "answer" or sum(piece.kind == "answer" for piece in pieces) != 1:
        return pieces
    text = pieces[-1].text
    if _WRAPPERS.match(text.lstrip()) is None or len(_WRAPPERS.findall(text)) != 1:
        return pieces
    match = _WRAPPED.match(text)
    if match is None:
        return pieces
    inner: list[Segment] = [
        Segment("tag", match["open"]),
        Segment("answer", match["answer"]),
        Segment("tag", match["close"] or ""),
        Segment("answer", match["stop"]),
    ]
    return [*pieces[:-1], *(piece for piece in inner if piece.text)]


# -- Harmony ---------------------------------------------------------------------------------------

_HARMONY = re.compile(r"\s*(?:<\|start\|>assistant[^<]{0,80})?<\|channel\|>")
_TURN = re.compile(
    r"(?:<\|start\|>(?P<role>[^<]{0,200}))?<\|channel\|>(?P<channel>\s*\w+)(?P<to>[^<]{0,200})(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
)
_TURN_END = re.compile(r"<\|(?:end|return|call)\|>|(?=<\|start\|>)|(?=<\|channel\|>)")
_BARE = re.compile(r"\s*analysis(?=\S)(?P<thought>.*?)assistant\s?final(?P<answer>.*)\Z", re.DOTALL)
_BARE_OPEN = re.compile(r"\s*analysis(?:We|The user|User|Need|I)\b")
"""Harmony's text as it is left where special tokens are not decoded."""


def _harmony(text: str) -> tuple[list[Segment], bool] | None:
    """The channels of a Harmony answer: ``final`` and calls of tools are the answer, everything
    else is thought; None where the text is none."""
    if not _HARMONY.match(text):
        return _bare_harmony(text)
    pieces = _Pieces(text)
    answered = False
    at = 0
    turn = _TURN.search(text)
    while turn is not None:
        stop = _TURN_END.search(text, turn.end())
        end = stop.start() if stop else len(text)
        if turn["channel"].strip() == "final":
            pieces.add("tag", turn.end())
            pieces.add("answer", end)
            answered = True
        elif "to=" in (turn["role"] or "") + turn["to"]:
            pieces.add("tag", turn.start())
            end = stop.end() if stop else end
            pieces.add("answer", end)
            answered = True
        else:
            pieces.add("tag", turn.end())
            pieces.add("thought", end)
        at = end
        turn = _TURN.search(text, at)
    last_end = _TURN_END.match(text, at)
    if answered and last_end and not text[last_end.end() :].strip():
        pieces.add("answer", len(text))
    pieces.add("tag", len(text))
    if not answered:
        return pieces.found, False
    if all(piece.kind == "answer" for piece in pieces.found):
        return [Segment("answer", text)], True
    return pieces.found, True


def _bare_harmony(text: str) -> tuple[list[Segment], bool] | None:
    match = _BARE.match(text)
    if match is not None:
        pieces = _Pieces(text)
        pieces.add("tag", match.start("thought"))
        pieces.add("thought", match.end("thought"))
        pieces.add("tag", match.start("answer"))
        pieces.add("answer", len(text))
        return pieces.found, True
    opened = _BARE_OPEN.match(text)
    if opened is None:
        return None
    start = text.index("analysis") + len("analysis")
    return [Segment("tag", text[:start]), Segment("thought", text[start:])], False
