"""Unified diffs by git's rules: read a diff, apply it to texts in memory, compare the files.

The rules are those of ``git apply``: names from the ``diff --git``, ``rename``, ``copy``, ``---``
and ``+++`` lines (quoted names and time stamps included), created, deleted and empty files, mode
changes, text around the files passed over, a hunk found at another line than its header says but
with every line of its context (an offset, no fuzz), all files or none. Where names lead to no file
without their first folder, or a ``diff --git`` line gives the same name twice, they are taken whole
as with ``-p0`` (a diff made with ``--no-prefix``); a diff in which no hunk has a line of context
(``-U0``) is applied as with ``--unidiff-zero``.

Two things are other than in git: a missing last line end is added, and a line of change right
after the lines that a hunk's header counts is refused, since that header is wrong. What this module
does not do: apply binary patches, make symbolic links or submodules, keep a file's mode, or touch
a file. ``benchmarks/diffs.py`` compares it with the git that is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

MAX_DIFF_CHARS = 1_000_000
MAX_COMPARED_LINES = 5_000_000
"""Lines that the search for one diff's hunks may compare: who writes a diff must not choose how
long that takes."""


class Hunk(NamedTuple):
    """``old`` and ``new`` are whole lines with their line ends."""

    old_start: int
    """The first old line by the header, from 1; 0 where it says that there is none."""
    new_start: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    context: int
    """Unchanged lines."""
    trailing: int
    """Unchanged lines after the last change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePatch:
    """What a diff says of one file."""

    source: str | None
    """None where the file is created."""
    target: str | None
    """None where it is deleted."""
    is_new: bool | None
    """None where the header leaves it open."""
    is_deleted: bool | None
    is_renamed: bool = False
    is_copied: bool = False
    old_mode: int = 0
    """0 where no line of the header gives it."""
    new_mode: int = 0
    hunks: tuple[Hunk, ...] = ()


class _Refused(Exception):
    """Why a diff is refused, as ``CODE: detail``."""


def parse_diff(text: str) -> list[FilePatch] | str:
    """The files of a unified diff, or ``CODE: detail``. At least one file that changes something;
    every hunk's counts must hold."""
    first, second = _strips(text)
    try:
        return _Reader(text, first).files()
    except _Refused as refused:
        reason = str(refused)
    if not reason.startswith(_NO_NAME):
        return reason
    try:
        return _Reader(text, second).files()
    except _Refused:
        return reason


def apply_diff(text: str, files: dict[str, str]) -> dict[str, str] | str:
    """The files after the diff, or ``CODE: detail`` where git refuses it."""
    first, second = _strips(text)
    try:
        return _Tree(files).after(_Reader(text, first).files())
    except _Refused as refused:
        reason = str(refused)
    if not reason.startswith((_NO_NAME, _NO_FILE)):
        return reason
    try:
        return _Tree(files).after(_Reader(text, second).files())
    except _Refused as refused:
        # Where only the other names lead to a file, what went wrong there says more.
        return reason if str(refused).startswith((_NO_NAME, _NO_FILE)) else str(refused)


def _strips(text: str) -> tuple[int | None, int | None]:
    """How many folders to take off names, at first and where that names no file; None is git's own
    rule. ``git diff`` writes ``a/`` and ``b/``: the same name twice says ``--no-prefix``."""
    if text.startswith(_GIT) or f"\n{_GIT}" in text[:MAX_DIFF_CHARS]:
        for line in text[:MAX_DIFF_CHARS].split("\n"):
            if line.startswith(_GIT) and _twice_named(line[len(_GIT) :], 0) is not None:
                return 0, None
    return None, 0


def files_difference(got: dict[str, str], expected: dict[str, str]) -> str | None:
    """Which file differs from what was expected, as ``files_differ: …``."""
    for path in sorted(got.keys() | expected.keys()):
        if path not in got:
            return f"files_differ: {_shown(path)} is missing"
        if path not in expected:
            return f"files_differ: {_shown(path)} is not expected"
        if got[path] != expected[path]:
            return f"files_differ: {_shown(path)} differs"
    return None


def _shown(text: str) -> str:
    """One printable line: what is quoted comes from hostile text."""
    return "".join(char if char.isprintable() else "?" for char in text[:80])


