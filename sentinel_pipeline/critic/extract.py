"""The one extractor: what a completion answers, taken out of what surrounds it. Strict first; every
leniency is named.

A thought is parted from the answer before anything is looked for (``thoughts``). Used by critic,
benchmarks and rewards alike. It never raises on hostile text and takes linear time: a reader that
finds nothing says so in ``error``. What this module does not do: score (``syntax``, ``formats``),
repair a broken answer, or choose among several different answers in the candidate's favour.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from .call_forms import marked_calls
from .fences import Fence, fences, indented_blocks, outside, tagged_blocks, without_glued_fence
from .json_reader import Extracted, JsonReading, json_in_prose, mend_json, read_json, read_strictly
from .syntax import python_tree
from .thoughts import UNFINISHED, Parted, part

Kind = Literal["python", "json", "diff", "shell", "sql", "typescript", "yaml", "answer", "text"]

MAX_CHARS = 5_000_000
"""Longer completions are not searched: their extraction fails as ``too_large``."""


def extract(
    completion: str, kind: Kind, *, entry_point: str | None = None, reading: JsonReading = "strict"
) -> Extracted:
    """Take the answer of one kind out of ``completion``; ``entry_point`` picks among several blocks
    of code, ``reading`` says how much is forgiven in JSON."""
    if len(completion) > MAX_CHARS:
        return Extracted(None, kind, (), f"too_large: {len(completion)} characters")
    return extract_parted(part(completion), kind, entry_point=entry_point, reading=reading)


def extract_parted(
    parted: Parted, kind: Kind, *, entry_point: str | None = None, reading: JsonReading = "strict"
) -> Extracted:
    """``extract`` of a completion whose thought is parted from its answer already."""
    if not parted.finished:
        return Extracted(None, kind, (), UNFINISHED)
    if len(parted.answer) > MAX_CHARS:
        return Extracted(None, kind, (), f"too_large: {len(parted.answer)} characters")
    text, stopped = _without_stop(parted.answer)
    if kind == "json":
        found = _json(text, reading)
    else:
        named = {"python": _python, "typescript": _script}.get(kind)
        found = named(text, entry_point) if named else _READERS[kind](text)
    if found.error is None and found.value == "" and kind != "json":
        found = found._replace(value=None, error="empty")
    return found._replace(leniencies=(*found.leniencies, "stop_token")) if stopped else found


def function(code: str, name: str) -> Extracted:
    """The definition of one top-level function in source text, decorators included, by its
    indentation alone."""
    head = re.compile(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(name)}\b", re.MULTILINE).search(code)
    if head is None:
        return Extracted(None, "python", (), f"no_function: {name}")
    start = head.start()
    while (above := code.rfind("\n", 0, max(start - 1, 0)) + 1) < start and code.startswith(
        "@", above
    ):
        start = above
    end = re.compile(r"^[^\s#)\]}]", re.MULTILINE).search(code, head.end())
    return Extracted(code[start : end.start() if end else len(code)].rstrip() + "\n", "python")


_STOP = re.compile(
    r"(?:<\|(?:im_end|endoftext|eot_id|end|eom_id|return|call)\|>|</s>|<end_of_turn>)\s*\Z"
)


def _without_stop(text: str) -> tuple[str, bool]:
    tail = text[-64:]
    found = _STOP.search(tail) if ">" in tail else None
    return (text[: len(text) - len(tail) + found.start()], True) if found else (text, False)


def _choose(
    text: str, language: str, wanted: Callable[[Fence], bool] | None = None
) -> tuple[Fence, tuple[str, ...]] | None:
    """The block of the language (else an untagged one, else whatever there is) and the leniencies
    of taking it."""
    blocks = fences(text)
    names = ["fenced"]
    if not blocks:
        blocks = tagged_blocks(text)
        names = ["tagged"]
    if not blocks:
        return None
    own = [block for block in blocks if block.language == language]
    pool = own or [block for block in blocks if not block.tag] or blocks
    chosen = next(filter(wanted, pool), pool[0]) if wanted else pool[0]
    if not chosen.closed:
        names.append("unclosed_fence")
    if chosen.tag and chosen.language != language:
        names.append("foreign_tag")
    if len(pool) > 1:
        names.append("several_blocks")
    if outside(text, blocks):
        names.append("prose_around_fence")
    return chosen, tuple(names)


def _block_or_text(text: str, kind: Kind) -> Extracted:
    chosen = _choose(text, kind)
    if chosen:
        return Extracted(chosen[0].body.strip("\n"), kind, chosen[1])
    if kind != "yaml" and _LEADS_TO_CODE.match(text) and (blocks := indented_blocks(text)):
        return Extracted(blocks[0].body, kind, _of_indentation(blocks))
    return Extracted(text.strip(), kind)


_LEADS_TO_CODE = re.compile(r"[A-Z][^\n]*:[ \t]*\n[ \t]*\n(?:[ ]{4}|\t)")
"""A sentence that ends with a colon, and an indented block: without the sentence, indentation may
be anything."""


def _of_indentation(blocks: list[Fence]) -> tuple[str, ...]:
    names = ("indented_block", "prose_around_fence")
    return (*names, "several_blocks") if len(blocks) > 1 else names


_CODE_LINE = re.compile(
    r"^(?:from[ \t]+[\w.]+[ \t]+import[ \t(]|import[ \t]+[\w.]+|(?:async[ \t]+)?def[ \t]+\w+[ \t]*[\[(]|class[ \t]+\w+[ \t]*[:(\[]"
    r"|@\w|[A-Za-z_]\w*[ \t]*(?::[^=\n]*)?=[^=]|if[ \t]+__name__)",
    re.MULTILINE,
)
_STARTS_AS_CODE = re.compile(
    r"\s*(?:#|[\"']{3}|(?:for|while|if|try|with|print|return|assert|raise|global|lambda)\b)"
)
_PROSE_LINE = re.compile(
    r"^[A-Z][\w'’]*,?(?:[ ]+[\w'’,\-`().]+){2,}[ ]*[.:!?]?[ ]*$|^(?:[-*] |\d+\. |#{2,} )",
    re.MULTILINE,
)


def _python(text: str, entry_point: str | None) -> Extracted:
    defines = (
        re.compile(rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{re.escape(entry_point)}\b", re.M)
        if entry_point
        else None
    )
    if _CODE_LINE.match(text.lstrip()):
        return _code_first(text)
    chosen = _choose(
        text, "python", (lambda block: bool(defines.search(block.body))) if defines else None
    )
    if chosen:
        return Extracted(chosen[0].body.strip("\n"), "python", chosen[1])
    return _indented_python(text, defines) or _bare_python(text)


def _indented_python(text: str, defines: re.Pattern[str] | None) -> Extracted | None:
    """Code that only its indentation tells from the prose before it."""
    if _CODE_LINE.search(text) or _STARTS_AS_CODE.match(text):
        return None
    blocks = [block for block in indented_blocks(text) if _CODE_LINE.search(block.body)]
    if not blocks:
        return None
    chosen = next((block for block in blocks if defines and defines.search(block.body)), blocks[0])
    return Extracted(chosen.body, "python", _of_indentation(blocks))


def _code_first(text: str) -> Extracted:
    """Code that no fence opened; a fence line further down ends it, unless it stands inside a
    docstring."""
    tagged = tagged_blocks(text)
    if tagged and not tagged[0].start:
        return Extracted(tagged[0].body, "python", ("tagged",))
    blocks = fences(text)
    if not blocks or _inside_text(text, blocks[0].start):
        code = without_glued_fence(text)
        bare = _bare_python(code)
        if len(code) == len(text):
            return bare
        return bare._replace(leniencies=("unopened_fence", *bare.leniencies))
    return Extracted(text[: blocks[0].start].strip("\n").rstrip(), "python", ("unopened_fence",))


def _bare_python(text: str) -> Extracted:
    """Unfenced code. An indented beginning is kept: such a completion continues a prefix."""
    code = text.strip("\r\n").rstrip()
    first = _CODE_LINE.search(code)
    start = 0
    if first and first.start() and not code[0].isspace() and not _STARTS_AS_CODE.match(code):
        head = code[: first.start()]
        start = first.start() if _PROSE_LINE.search(head) else 0
    end = _end_of_code(code, first.end()) if first else len(code)
    value = code[start:end].rstrip()
    return Extracted(value, "python", ("prose_around",) if value != code else ())


def _end_of_code(code: str, position: int) -> int:
    """Where prose begins after the code: a prose-like line at the left margin that a blank line
    precedes.

    Where all of it parses there is none: what looks like a heading is a comment.
    """
    for line in _PROSE_LINE.finditer(code, position):
        if code.endswith("\n\n", 0, line.start()):
            whole = _inside_text(code, line.start()) or python_tree(code) is not None
            return len(code) if whole else line.start()
    return len(code)


def _inside_text(code: str, position: int) -> bool:
    return bool(code.count('"""', 0, position) % 2 or code.count("'''", 0, position) % 2)


