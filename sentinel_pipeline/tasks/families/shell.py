"""One-line shell commands over a small file tree: what to read, what to do with it, where it goes;
or two file operations.

The expected output and tree are computed here in Python over the tree, never by a shell. The tree
is not in the prompt, so an answer cannot print it by heart. Sorting is by code point (the C
locale): the words are lower-case ASCII.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from ...records import ShellEffect
from .family import Draft, Family, ask
from .words import NAMES, pick

Lines = list[str]


class Part(NamedTuple):
    """How a step reads, is written after a pipe or a file, and works; ``{w}`` is a word and ``{k}``
    a count from 2 to 4."""

    words: str
    code: str
    apply: Callable[[Lines, str, int], Lines]


SOURCES: dict[str, Part] = {
    "all": Part("all lines of {f}", "cat {f}", lambda v, w, k: v),
    "with": Part(
        "the lines with {w} in {f}", "grep {w} {f}", lambda v, w, k: [x for x in v if w in x]
    ),
    "without": Part(
        "the lines without {w} in {f}",
        "grep -v {w} {f}",
        lambda v, w, k: [x for x in v if w not in x],
    ),
    "head": Part("the first {k} lines of {f}", "head -n {k} {f}", lambda v, w, k: v[:k]),
    "tail": Part("the last {k} lines of {f}", "tail -n {k} {f}", lambda v, w, k: v[-k:]),
    "column": Part(
        "column {k} of {f}", "cut -d, -f{k} {f}", lambda v, w, k: [x.split(",")[k - 1] for x in v]
    ),
}
TRANSFORMS: dict[str, Part] = {
    "same": Part("", "", lambda v, w, k: v),
    "sort": Part("sorted", "sort", lambda v, w, k: sorted(v)),
    "reverse": Part("in reverse order", "sort -r", lambda v, w, k: sorted(v, reverse=True)),
    "unique": Part("sorted without repeats", "sort -u", lambda v, w, k: sorted(set(v))),
    "count": Part("counted", "wc -l", lambda v, w, k: [str(len(v))]),
}
SINKS = {"print": "", "save": " > out.txt", "append": " >> out.txt"}
OPENINGS = {
    "print": "Print {what}.",
    "save": "Save to out.txt {what}.",
    "append": "Append to out.txt {what}.",
}
DEEDS = {
    "copy": ("copy {a} to {b}", "cp {a} {b}"),
    "move": ("move {a} to {b}", "mv {a} {b}"),
    "remove": ("remove {a}", "rm {a}"),
    "create": ("create {b}", "touch {b}"),
}
INTO = {
    "into": ("make folder {d} and move {a} into it", "mkdir {d} && mv {a} {d}/"),
    "copy_into": ("make folder {d} and copy {a} into it", "mkdir {d} && cp {a} {d}/"),
}
CUE = "Shell: "


def tree(rng: Random, paths: list[str], word: str) -> dict[str, str]:
    """Files of six to nine lines, three comma-separated words each; some lines repeat, some hold
    ``word``, some do not."""
    files = {}
    for path in paths:
        pool = [",".join(pick(rng, NAMES, 3)) for _ in range(5)]
        pool = [line for line in pool if word not in line] or ["solid,plain,empty"]
        marked = [
            f"{word},{first},{two}" for first, two in (pick(rng, NAMES, 2), pick(rng, NAMES, 2))
        ]
        lines = [*pool, *marked, rng.choice(pool), rng.choice(marked)]
        rng.shuffle(lines)
        files[path] = "".join(line + "\n" for line in lines)
    return files


def _tells(composition: str, whole: Lines, selected: Lines, result: Lines) -> bool:
    """Whether leaving out a step would show in the output: a tree that is sorted already tests no
    sorting."""
    source, transform, _ = composition.split("|")
    return (source == "all" or selected != whole) and (transform == "same" or result != selected)


def pipeline(composition: str, rng: Random) -> Draft:
    source, transform, sink = composition.split("|")
    word, stem, other = pick(rng, NAMES, 3)
    path = f"{stem}.{'csv' if source == 'column' else 'txt'}"
    out = "out.txt"
    k = rng.randint(2, 3) if source == "column" else rng.randint(2, 5)
    paths = [path, f"{other}.txt"] + ([out] if sink == "append" else [])
    for _ in range(20):
        files = tree(rng, paths, word)
        whole = files[path].splitlines()
        selected = SOURCES[source].apply(whole, word, k)
        result = TRANSFORMS[transform].apply(selected, word, k)
        if _tells(composition, whole, selected, result):
            break
    text = "".join(line + "\n" for line in result)
    what = SOURCES[source].words.format(w=word, k=k, f=path)
    what += f", {TRANSFORMS[transform].words}" if transform != "same" else ""
    prompt = OPENINGS[sink].format(what=what)
    verifier = ShellEffect(
        files=files,
        stdout=text if sink == "print" else "",
        expected_files=None if sink == "print" else files | {out: files.get(out, "") + text},
    )
    command = SOURCES[source].code.format(w=word, k=k, f=path)
    command += f" | {TRANSFORMS[transform].code}" if transform != "same" else ""
    return Draft(ask(CUE + prompt), command + SINKS[sink], verifier)


def perform(deed: str, files: dict[str, str], a: str, b: str, d: str) -> dict[str, str]:
    """The tree after one deed; empty folders are not part of a tree."""
    after = dict(files)
    text = after.pop(a) if deed in {"move", "remove", "into"} else files.get(a, "")
    if deed == "create":
        after[b] = ""
    elif deed in {"copy", "move"}:
        after[b] = text
    elif deed in {"into", "copy_into"}:
        after[f"{d}/{a}"] = text
    return after


def operations(composition: str, rng: Random) -> Draft:
    deeds = composition.split("+")
    stems = pick(rng, NAMES, 3 * len(deeds) + 2)
    word = stems.pop()
    keep = f"{stems.pop()}.txt"
    places = [(f"{a}.txt", f"{b}.txt", d) for a, b, d in zip(stems[::3], stems[1::3], stems[2::3])]
    needed = [place[0] for deed, place in zip(deeds, places) if deed != "create"]
    files = after = tree(rng, [keep, *needed], word)
    phrases = []
    code = []
    for deed, (a, b, d) in zip(deeds, places):
        after = perform(deed, after, a, b, d)
        words, command = (DEEDS | INTO)[deed]
        phrases.append(words.format(a=a, b=b, d=d))
        code.append(command.format(a=a, b=b, d=d))
    prompt = f"{CUE}{', then '.join(phrases)}."
    verifier = ShellEffect(files=files, stdout="", expected_files=after)
    return Draft(ask(prompt), " && ".join(code), verifier)


def generate(composition: str, rng: Random) -> Draft:
    return pipeline(composition, rng) if "|" in composition else operations(composition, rng)


def raw(composition: str, rng: Random) -> str:
    """A script of the command alone, or a file of the tree: never words that ask for a command."""
    draft = generate(composition, rng)
    assert isinstance(draft.verifier, ShellEffect)
    if rng.random() < 0.25:
        return next(iter(draft.verifier.files.values()))
    return f"#!/bin/sh\n{draft.reference}\n"


FAMILY = Family(
    "shell",
    "devops",
    (
        *(f"{s}|{t}|{k}" for s in SOURCES for t in TRANSFORMS for k in SINKS),
        *(DEEDS | INTO),
        *(f"{a}+{b}" for a in DEEDS | INTO for b in DEEDS if a != b),
    ),
    generate,
    raw,
)