# -- reading --------------------------------------------------------------------------------------

_GIT = "diff --git "
_RANGE = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.ASCII)
_MODE = re.compile(r"[ \t]*([0-7]{1,9})[ \t\r\n]")
_INDEX = re.compile(r"[^.\n]{0,64}\.\.[^ \n]{0,64} (.*\n)")
_SIGNATURE = "-- \n"
"""The line that ends a diff in a mail."""
_NO_NAME = "bad_diff: no file name"
_NO_FILE = "unknown_file"


class _Reader:
    """The lines of a diff, and how many folders are taken off a name."""

    def __init__(self, text: str, strip: int | None) -> None:
        """``strip`` None is git's own rule: one folder, but none where the first ``+++`` line
        without a ``diff --git`` line names no folder."""
        if len(text) > MAX_DIFF_CHARS:
            raise _Refused(f"too_large: {len(text)} characters")
        if "\0" in text:
            raise _Refused("bad_diff: a NUL character")
        self.lines = [line + "\n" for line in text.split("\n")]
        if self.lines[-1] == "\n":
            self.lines.pop()
        self.strip = 1 if strip is None else strip
        self.strip_is_certain = strip is not None

    def files(self) -> list[FilePatch]:
        patches: list[FilePatch] = []
        at = 0
        while (header := self.next_header(at)) is not None:
            patch, at = header
            hunks: list[Hunk] = []
            while self.line(at).startswith("@@ -"):
                hunk, at = self.hunk(at)
                hunks.append(hunk)
            if hunks and self.is_uncounted(at):
                raise _Refused(f"bad_diff: line {at + 1} stands outside every hunk")
            if not hunks:
                self.refuse_binary(at, patch)
                if not _changes_metadata(patch):
                    raise _Refused(f"bad_diff: a file without hunks before line {at + 1}")
            patches.append(_with_hunks(patch, hunks, at))
        if not patches:
            for at, line in enumerate(self.lines):
                if line.startswith("--- ") and self.line(at + 1).startswith("+++ "):
                    raise _Refused(f"bad_diff: no hunk after the file header at line {at + 1}")
            raise _Refused("no_diff: no file header")
        return patches

    def line(self, at: int) -> str:
        """The line, or an empty text after the last."""
        return self.lines[at] if at < len(self.lines) else ""

    def next_header(self, at: int) -> tuple[FilePatch, int] | None:
        """The next file and the line after its header; None where no file is left."""
        for index in range(at, len(self.lines)):
            line = self.lines[index]
            if line.startswith("@@ -"):
                if _RANGE.match(line):
                    raise _Refused(f"bad_diff: the hunk at line {index + 1} has no file header")
            elif line.startswith(_GIT):
                patch, end = self.git_header(index)
                if end > index + 1:
                    return patch, end
            elif self.is_traditional(index):
                return self.traditional_header(index), index + 2
        return None

    def is_traditional(self, at: int) -> bool:
        return (
            self.line(at).startswith("--- ")
            and self.line(at + 1).startswith("+++ ")
            and self.line(at + 2).startswith("@@ -")
        )

    def is_uncounted(self, at: int) -> bool:
        """Whether a line of change or context follows a hunk whose header does not count it."""
        line = self.line(at)
        if line[:1] not in ("+", "-", " ") or not line.strip() or line == _SIGNATURE:
            return False
        return not self.is_traditional(at)

    def refuse_binary(self, at: int, patch: FilePatch) -> None:
        line = self.line(at)
        if line == "GIT binary patch\n" or (
            line.startswith(("Binary files ", "Files ")) and line.endswith(" differ\n")
        ):
            name = _shown(patch.target or patch.source or "")
            raise _Refused(f"binary_patch: {name} is changed as a binary file, not as a text")

    def traditional_header(self, at: int) -> FilePatch:
        """The two lines that ``diff -u`` writes. Where the names differ the second counts, or the
        first where the second is the first with something after it (``f.orig``)."""
        first = self.lines[at][4:]
        second = self.lines[at + 1][4:]
        if not self.strip_is_certain and not _is_dev_null(second):
            whole = _traditional_name(second, None, 0)
            if whole is not None and "/" not in whole:
                self.strip = 0
                self.strip_is_certain = True
        is_new: bool | None = None
        is_deleted: bool | None = None
        if _is_dev_null(first):
            is_new = True
            name = _traditional_name(second, None, self.strip)
        elif _is_dev_null(second):
            is_deleted = True
            name = _traditional_name(first, None, self.strip)
        else:
            name = _traditional_name(first, None, self.strip)
            name = _traditional_name(second, name, self.strip)
            if _is_epoch(first):
                is_new = True
            elif _is_epoch(second):
                is_deleted = True
        if not name:
            raise _Refused(f"{_NO_NAME} at line {at + 1}")
        return FilePatch(
            source=None if is_new else name,
            target=None if is_deleted else name,
            is_new=False if is_deleted else is_new,
            is_deleted=False if is_new else is_deleted,
        )

    def git_header(self, at: int) -> tuple[FilePatch, int]:
        """What ``git diff`` writes of a file, up to its first hunk, and the line after it."""
        both = _twice_named(self.lines[at][len(_GIT) :], self.strip)
        source: str | None = None
        target: str | None = None
        flags = dict.fromkeys(("is_new", "is_deleted", "is_renamed", "is_copied"), False)
        modes = {"old_mode": 0, "new_mode": 0}
        moved = max(self.strip - 1, 0)
        end = at + 1
        while end < len(self.lines):
            line = self.lines[end]
            key = next((key for key in _HEADER_LINES if line.startswith(key)), None)
            if key is None:
                break
            value = line[len(key) :]
            if key == "--- ":
                source = self.checked_name(value, source, flags["is_new"], end)
            elif key == "+++ ":
                target = self.checked_name(value, target, flags["is_deleted"], end)
            elif key == "old mode ":
                modes["old_mode"] = _mode(value, end)
            elif key == "new mode ":
                modes["new_mode"] = _mode(value, end)
            elif key == "deleted file mode ":
                flags["is_deleted"] = True
                source = both
                modes["old_mode"] = _mode(value, end)
            elif key == "new file mode ":
                flags["is_new"] = True
                target = both
                modes["new_mode"] = _mode(value, end)
            elif key == "index ":
                if mode := _INDEX.match(value):
                    modes["old_mode"] = _mode(mode[1], end)
            elif key in ("copy from ", "rename from ", "rename old "):
                flags["is_copied" if key[0] == "c" else "is_renamed"] = True
                source = _name(value, None, moved, ends="\n\r")
            elif key in ("copy to ", "rename to ", "rename new "):
                flags["is_copied" if key[0] == "c" else "is_renamed"] = True
                target = _name(value, None, moved, ends="\n\r")
            if sum(flags.values()) > 1:
                raise _Refused(f"bad_diff: line {end + 1} contradicts a line before it")
            end += 1
        if source is None and target is None:
            source = target = both
        if (target is None and not flags["is_deleted"]) or (source is None and not flags["is_new"]):
            raise _Refused(f"{_NO_NAME} at line {at + 1}")
        if flags["is_new"]:
            source = None
        if flags["is_deleted"]:
            target = None
        patch = FilePatch(
            source=source,
            target=target,
            is_new=flags["is_new"],
            is_deleted=flags["is_deleted"],
            is_renamed=flags["is_renamed"],
            is_copied=flags["is_copied"],
            old_mode=modes["old_mode"],
            new_mode=modes["new_mode"],
        )
        return patch, end

    def checked_name(self, line: str, before: str | None, is_null: bool, at: int) -> str | None:
        """The name of a ``---`` or ``+++`` line, which must be what the lines before it said."""
        if before is None and not is_null:
            return _name(line, None, self.strip)
        if before is None:
            agrees = _is_dev_null(line)
        else:
            agrees = not is_null and _name(line, None, self.strip) == before
        if not agrees:
            raise _Refused(f"bad_diff: line {at + 1} contradicts a line before it")
        return before

    def hunk(self, at: int) -> tuple[Hunk, int]:
        """A hunk and the line after it."""
        head = _RANGE.match(self.lines[at])
        if head is None:
            raise _Refused(f"bad_diff: line {at + 1} is not a hunk header")
        # A number of twenty digits would be a count that no text can hold.
        old_start, old_count, new_start, new_count = (
            1 if number is None else int(number[:18]) for number in head.groups()
        )
        old: list[str] = []
        new: list[str] = []
        context = 0
        trailing = 0
        changes = 0
        first = at + 1
        at = first
        while old_count > 0 or new_count > 0:
            line = self.line(at)
            sign = line[:1]
            if sign == " " or line == "\n":
                text = line[1:] or "\n"
                old.append(text)
                new.append(text)
                old_count -= 1
                new_count -= 1
                context += 1
                trailing += 1
            elif sign == "-":
                old.append(line[1:])
                old_count -= 1
                changes += 1
                trailing = 0
            elif sign == "+":
                new.append(line[1:])
                new_count -= 1
                changes += 1
                trailing = 0
            elif _is_end_mark(line):
                self.cut_line_end(at, at == first, old, new)
            else:
                raise _Refused(f"bad_diff: the hunk ends at line {at + 1}, shorter than it says")
            at += 1
        if old_count < 0 or new_count < 0:
            raise _Refused(f"bad_diff: the hunk before line {at + 1} is longer than it says")
        if not changes:
            raise _Refused(f"bad_diff: the hunk before line {at + 1} changes nothing")
        rest = sum(map(len, self.lines[at : at + _END_MARK + 1]))
        if self.line(at).startswith("\\ ") and rest > _END_MARK:
            self.cut_line_end(at, False, old, new)
            at += 1
        return Hunk(old_start, new_start, tuple(old), tuple(new), context, trailing), at

    def cut_line_end(self, at: int, is_first: bool, old: list[str], new: list[str]) -> None:
        """``\\ No newline at end of file``: the line before it has no line end."""
        sign = self.lines[at - 1][0]
        if is_first or sign == "\\":
            return
        for lines, signs in ((old, "- \n"), (new, "+ \n")):
            if sign in signs:
                last = lines.pop().removesuffix("\n")
                if sign != "\n":  # an empty line without its end is no line
                    lines.append(last)