def script_defines(name: str) -> re.Pattern[str]:
    """Finds a top-level definition of ``name`` in TypeScript or JavaScript."""
    words = r"(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?(?:function[ \t]*\*?|abstract[ \t]+class|class|const|let|var)"
    return re.compile(rf"^{words}[ \t]+{re.escape(name)}(?![\w$])", re.MULTILINE)


def _script(text: str, entry_point: str | None) -> Extracted:
    """The block that defines the entry point, else the first; code that only a last fence ends is
    taken up to it."""
    blocks = fences(text)
    if len(blocks) == 1 and not blocks[0].tag and not blocks[0].body.strip():
        return Extracted(text[: blocks[0].start].strip(), "typescript", ("unopened_fence",))
    defines = script_defines(entry_point) if entry_point else None
    chosen = _choose(
        text, "typescript", (lambda block: bool(defines.search(block.body))) if defines else None
    )
    if chosen:
        return Extracted(chosen[0].body.strip("\n"), "typescript", chosen[1])
    return Extracted(text.strip("\r\n").rstrip(), "typescript")


def _json(text: str, reading: JsonReading) -> Extracted:
    calls = marked_calls(text)
    if calls is not None:
        return calls
    if reading != "strict":
        return _lenient_json(text, reading)
    whole = read_json(text)
    if whole.error is None or not whole.error.startswith("not_json"):
        return whole
    chosen = _choose(text, "json")
    if chosen is None:
        return json_in_prose(text, whole)
    return _named(read_json(chosen[0].body), chosen[1])


