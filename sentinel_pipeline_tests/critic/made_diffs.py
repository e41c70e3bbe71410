"""Diffs over small trees, made from a seed by git, GNU diff and difflib, then damaged in ways of
their own; and what the installed ``git apply`` makes of one.

What it does not do: judge.
"""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from sentinel_pipeline.critic.diffs import parse_diff

Tree = dict[str, str]

NAMES = (
    "a.py",
    "b.txt",
    "src/a.py",
    "src/lib/c.py",
    "my file.py",
    "docs/with space/read me.md",
    "café.txt",
    'quo"te.txt',
    "tab\there.txt",
    "src/наука.py",
    "a/m.py",
    "b/m.py",
    "x-y_z.1",
    "back\\slash.txt",
)
PLAIN_NAMES = ("a.py", "b.txt", "src/a.py", "src/lib/c.py", "x-y_z.1")
WORDS = (
    "x = 1",
    "y = 2",
    "return x",
    "",
    "    pass",
    "-- old",
    "++ new",
    "@@ -1 +1 @@ no",
    "é",
    "\tq",
    "a b",
    " lead",
    "tail ",
    "def f():",
    "\x0c",
    "z\u2028z",
    "\\ back",
    "}",
    "{",
    "--- a/x",
    "+++ b/x",
    "diff --git a/x b/x",
)


class MadeDiff(NamedTuple):
    kind: str
    files: Tree
    diff: str


def made_diff(number: int, folder: Path) -> MadeDiff:
    """The case with this number: always the same. ``folder`` is emptied and used."""
    rng = Random(f"diff|{number}")
    kinds = tuple(_KINDS)
    kind = kinds[number % len(kinds)]
    return _KINDS[kind](kind, rng, folder)


def git_applied(case: MadeDiff, folder: Path) -> Tree | str:
    """The tree after ``git apply``, or ``git apply -p0`` where that finds no file (the other way
    round where ``diff --git`` gives a name twice); what git said where both refuse. A diff without
    any line of context is applied with ``--unidiff-zero``."""
    text = case.diff if case.diff.endswith("\n") else case.diff + "\n"
    problem = ""
    patches = parse_diff(case.diff)
    hunks = [hunk for patch in patches for hunk in patch.hunks] if isinstance(patches, list) else []
    zero = [] if any(hunk.context for hunk in hunks) else ["--unidiff-zero"]
    strips: list[list[str]] = [[], ["-p0"]]
    if re.search(r"(?m)^diff --git (.+) \1$", case.diff):
        strips.reverse()
    for strip in strips:
        _write(case.files, folder)
        command = ["git", "apply", *strip, *zero, "-"]
        done = subprocess.run(
            command, cwd=folder, input=text.encode("utf-8"), capture_output=True, check=False
        )
        if done.returncode == 0:
            return {
                path.relative_to(folder).as_posix(): path.read_bytes().decode("utf-8")
                for path in folder.rglob("*")
                if path.is_file() and not path.is_symlink()
            }
        problem = problem or done.stderr.decode("utf-8", "replace")
        if not any(text in problem for text in _UNNAMED):
            break
    return problem


_UNNAMED = (
    "No such file",
    "lacks filename",
    "unable to find filename",
    "renamed/deleted",
    "Not a directory",
)
_STRICTER = ("binary_patch", "file_mode")


def outcome(ours: Tree | str, git: Tree | str) -> str:
    """How two outcomes compare: ``same files``, ``both refuse``; ``refused on purpose`` what git
    applies and our rules name as refused, ``git crashed``, or ``other``, which should not be."""
    if isinstance(ours, str) and isinstance(git, str):
        return "both refuse"
    if ours == git:
        return "same files"
    if isinstance(ours, str) and (ours.startswith(_STRICTER) or "outside every hunk" in ours):
        return "refused on purpose"
    if isinstance(git, str) and "Assertion" in git:
        return "git crashed"
    return "other"


# -- trees ----------------------------------------------------------------------------------------