_HEADER_LINES = (
    "--- ",
    "+++ ",
    "old mode ",
    "new mode ",
    "deleted file mode ",
    "new file mode ",
    "copy from ",
    "copy to ",
    "rename old ",
    "rename new ",
    "rename from ",
    "rename to ",
    "similarity index ",
    "dissimilarity index ",
    "index ",
)


_END_MARK = 12
"""Bytes that ``\\ No newline at end of file`` has at least: it is translated, so that only this and
its first two characters are certain."""


def _is_end_mark(line: str) -> bool:
    return line.startswith("\\ ") and len(line.encode("utf-8", "surrogatepass")) >= _END_MARK


def _mode(value: str, at: int) -> int:
    match = _MODE.match(value)
    if match is None:
        raise _Refused(f"bad_diff: the mode at line {at + 1} is not an octal number")
    return int(match[1], 8)


def _changes_metadata(patch: FilePatch) -> bool:
    return bool(
        patch.is_renamed
        or patch.is_copied
        or patch.is_new
        or patch.is_deleted
        or (patch.old_mode and patch.new_mode and patch.old_mode != patch.new_mode)
    )


def _with_hunks(patch: FilePatch, hunks: list[Hunk], at: int) -> FilePatch:
    """A file with old lines is not new, one with new lines is not deleted; nor is one with
    several hunks."""
    has_old = any(hunk.old for hunk in hunks)
    has_new = any(hunk.new for hunk in hunks)
    if patch.is_new and has_old:
        raise _Refused(f"bad_diff: the new file before line {at + 1} has old lines")
    if patch.is_deleted and has_new:
        raise _Refused(f"bad_diff: the deleted file before line {at + 1} has new lines")
    is_new = patch.is_new
    is_deleted = patch.is_deleted
    if is_new is None and (has_old or len(hunks) > 1):
        is_new = False
    if is_deleted is None and (has_new or len(hunks) > 1):
        is_deleted = False
    return replace(patch, is_new=is_new, is_deleted=is_deleted, hunks=tuple(hunks))