def _lenient_json(text: str, reading: JsonReading) -> Extracted:
    whole = read_strictly(text)
    if whole is not None:
        return whole
    chosen = _choose(text, "json") if text.lstrip()[:1] not in ("{", "[") else None
    if chosen is None:
        return mend_json(text, reading)
    body = chosen[0].body
    found = read_strictly(body) or mend_json(body, reading)
    if found.error is not None:
        outside_too = json_in_prose(text, found, reading)
        if outside_too.error is None:
            return outside_too
    return _named(found, chosen[1])


def _named(found: Extracted, leniencies: tuple[str, ...]) -> Extracted:
    return found._replace(leniencies=(*leniencies, *found.leniencies))


_DIFF_HEAD = re.compile(
    r"^(?:diff --git .*|--- .*\n\+\+\+ |diff -[^\n]*\n--- .*\n\+\+\+ |Index: [^\n]*\n=+\n--- )",
    re.MULTILINE,
)
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_DIFF_META = (
    "diff -",
    "Index: ",
    "=======",
    "index ",
    "--- ",
    "+++ ",
    "new file",
    "deleted file",
    "old mode",
    "new mode",
    "similarity ",
    "dissimilarity ",
    "rename ",
    "copy ",
    "Binary files ",
    "GIT binary patch",
    "\\ ",
)
_CHANGED_FILE = re.compile(r"^(?:\+\+\+|rename to|copy to|diff --git) ([^\n\t]+)", re.MULTILINE)
_MAIL = re.compile(r"\s*(?:-- \n[^\n]*\s*)?(?:From [0-9a-f]{7,64} \w{3} |commit [0-9a-f]{7,64}\b)")
_SIGNATURE = re.compile(r"\s*-- \n[^\n]*\s*\Z")
"""What ``git format-patch`` and ``git show`` write before a diff, and what a mail has after it."""