def _write(files: Tree, folder: Path, modes: dict[str, int] | None = None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
        path.chmod((modes or {}).get(name, 0o644))


def _text(rng: Random, lines: int | None = None) -> str:
    count = rng.choice((1, 2, 3, 5, 9, 14, 25)) if lines is None else lines
    text = "".join(rng.choice(WORDS) + "\n" for _ in range(count))
    return text[:-1] if text[:-1] and rng.random() < 0.2 else text


def _edited(rng: Random, text: str) -> str:
    """One to three lines changed, added or taken away; never the same text."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        what = rng.choice(("change", "add", "delete"))
        if what == "change":
            lines[at] = rng.choice(WORDS) + str(rng.randint(0, 99))
        elif what == "add":
            lines.insert(at, rng.choice(WORDS))
        elif len(lines) > 1:
            del lines[at]
    edited = "\n".join(lines)
    if rng.random() < 0.15:
        edited = edited.removesuffix("\n") if edited.endswith("\n") else edited + "\n"
    return edited if edited not in (text, "") else text + "more\n"


def _tree(rng: Random, names: tuple[str, ...] = NAMES) -> Tree:
    return {name: _text(rng) for name in rng.sample(names, rng.randint(1, 3))}


def _edited_tree(rng: Random, files: Tree) -> Tree:
    edited = dict(files)
    for name in rng.sample(sorted(files), rng.randint(1, len(files))):
        edited[name] = _edited(rng, files[name])
    return edited


# -- makers ---------------------------------------------------------------------------------------

_MOVED = re.compile(r'^((?:rename|copy) (?:from|to) "?)(?:old|new)/', re.MULTILINE)


def _git_diff(
    before: Tree, after: Tree, folder: Path, *options: str, modes: dict[str, int] | None = None
) -> str:
    """What ``git diff`` writes, with the prefixes ``old/`` and ``new/``."""
    _write(before, folder / "old")
    _write(after, folder / "new", modes)
    command = ["git", "diff", "--no-index", "--no-prefix", *options, "old", "new"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    shutil.rmtree(folder)
    assert done.returncode in (0, 1), done.stderr
    diff = _MOVED.sub(r"\1", done.stdout.decode("utf-8"))
    # Of a file on one side only, --no-index gives that side's name twice.
    return re.sub(r'(?m)^(diff --git "?)(?:old|new)(/.*"? "?)(?:old|new)/', r"\1old\2new/", diff)


def _gnu_diff(before: Tree, after: Tree, folder: Path, *options: str) -> str:
    _write(before, folder / "old")
    _write(after, folder / "new")
    command = ["diff", "-ru", *options, "old", "new"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    shutil.rmtree(folder)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.decode("utf-8")


def _modified(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    context = {"modified": "-U3", "one line of context": "-U1", "no context": "-U0"}[kind]
    diff = _git_diff(files, _edited_tree(rng, files), folder, context)
    return MadeDiff(kind, files, diff)


def _created(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    name = rng.choice([name for name in NAMES if name not in files])
    after = _edited_tree(rng, files) if rng.random() < 0.5 else files
    text = "" if kind == "empty file created" else _text(rng)
    return MadeDiff(kind, files, _git_diff(files, {**after, name: text}, folder))


def _deleted(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    name = rng.choice(sorted(files))
    if kind == "empty file deleted":
        files[name] = ""
    after = {path: text for path, text in files.items() if path != name}
    return MadeDiff(kind, files, _git_diff(files, after, folder))


def _emptied(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    name = rng.choice(sorted(files))
    text = files[name]
    after: Tree = {**files, name: ""}
    if rng.random() < 0.5:
        files[name] = ""
        after[name] = text
    maker = _gnu_diff if rng.random() < 0.5 else _git_diff
    return MadeDiff(kind, files, maker(files, after, folder))


def _moved(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    name = rng.choice(sorted(files))
    files[name] = _text(rng, 25)
    target = rng.choice([name for name in NAMES if name not in files])
    after = dict(files)
    text = after[name] if kind.startswith("copied") else after.pop(name)
    after[target] = _edited(rng, text) if kind.endswith("edited") else text
    options = ("-C", "--find-copies-harder") if kind.startswith("copied") else ("-M",)
    return MadeDiff(kind, files, _git_diff(files, after, folder, *options))


def _swapped(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """Two files that change names: each is renamed to where the other was."""
    first, second = rng.sample(PLAIN_NAMES, 2)
    files = {first: _text(rng), second: _text(rng)}
    diff = "".join(
        f"diff --git a/{source} b/{target}\nsimilarity index 100%\n"
        f"rename from {source}\nrename to {target}\n"
        for source, target in ((first, second), (second, first))
    )
    return MadeDiff(kind, files, diff)


def _mode(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    name = rng.choice(sorted(files))
    after = _edited_tree(rng, files) if kind.endswith("edited") else files
    return MadeDiff(kind, files, _git_diff(files, after, folder, modes={name: 0o755}))


def _no_prefix(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    after = _edited_tree(rng, files)
    if rng.random() < 0.4:
        after[rng.choice(NAMES)] = _text(rng)
    diff = _git_diff(files, after, folder)
    return MadeDiff(
        kind, files, re.sub(r'(?m)^((?:---|\+\+\+) "?|diff --git "?)(old|new)/(.*)$', _bare, diff)
    )


def _bare(match: re.Match[str]) -> str:
    rest = match[3]
    if match[1].startswith("diff"):
        rest = rest.replace(" new/", " ").replace(' "new/', ' "')
    return match[1] + rest


def _crlf(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """Files with CRLF; or an LF file and a diff in CRLF."""
    files = _tree(rng)
    after = _edited_tree(rng, files)
    if kind == "CRLF files":
        files = {name: text.replace("\n", "\r\n") for name, text in files.items()}
        after = {name: text.replace("\n", "\r\n") for name, text in after.items()}
    diff = _git_diff(files, after, folder)
    return MadeDiff(kind, files, diff if kind == "CRLF files" else diff.replace("\n", "\r\n"))


def _stamped(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng, tuple(name for name in NAMES if name not in ('quo"te.txt',)))
    after = _edited_tree(rng, files)
    if rng.random() < 0.5:
        after[rng.choice(NAMES[:4])] = _text(rng)
    if rng.random() < 0.3:
        after.pop(rng.choice(sorted(files)), None)
    return MadeDiff(kind, files, _gnu_diff(files, after, folder, "-N"))


def _difflib(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """As a model writes it: ``---`` and ``+++`` without ``diff --git``, prefixes of all sorts."""
    files = _tree(rng)
    after = _edited_tree(rng, files)
    prefixes = (("a/", "b/"), ("a/", "b/"), ("a/", "b/"), ("", ""), ("", ""), ("./", "./"))
    old, new = rng.choice((*prefixes, ("a/", ""), ("", "b/"), ("/", "/")))
    stamp = rng.choice(
        ("", "", "2024-01-01", "2024-01-01 10:00:00", "2024-01-01 10:00:00.5 +0200", "(revision 3)")
    )
    pieces: list[str] = []
    for name in files:
        lines_before, lines_after = (
            [line + "\n" for line in tree[name].removesuffix("\n").split("\n")]
            for tree in (files, after)
        )
        other = name if rng.random() < 0.9 else name + rng.choice((".orig", "~", "2"))
        source = name
        target = other
        if rng.random() < 0.5:
            source, target = target, source
        pieces += difflib.unified_diff(
            lines_before, lines_after, old + source, new + target, stamp, stamp
        )
    return MadeDiff(kind, files, "".join(pieces))


def _binary(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng, PLAIN_NAMES)
    after = _edited_tree(rng, files)
    name = rng.choice(sorted(files))
    after[name] = after[name] + "\0binary\n"
    options = ("--binary",) if kind == "binary patch" else ()
    return MadeDiff(kind, files, _git_diff(files, after, folder, *options))


def _link(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng, PLAIN_NAMES)
    mode, line = rng.choice((("120000", "target"), ("160000", f"Subproject commit {'a' * 40}")))
    diff = (
        f"diff --git a/link b/link\nnew file mode {mode}\n--- /dev/null\n+++ b/link\n"
        f"@@ -0,0 +1 @@\n+{line}\n\\ No newline at end of file\n"
    )
    return MadeDiff(kind, files, diff)


def _offset(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """The file has got other lines at its start, its end or both since."""
    files = {name: _text(rng, 30) for name in rng.sample(PLAIN_NAMES, 2)}
    diff = _git_diff(files, _edited_tree(rng, files), folder)
    for name in files:
        if rng.random() < 0.7:
            files[name] = _text(rng).removesuffix("\n") + "\n" + files[name]
        if rng.random() < 0.4:
            files[name] += ("" if files[name].endswith("\n") else "\n") + _text(rng)
    return MadeDiff(kind, files, diff)


def _repeated(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """Files of the same few lines over and over: a hunk fits at many places."""
    block = _text(rng, rng.randint(1, 4)).removesuffix("\n") + "\n"
    files = {"a.py": block * rng.randint(3, 9)}
    after = {"a.py": _edited(rng, files["a.py"])}
    diff = _git_diff(files, after, folder, rng.choice(("-U1", "-U2", "-U3")))
    shift = rng.randint(-4, 6)
    diff = re.sub(
        r"(?m)^@@ -(\d+)(.*) \+(\d+)",
        lambda match: (
            f"@@ -{max(int(match[1]) + shift, 0)}{match[2]} +{max(int(match[3]) + shift, 0)}"
        ),
        diff,
    )
    return MadeDiff(kind, files, diff)


def _fuzz(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """A line of the file is another since: perhaps one of the context."""
    files = _tree(rng, PLAIN_NAMES)
    diff = _git_diff(files, _edited_tree(rng, files), folder)
    name = rng.choice(sorted(files))
    lines = files[name].split("\n")
    lines[rng.randrange(len(lines))] += rng.choice((" ", "x", "\t", "\r"))
    files[name] = "\n".join(lines)
    return MadeDiff(kind, files, diff)


def _twice(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """Two diffs of the same file, one after the other; perhaps in the wrong order."""
    files = _tree(rng, PLAIN_NAMES)
    middle = _edited_tree(rng, files)
    last = _edited_tree(rng, middle)
    diffs = [_git_diff(files, middle, folder), _git_diff(middle, last, folder)]
    if rng.random() < 0.3:
        diffs.reverse()
    return MadeDiff(kind, files, "".join(diffs))


def _mail(kind: str, rng: Random, folder: Path) -> MadeDiff:
    files = _tree(rng)
    middle = _edited_tree(rng, files)
    last = _edited_tree(rng, middle)
    mails = [
        f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nFrom: Ann <ann@example.org>\n"
        f"Subject: [PATCH {number}/2] change\n\nSome words:\n- of all\n+ sorts\n---\n"
        f" a.py | 2 +-\n 1 file changed\n\n{diff}-- \n2.39.0\n\n"
        for number, diff in enumerate(
            (_git_diff(files, middle, folder), _git_diff(middle, last, folder)), 1
        )
    ]
    return MadeDiff(kind, files, "".join(mails))


def _folder(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """A file where a folder is, or the other way round; perhaps removed by the same diff."""
    files = {"src/a.py": _text(rng), "b": _text(rng)}
    after = rng.choice(
        (
            {"src": _text(rng), "b": files["b"]},
            {"src/a.py": files["src/a.py"], "b/c.py": _text(rng)},
            {"src/a.py": files["src/a.py"], "b/c.py": files["b"]},
        )
    )
    diff = _git_diff(files, after, folder, "-M")
    if rng.random() < 0.3:
        files["src/other.py"] = "x\n"
    return MadeDiff(kind, files, diff)


def _path(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """Names that lead out of the folder or into ``.git``, double slashes, dots."""
    files = {"a.py": "x\n", "src/a.py": "x\n"}
    name = rng.choice(
        (
            "../a.py",
            "src/../a.py",
            ".git/config",
            "src//a.py",
            "./a.py",
            "src/./a.py",
            "/a.py",
            "src/.GIT/x",
            "a.py/",
        )
    )
    head = f"diff --git a/{name} b/{name}\n" if rng.random() < 0.5 else ""
    if rng.random() < 0.5:
        mode = "new file mode 100644\n" if head else ""
        diff = f"{head}{mode}--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+y\n"
    else:
        diff = f"{head}--- a/{name}\n+++ b/{name}\n@@ -1 +1,2 @@\n x\n+y\n"
    return MadeDiff(kind, files, diff)


def _damaged(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """A line of the diff is gone, doubled, swapped, cut, or another."""
    files = _tree(rng)
    after = _edited_tree(rng, files)
    if rng.random() < 0.3:
        after["new.txt"] = _text(rng)
    if rng.random() < 0.3:
        after["moved.txt"] = after.pop(rng.choice(sorted(after)))
    maker = rng.choice((_git_diff, _git_diff, _gnu_diff))
    lines = maker(files, after, folder).split("\n")[:-1]
    heads = [at for at, line in enumerate(lines) if not line.startswith(("+", "-", " "))]
    for _ in range(rng.randint(1, 2)):
        at = rng.choice(heads) if rng.random() < 0.5 and heads else rng.randrange(len(lines))
        at = min(at, len(lines) - 1)
        what = rng.choice(("drop", "double", "swap", "cut", "other", "number", "mode"))
        if what == "drop" and len(lines) > 1:
            del lines[at]
        elif what == "double":
            lines.insert(at, lines[at])
        elif what == "swap":
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif what == "cut":
            lines[at] = lines[at][: rng.randint(0, len(lines[at]))]
        elif what == "other":
            lines[at] = rng.choice(
                (
                    "",
                    " ",
                    "-",
                    "+",
                    "\\ No newline at end of file",
                    "\\ x",
                    "some prose",
                    "--- a/a.py",
                    "+++ b/a.py",
                    "@@ -1 +1 @@",
                )
            )
        elif what == "number":
            lines[at] = re.sub(
                r"\d+",
                lambda match: str(int(match[0]) + rng.randint(-1, 1)).replace("-", ""),
                lines[at],
                count=1,
            )
        else:
            lines.insert(
                at,
                rng.choice(
                    (
                        "old mode 100644",
                        "new mode 100755",
                        "new mode 12",
                        "new file mode 100644",
                        "deleted file mode 100644",
                        "index 1..2 100755",
                        "rename from a.py",
                        "rename to q.py",
                        "old mode x",
                    )
                ),
            )
    return MadeDiff(kind, files, "\n".join(lines) + rng.choice(("\n", "\n", "", "\n\n")))


def _hunks(kind: str, rng: Random, folder: Path) -> MadeDiff:
    """Hunks in another order, doubled, or without one of them."""
    files = {"a.py": "".join(f"{rng.choice(WORDS)} {at}\n" for at in range(60))}
    lines = files["a.py"].split("\n")
    for at in (5, 25, 45):
        lines[at] += "!"
    head, *hunks = re.split(
        r"(?m)^(?=@@ -)", _git_diff(files, {"a.py": "\n".join(lines)}, folder, "-U2")
    )
    rng.shuffle(hunks)
    hunks = hunks[: rng.randint(1, 3)]
    if rng.random() < 0.3:
        hunks.append(hunks[0])
    return MadeDiff(kind, files, head + "".join(hunks))


_KINDS: dict[str, Callable[[str, Random, Path], MadeDiff]] = {
    "modified": _modified,
    "one line of context": _modified,
    "no context": _modified,
    "file created": _created,
    "empty file created": _created,
    "file deleted": _deleted,
    "empty file deleted": _deleted,
    "emptied or filled": _emptied,
    "renamed": _moved,
    "renamed and edited": _moved,
    "copied": _moved,
    "copied and edited": _moved,
    "names swapped": _swapped,
    "mode changed": _mode,
    "mode changed and edited": _mode,
    "no prefix": _no_prefix,
    "CRLF files": _crlf,
    "CRLF diff": _crlf,
    "diff -ruN with times": _stamped,
    "bare headers": _difflib,
    "binary patch": _binary,
    "binary files differ": _binary,
    "link or submodule": _link,
    "offset": _offset,
    "repeated lines": _repeated,
    "file changed since": _fuzz,
    "two diffs of a file": _twice,
    "mails": _mail,
    "file and folder": _folder,
    "odd paths": _path,
    "damaged": _damaged,
    "damaged again": _damaged,
    "damaged once more": _damaged,
    "hunks shuffled": _hunks,
}
KINDS = tuple(_KINDS)