# -- names ----------------------------------------------------------------------------------------

_SLASHES = re.compile("/{2,}")
_STAMP = re.compile(
    r"(?:\t| +)(?:\d\d)?\d\d-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d+)?)?(?: [-+]\d\d:?\d\d)?$",
    re.ASCII,
)
"""The time after a name, as ``diff -u`` writes it."""
_LONGEST_STAMP = 200
_LONGEST_NAMES = 10_000
"""Characters of a ``diff --git`` line: a path has at most 4,096 bytes."""
_EPOCH = re.compile(
    r"(?P<day>1969-12-31|1970-01-01) (?P<hour>[0-2]\d):(?P<minute>[0-5]\d):00(?:\.0+)? "
    r"(?P<sign>[-+])(?P<off_hour>[0-2]\d):?(?P<off_minute>[0-5]\d)\n",
    re.ASCII,
)


def _is_dev_null(line: str) -> bool:
    return line.startswith("/dev/null") and line[9:10] in (" ", "\t", "\n", "\r")


def _is_epoch(line: str) -> bool:
    """Whether the time stamp is the first second of 1970: so ``diff -u -N`` names a file that is
    not there."""
    match = _EPOCH.match(line.rpartition("\t")[2]) if "\t" in line else None
    if match is None:
        return False
    minutes = int(match["hour"]) * 60 + int(match["minute"])
    offset = int(match["off_hour"]) * 60 + int(match["off_minute"])
    minutes -= -offset if match["sign"] == "-" else offset
    return minutes == (24 * 60 if match["day"] == "1969-12-31" else 0)


