"""Edits of a small settings file, answered by a one-hunk unified diff.

A composition is a kind of edit, a file format and which line is touched. Every file is two lines
long, so that the hunk always holds the whole file as context. The diffs are written by hand here,
not by difflib.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from ...records import PatchApplies
from .family import Draft, Family, ask
from .words import NAMES, pick

FORMATS = {
    "ini": "{key} = {value}",
    "yaml": "{key}: {value}",
    "conf": "{key} {value}",
    "tcl": "set {key} {value}",
    "lua": "local {key} = {value}",
    "js": "let {key} = {value}",
}
"""Every format writes a value after a space, in the file, the request and the diff alike."""
KEYS = ("host", "port", "user", "path", "mode", "level")
"""In the order in which every file lists them."""
ORDERS = {
    "set": "Set {key} to {value}.",
    "rename": "Rename {key} to {new}.",
    "delete": "Delete {key}.",
    "after": "After {key} add {new} with {value}.",
    "before": "Before {key} add {new} with {value}.",
}
LINES = 2


class Edit(NamedTuple):
    """The lines of a file, and the lines that replace ``lines[at]``."""

    path: str
    order: str
    lines: list[str]
    at: int
    new: list[str]

    def before(self) -> str:
        return "".join(line + "\n" for line in self.lines)

    def after(self) -> str:
        lines = [*self.lines[: self.at], *self.new, *self.lines[self.at + 1 :]]
        return "".join(line + "\n" for line in lines)

    def diff(self) -> str:
        old = self.lines[self.at]
        body = [f" {line}" for line in self.lines[: self.at]]
        if old in self.new:
            body += [f" {line}" if line == old else f"+{line}" for line in self.new]
        else:
            body += [f"-{old}", *(f"+{line}" for line in self.new)]
        body += [f" {line}" for line in self.lines[self.at + 1 :]]
        count = len(self.lines)
        head = f"--- a/{self.path}\n+++ b/{self.path}\n@@ -1,{count} +1,{count - 1 + len(self.new)} @@\n"
        return head + "\n".join(body)


def draw(composition: str, rng: Random) -> Edit:
    kind, suffix, at = composition.split("|")
    form = FORMATS[suffix]
    index = int(at)
    keys = sorted(rng.sample(KEYS, LINES), key=KEYS.index)
    new = rng.choice([key for key in KEYS if key not in keys])
    fresh, *values = pick(rng, NAMES, LINES + 1)
    lines = [form.format(key=key, value=value) for key, value in zip(keys, values)]
    added = form.format(key=new, value=fresh)
    changed = {
        "set": [form.format(key=keys[index], value=fresh)],
        "rename": [form.format(key=new, value=values[index])],
        "delete": [],
        "after": [lines[index], added],
        "before": [added, lines[index]],
    }[kind]
    order = ORDERS[kind].format(key=keys[index], new=new, value=fresh)
    return Edit(f"app.{suffix}", order, lines, index, changed)


def generate(composition: str, rng: Random) -> Draft:
    edit = draw(composition, rng)
    prompt = f"{edit.path}:\n{edit.before()}As a diff: {edit.order}"
    verifier = PatchApplies(files={edit.path: edit.before()}, expected={edit.path: edit.after()})
    return Draft(ask(prompt), edit.diff(), verifier)


def raw(composition: str, rng: Random) -> str:
    """A settings file as it stands, or a diff on its own: never the file and its diff together."""
    edit = draw(composition, rng)
    return edit.before() if rng.random() < 0.5 else edit.diff() + "\n"


FAMILY = Family(
    "edits",
    "code_editing",
    tuple(f"{k}|{f}|{at}" for k in ORDERS for f in FORMATS for at in range(LINES)),
    generate,
    raw,
)