def _diff(text: str) -> Extracted:
    """The diff of the text; of several the first, with all that follow where each changes files of
    its own or stands in a mail of its own, as ``git apply`` takes them."""
    chosen = _choose(text, "diff", lambda block: bool(_DIFF_HEAD.search(block.body)))
    head = _DIFF_HEAD.search(text)
    if chosen and not (head and head.start() == 0):
        return Extracted(_with_other_files(chosen[0].body, text), "diff", chosen[1])
    if head is None:
        return Extracted(None, "diff", (), "no_diff: no '---' and '+++' header lines")
    start = head.start()
    end = _end_of_diff(text, start)
    has_prose = bool(text[:start].strip()) and not _MAIL.match(text)
    changed = set(_CHANGED_FILE.findall(text, start, end))
    while (head := _DIFF_HEAD.search(text, end)) is not None:
        following = _end_of_diff(text, head.start())
        others = set(_CHANGED_FILE.findall(text, head.start(), following))
        if not _MAIL.match(text, end):
            if others & changed:
                break
            has_prose = True
        changed |= others
        end = following
    has_prose = has_prose or bool(text[end:].strip() and not _SIGNATURE.match(text, end))
    body = text[start:end]
    return Extracted(
        body if body.endswith("\n") else body + "\n", "diff", ("prose_around",) if has_prose else ()
    )


def _with_other_files(body: str, text: str) -> str:
    """A diff in a block, and those of the blocks after it that change other files."""
    blocks = iter(fences(text) or tagged_blocks(text))
    changed = set(_CHANGED_FILE.findall(body))
    next((block for block in blocks if block.body == body), None)
    for block in blocks:
        others = set(_CHANGED_FILE.findall(block.body))
        if not _DIFF_HEAD.search(block.body) or others & changed:
            break
        body = (body if body.endswith("\n") else body + "\n") + block.body
        changed |= others
    return body


def _end_of_diff(text: str, start: int) -> int:
    """Walk header and hunk lines; the counts in each hunk's header say where it ends."""
    position = start
    old = 0
    new = 0
    while position < len(text):
        stop = text.find("\n", position)
        stop = len(text) if stop < 0 else stop + 1
        line = text[position:stop]
        if old > 0 or new > 0:
            old -= line[0] in " -\n"
            new -= line[0] in " +\n"
        elif hunk := _HUNK.match(line):
            old, new = (int(count[:9]) if count is not None else 1 for count in hunk.groups())
        elif not line.startswith(_DIFF_META) and (line.strip() or not _more_diff(text, stop)):
            break
        position = stop
    return position


def _more_diff(text: str, position: int) -> bool:
    return text.startswith(("diff -", "--- ", "@@ -"), position)


_SIGN = re.compile(r"^[ \t]*\$[ \t]+", re.MULTILINE)


def _shell(text: str) -> Extracted:
    chosen = _choose(text, "shell")
    value = chosen[0].body.strip("\n") if chosen else text.strip()
    names = chosen[1] if chosen else ()
    if not chosen and _LEADS_TO_CODE.match(text) and (blocks := indented_blocks(text)):
        value = blocks[0].body
        names = _of_indentation(blocks)
    if not chosen and len(value) > 2 and value[0] == value[-1] == "`" and "`" not in value[1:-1]:
        value = value[1:-1].strip()
        names = ("inline_code",)
    if _SIGN.match(value):
        value = _SIGN.sub("", value)
        names = (*names, "prompt_sign")
    return Extracted(value, "shell", names)


_MARKER = re.compile(
    r"(?:####|(?:the )?(?:final )?answer(?: is)?[ ]*:|resposta(?: final)?[ ]*:)[ \t]*(\S[^\n]*)",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\{([^{}]{1,1000})\}")


def _answer(text: str) -> Extracted:
    """The final answer: after the last marker (``Answer:``, ``####``, ``\\boxed{}``), else the
    whole text."""
    boxed = _BOXED.findall(text)
    if boxed:
        return Extracted(boxed[-1].strip(), "answer", ("marker",))
    marked = _MARKER.findall(text)
    if marked:
        return Extracted(marked[-1].strip().strip("*").strip(), "answer", ("marker",))
    return Extracted(text.strip(), "answer")


_READERS: dict[str, Callable[[str], Extracted]] = {
    "diff": _diff,
    "shell": _shell,
    "sql": lambda text: _block_or_text(text, "sql"),
    "yaml": lambda text: _block_or_text(text, "yaml"),
    "answer": _answer,
    "text": lambda text: Extracted(text.strip(), "text"),
}