def _traditional_name(line: str, other: str | None, strip: int) -> str | None:
    """The name of a ``---`` or ``+++`` line without ``diff --git`` line before it."""
    if line.startswith('"') and (name := _quoted_name(line, strip)):
        return name
    tail = max(len(line) - _LONGEST_STAMP, 0)
    stamp = _STAMP.search(line.removesuffix("\n"), tail)
    if stamp is None:
        return _name(line, other, strip)
    return _name(line[: stamp.start()] + "\n", other, strip, ends="\n")


def _name(line: str, other: str | None, strip: int, ends: str = "\n\r\t") -> str | None:
    """A name up to the first of ``ends``, ``strip`` folders taken off; ``other`` where that leaves
    nothing, or where the name is ``other`` with something after it."""
    if line.startswith('"') and (name := _quoted_name(line, strip)):
        return name
    stop = min(at for end in ends if (at := line.find(end)) >= 0)
    parts = line[:stop].split("/", strip)
    if len(parts) <= strip or not parts[-1]:
        return other
    name = parts[-1]
    if other is not None and len(other) < len(name) and name.startswith(other):
        name = other
    return _SLASHES.sub("/", name)


_ESCAPE = re.compile(rb"\\([abtnvfr\"\\]|[0-3][0-7]{2})")
_ESCAPED = {
    b"a": b"\a",
    b"b": b"\b",
    b"t": b"\t",
    b"n": b"\n",
    b"v": b"\v",
    b"f": b"\f",
    b"r": b"\r",
    b'"': b'"',
    b"\\": b"\\",
}
_QUOTED = re.compile(r'"((?:[^"\\]|\\(?:[abtnvfr"\\]|[0-3][0-7]{2}))*)"')


def _unquoted(line: str) -> tuple[str, int] | None:
    """A name in C's quotes (``"caf\\303\\251"``) and where it ends; None where it is not one."""
    match = _QUOTED.match(line)
    if match is None:
        return None
    raw = match[1].encode("utf-8", "surrogatepass")
    name = _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1]) or bytes([int(escape[1], 8)]), raw)
    return name.decode("utf-8", "surrogateescape"), match.end()


def _quoted_name(line: str, strip: int) -> str | None:
    unquoted = _unquoted(line)
    if unquoted is None:
        return None
    parts = unquoted[0].split("/", strip)
    return _SLASHES.sub("/", parts[-1]) if len(parts) > strip else None


def _without_folders(name: str, strip: int) -> str | None:
    """Unlike ``_name``: a name that begins with a slash is none."""
    parts = name.split("/", strip)
    return parts[-1] if len(parts) > strip and not name.startswith("/") else None


