"""Pretraining text of the embedded model: the standard library's source and the task families' raw
material.

Only ``.py`` files of the running interpreter's standard library are read, in an order that depends
on names and seed alone; never ``site-packages``, where benchmark answers may lie, and never a
prompt or a reference of a task.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ...errors import Infrastructure

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST = 20_000
"""Characters taken of one source file: no module dominates."""
KNOWN_WORDS = 4_000
"""Latest words of the material from which drills are drawn."""
_WORD = re.compile(r"[A-Za-z]{2,}|[0-9]+")
_SEPARATORS = (" ", "\n", "\n ", ", ", "=", "/")
_LEFT_OUT = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}
)


def library_sources(seed: int) -> Iterator[str]:
    """Heads of the standard library's modules, in a seeded order.

    Raises:
        Infrastructure: this interpreter has no readable sources (a zipped or frozen library).
    """
    root = Path(sysconfig.get_path("stdlib"))
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if not _LEFT_OUT & set(path.relative_to(root).parts)
    )
    if not names:
        raise Infrastructure(
            f"{root} holds no source files: the embedded model needs the standard library's source."
        )
    Random(f"library|{seed}").shuffle(names)
    for name in names:
        try:
            text = (root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if text.strip():
            yield text[:LONGEST]


def raw_material(seed: int) -> Iterator[str]:
    """Documents of the families' raw material, without end."""
    from ...tasks.families.raw_material import raw_documents

    return raw_documents(seed, 1 << 40)


def rehearsed(texts: Iterable[str], seed: int) -> Iterator[str]:
    """Groups of one to three texts, each group written twice; and, as often, a list of their words
    drawn at random, twice.

    Looking back and copying is what takes a small model longest to learn. A second writing can be
    copied token by token, and in a list of random words there is nothing else to go by.
    """
    random = Random(f"rehearsal|{seed}")
    words: list[str] = []
    stream = iter(texts)
    while group := list(islice(stream, random.randint(1, 3))):
        words = [*words[-KNOWN_WORDS:], *_WORD.findall(" ".join(group))]
        yield "".join(group) * 2
        yield _drill(words, random)


def _drill(words: list[str], random: Random) -> str:
    """A list of random words, written twice: mostly alike, else with another separator the second
    time."""
    drawn = random.choices(words, k=random.randint(4, 16))
    first = random.choice(_SEPARATORS)
    second = first if random.random() < 0.6 else random.choice(_SEPARATORS)
    return f"{first.join(drawn)}\n{second.join(drawn)}\n"


def blocks(
    texts: Iterable[str], tokenizer: Tokenizer, end: int, length: int, count: int
) -> list[list[int]]:
    """``count`` blocks of ``length`` tokens, texts one after the other with ``end`` between; fewer
    when the texts run out."""
    token_blocks: list[list[int]] = []
    rest: list[int] = []
    stream = iter(texts)
    while len(token_blocks) < count and (chunk := list(islice(stream, 64))):
        for encoded in tokenizer.encode_batch(chunk, add_special_tokens=False):
            rest += [*encoded.ids, end]
        whole = len(rest) // length
        token_blocks += [rest[index * length : (index + 1) * length] for index in range(whole)]
        rest = rest[whole * length :]
    return token_blocks[:count]