def _twice_named(line: str, strip: int) -> str | None:
    """The name that a ``diff --git`` line gives to both sides; None where they differ: then other
    lines name them."""
    if len(line) > _LONGEST_NAMES:
        return None
    line = line.removesuffix("\n")
    if line.startswith('"'):
        first = _unquoted(line)
        if first is None:
            return None
        rest = line[first[1] :].lstrip(" \t\r")
        before = _without_folders(first[0], strip)
        if rest.startswith('"'):
            second = _unquoted(rest)
            rest = second[0] if second else ""
        return before if before is not None and _without_folders(rest, strip) == before else None
    name = _without_folders(line, strip)
    if name is None:
        return None
    quote = name.find('"')
    if quote >= 0:
        second = _unquoted(name[quote:])
        after = _without_folders(second[0], strip) if second else None
        if after is None or len(after) >= quote or not name.startswith(after):
            return None
        return after if name[len(after)] in " \t\r" else None
    for at, char in enumerate(name):
        if char in " \t" and _without_folders(name[at + 1 :], strip) == name[:at]:
            return name[:at]
    return None


# -- applying -------------------------------------------------------------------------------------

_REGULAR = 0o100000
"""The kind of file in a mode: an ordinary file."""
_KIND_OF_FILE = 0o170000


class _Tree:
    """Files before and after a diff. Renames and copies read the files as they were before it."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.compared = 0
        """Lines compared so far."""
        self.results: dict[str, str | None] = {}
        """Path -> the text that the patches so far give it; None where they took it away."""
        self.leaving: set[str] = set()
        """Paths that some patch of the diff deletes or renames."""

    def after(self, patches: list[FilePatch]) -> dict[str, str]:
        self.leaving = {
            patch.source
            for patch in patches
            if patch.source is not None and (patch.target is None or patch.is_renamed)
        }
        hunks = [
            hunk
            for patch in patches
            if not patch.is_new and not patch.is_deleted
            for hunk in patch.hunks
        ]
        is_exact = bool(hunks) and not any(hunk.context for hunk in hunks)
        removed: list[str] = []
        written: list[tuple[str, str]] = []
        for patch in patches:
            before = self.before(patch)
            source = patch.source if before is not None else None
            target = patch.target
            is_created = source is None or patch.is_renamed or patch.is_copied
            if target is not None and is_created and self.is_taken(target):
                raise _Refused(f"file_exists: {_shown(target)}")
            _check_modes(patch, source)
            for path in (None if patch.is_copied else source, target):
                if path is not None and not _is_inside(path):
                    raise _Refused(f"bad_path: {_shown(path)} is not a path inside the folder")
            text = self.patched(before or "", patch.hunks, is_exact)
            if target is None and text:
                name = _shown(source or "")
                raise _Refused(f"hunk_mismatch: {name} is deleted but lines are left")
            if target is not None:
                self.results[target] = text
                written.append((target, text))
            if source is not None and (target is None or patch.is_renamed):
                self.results[source] = None
            if source is not None and not patch.is_copied:
                removed.append(source)
        return _written(self.files, removed, written)

    def before(self, patch: FilePatch) -> str | None:
        """The text that a patch starts from; None where it creates the file."""
        source = patch.source
        if source is None:
            return None
        if source in self.results and not patch.is_renamed and not patch.is_copied:
            result = self.results[source]
            if result is None:
                raise _Refused(f"{_NO_FILE}: {_shown(source)} was renamed or deleted before")
            return result
        if source in self.files:
            return self.files[source]
        if patch.is_new is None:
            return None
        raise _Refused(f"{_NO_FILE}: {_shown(source)}")

    def is_taken(self, target: str) -> bool:
        """Whether a new file would overwrite one that does not go away in the same diff."""
        if target not in self.files:
            return False
        if target in self.results:
            return self.results[target] is not None
        return target not in self.leaving

    def patched(self, text: str, hunks: tuple[Hunk, ...], is_exact: bool) -> str:
        if not hunks:
            return text
        lines = _lines(text)
        is_patched = [False] * len(lines)
        for number, hunk in enumerate(hunks, 1):
            at = self.place(lines, is_patched, hunk, is_exact)
            if at is None:
                line = max(hunk.old_start, 1)
                raise _Refused(f"hunk_mismatch: hunk {number} does not match at line {line}")
            stop = at + len(hunk.old)
            lines[at:stop] = hunk.new
            is_patched[at:stop] = [True] * len(hunk.new)
        return "".join(lines)

    def place(
        self, lines: list[str], is_patched: list[bool], hunk: Hunk, is_exact: bool
    ) -> int | None:
        """The line nearest to the one in the header at which all old lines stand, the later of two
        as near, and not over the lines of another hunk. A hunk that starts at line 1 is bound to
        the start, and one without context after its last change to the end."""
        old = list(hunk.old)
        size = len(old)
        last = len(lines) - size
        from_start = hunk.old_start == 0 or (hunk.old_start == 1 and not is_exact)
        to_end = not hunk.trailing and not is_exact
        near = min(max(hunk.new_start - 1, 0), len(lines))
        places: Iterable[int]
        if last < 0 or (from_start and to_end and last > 0):
            return None
        if from_start:
            places = (0,)
        elif to_end:
            places = (last,)
        else:
            places = _outwards(near, last)
        # A line without its end can stand before the rest of a longer line.
        is_open = any(not line.endswith("\n") for line in old)
        for at in places:
            self.compared += 1
            if size and lines[at] == old[0]:
                self.compared += size
            elif size and not is_open:
                continue
            if self.compared > MAX_COMPARED_LINES:
                raise _Refused("too_large: the place of a hunk takes too long to find")
            stop = at + size
            if any(is_patched[at:stop]):
                continue
            if lines[at:stop] == old or (is_open and _stands_open(lines, at, old, to_end)):
                return at
        return None


def _outwards(near: int, last: int) -> Iterable[int]:
    """Lines up to ``last`` by their distance from ``near``."""
    for distance in range(max(near, last - near) + 1):
        if near + distance <= last:
            yield near + distance
        if distance and 0 <= near - distance <= last:
            yield near - distance


_SPACE = str.maketrans("", "", " \t\r\n")


def _stands_open(lines: list[str], at: int, old: list[str], to_end: bool) -> bool:
    """git compares lines without their white space, and then the whole text from there on."""
    stop = at + len(old)
    if any(a.translate(_SPACE) != b.translate(_SPACE) for a, b in zip(lines[at:stop], old)):
        return False
    text = "".join(lines[at:])
    return text == "".join(old) if to_end else text.startswith("".join(old))


def _lines(text: str) -> list[str]:
    """Lines with their ends, of which there is one kind."""
    parts = text.split("\n")
    last = parts.pop()
    lines = [part + "\n" for part in parts]
    return [*lines, last] if last else lines


def _check_modes(patch: FilePatch, source: str | None) -> None:
    """Files are texts here: no links, no submodules, no folders."""
    old_kind = patch.old_mode & _KIND_OF_FILE
    new_kind = patch.new_mode & _KIND_OF_FILE
    if source is not None and patch.old_mode and old_kind != _REGULAR:
        raise _Refused(f"file_mode: {_shown(source)} has not the mode {patch.old_mode:o}")
    if patch.target is None or not patch.new_mode or new_kind == _REGULAR:
        return
    if source is not None or new_kind:
        name = _shown(patch.target)
        raise _Refused(f"file_mode: {name} cannot have the mode {patch.new_mode:o}")


def _is_inside(path: str) -> bool:
    """git writes neither outside of its folder nor into ``.git``."""
    return not any(part in ("", ".", "..") or part.lower() == ".git" for part in path.split("/"))


def _written(
    files: dict[str, str], removed: list[str], written: list[tuple[str, str]]
) -> dict[str, str]:
    """All files that go are removed, then all that come are written."""
    after = dict(files)
    for path in removed:
        after.pop(path, None)
    for path, text in written:
        if path not in after:
            folders = path.split("/")[:-1]
            is_under_file = any(
                "/".join(folders[: depth + 1]) in after for depth in range(len(folders))
            )
            if is_under_file or any(other.startswith(path + "/") for other in after):
                raise _Refused(f"file_exists: {_shown(path)} is both a file and a folder")
        after[path] = text
    return after
