"""Does the program define what was asked for, under that name and with that signature, and does it
do anything? Python is read from its syntax tree, TypeScript from its text without comments and
strings, any other language from its lines.

What this module does not do: call anything, compare types and defaults, or find out what a request
asks for (``request`` does).
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ..records import Label, PythonTests
from .request import asks, parameters_of
from .syntax import python_tree

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Wanted(NamedTuple):
    """``parameters`` are the names that the prompt's signature shows; None where it shows none."""

    name: str
    parameters: tuple[str, ...] | None = None
    in_class: bool = False
    """A method of that name will do: nobody calls it by the bare name."""
    skeleton: bool = False
    """An empty body is what was asked for."""


def wanted_entry(verifier: PythonTests, prompt: str) -> Wanted | None:
    """What tests ask for: the verifier's name, else the one that its tests call, else the
    prompt's."""
    prompt = f"{verifier.prefix}\n{prompt}" if verifier.prefix else prompt
    name = verifier.entry_point or called_name(verifier.tests, verifier.setup)
    request = asks(prompt)
    if name is None and request.names:
        name = request.names[0]
    return Wanted(name, parameters_of(prompt, name), skeleton=request.skeleton) if name else None


@lru_cache(maxsize=4096)
def called_name(tests: str, setup: str = "") -> str | None:
    """The one name that every assert calls and that neither Python nor the setup defines; None
    where it is not one."""
    tree = python_tree(tests)
    before = python_tree(setup)
    if tree is None or any(isinstance(node, ast.FunctionDef) for node in tree.body):
        return None
    defined = set(dir(builtins)) | set(_bound(before.body if before else []))
    common: set[str] | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            called = {
                n.func.id
                for n in ast.walk(node)
                if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
            } - defined
            common = called if common is None else common & called
    return next(iter(common)) if common is not None and len(common) == 1 else None


# -- Python ----------------------------------------------------------------------------------------


def entrypoint_match(code: str, expected: Wanted) -> Label:
    """True, or False with ``missing_entry_point``, ``signature`` or ``stub_body``."""
    tree = python_tree(code)
    if tree is None:
        return Label(None, "not_applicable: the code does not parse")
    definitions = [node for node in _definitions(tree.body) if node.name == expected.name]
    is_method = False
    if not definitions and expected.in_class:
        definitions = list(_methods(tree.body, expected.name))
        is_method = bool(definitions)
    if not definitions:
        if expected.name in set(_bound(tree.body)):
            return Label(True, "ok")
        others = sorted({node.name for node in _definitions(tree.body)})
        instead = f", but {', '.join(others[:3])}" if others else ""
        return Label(False, f"missing_entry_point: {expected.name} is not defined{instead}"[:200])
    node = definitions[-1]
    lines = code.split("\n")
    if not expected.skeleton and _is_stub(node, lines):
        return Label(False, f"stub_body: {expected.name} does nothing")
    if isinstance(node, ast.ClassDef) or expected.parameters is None or is_method:
        return Label(True, "ok")
    positional = len(expected.parameters)
    names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
    least = len(names) - len(node.args.defaults)
    required = [
        arg for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults) if default is None
    ]
    if least <= positional and (positional <= len(names) or node.args.vararg) and not required:
        same = tuple(names[:positional]) == expected.parameters
        return Label(
            True, "ok" if same or node.args.vararg else "ok: parameters are named otherwise"
        )
    return Label(
        False,
        f"signature: {expected.name} takes {least} to {len(names)} parameters, {positional} were asked",
    )


def _definitions(
    body: list[ast.stmt],
) -> Iterator[_Function | ast.ClassDef]:
    """Functions and classes at module level, also under ``if`` and ``try``."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _definitions([*node.body, *getattr(node, "orelse", [])])


def _methods(body: list[ast.stmt], name: str) -> Iterator[_Function | ast.ClassDef]:
    """The definitions of ``name`` or ``Class.name`` inside of classes, however deep."""
    owner, _, method = name.rpartition(".")
    for node in _definitions(body):
        if isinstance(node, ast.ClassDef):
            if not owner or owner in (node.name, "self"):
                yield from (inner for inner in _definitions(node.body) if inner.name == method)
            yield from _methods(node.body, name)


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Names that module-level statements bind: definitions, assignments and imports."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (
                name.id
                for target in targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name)
            )


_TODO = re.compile(
    r"\b(?:to-?do|fixme|xxx|tbd|your (?:code|implementation|logic|solution)|(?:code|logic|implementation)"
    r" (?:goes )?here"
    r"|implement(?:ation)? (?:me|this|here|the|it|later)|needs? (?:to be )?implement|to be (?:done|implemented|written)"
    r"|fill (?:this )?in|not (?:yet )?implemented|unimplemented|placeholder|add (?:\w+ ){0,3}here|goes here)\b",
    re.IGNORECASE,
)
"""What a comment or a message says where the program should be."""
_COMMENT = re.compile(r"#[^\n]*")


def _is_stub(node: _Function | ast.ClassDef, lines: list[str]) -> bool:
    """A function of which only a docstring, ``pass``, ``...`` or ``raise NotImplementedError`` is
    there, or a value that says nothing beside a note that the rest is to be done. A class that is
    empty, or all of whose methods are so; one that extends another may be empty."""
    if isinstance(node, ast.ClassDef):
        methods = [
            inner for inner in _definitions(node.body) if not isinstance(inner, ast.ClassDef)
        ]
        if methods:
            return all(_is_stub(method, lines) for method in methods) and not any(
                isinstance(each, (ast.Assign, ast.AnnAssign)) for each in node.body
            )
        return not node.bases and not node.decorator_list and all(map(_is_nothing, node.body))
    if all(_is_nothing(each) or _not_implemented(each) for each in node.body):
        return True
    if not all(_is_trivial(each) for each in node.body):
        return False
    # The comments after the last statement are the function's as well.
    end = node.end_lineno or node.lineno
    while end < len(lines) and lines[end].lstrip().startswith("#") and lines[end][:1].isspace():
        end += 1
    text = "\n".join(lines[node.lineno - 1 : end])
    notes = [match[0] for match in _COMMENT.finditer(text)] if "#" in text else []
    notes += [
        part.value
        for each in node.body
        if not isinstance(each, ast.Expr) or not isinstance(each.value, ast.Constant)
        for part in ast.walk(each)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    return any(_TODO.search(note) for note in notes)


def _is_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _not_implemented(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(raised, ast.Name) and raised.id in ("NotImplementedError", "NotImplemented")


def _is_trivial(node: ast.stmt) -> bool:
    """A statement that computes nothing: a constant returned, raised, printed or kept."""
    if _is_nothing(node) or isinstance(node, ast.Raise):
        return True
    if isinstance(node, ast.Return):
        return node.value is None or isinstance(node.value, ast.Name) or _is_constant(node.value)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return node.value is None or _is_constant(node.value)
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "print"
        and all(map(_is_constant, node.value.args))
    )


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return _is_constant(node.operand)
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return not node.elts
    if isinstance(node, ast.Dict):
        return not node.keys
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.Name) and node.id == "NotImplemented"
    )


_DOCSTRING = re.compile(r"\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''")
_DOES = re.compile(
    r"^[ \t]*(?:return[ \t]+(?:[A-Za-z_]\w*[ \t]*[^\w\s#]|[A-Za-z_]\w*[ \t]+\w|f[\"'])"
    r"|(?:for|while|if|with|try|yield|await|assert|del)\b"
    r"|[\w.]+[ \t]*(?:[+*/|&-]|:[^=\n]+)?=[ \t]*\w+[ \t]*[(\[.+*/])",
    re.MULTILINE,
)
"""A line of Python that does something for certain."""


def does_nothing(code: str) -> str | None:
    """``stub: …`` for a Python program without any statement that does something: comments,
    imports, empty functions; None for others and for what does not parse."""
    # Nearly every program shows by one line that it does something: parsing is for the others.
    if _DOES.search(_DOCSTRING.sub("", code) if '"""' in code or "'''" in code else code):
        return None
    tree = python_tree(code)
    if tree is None:
        return None
    lines = code.split("\n")
    functions = 0
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not _is_stub(node, lines):
                return None
            functions += 1
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Name):
            continue  # a word of prose
        elif isinstance(node, (ast.Import, ast.ImportFrom)) or _not_implemented(node):
            continue
        elif not _is_nothing(node):
            printed = isinstance(node, ast.Expr) and _is_trivial(node)
            if not printed or not _TODO.search(ast.unparse(node)):
                return None
    if functions:
        return "stub: nothing that is defined does anything"
    return "stub: no statement, only comments or imports"


# -- TypeScript and other languages ----------------------------------------------------------------

_SCRIPT_NOISE = re.compile(
    r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`"
)
_SCRIPT_COMMENT = re.compile(r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)")
_SCRIPT_NOTHING = re.compile(
    r"\s*(?:(?:return(?:\s+(?:null|undefined|void 0|-?\d+|true|false|\[\s*\]|\{\s*\}|\"[^\"]*\"|'[^']*'|`[^`]*`))?"
    r"|(?:console\.\w+|print)\(\s*(?:\"[^\"]*\"|'[^']*'|`[^`]*`)\s*\)"
    r"|throw\s+(?:new\s+)?[\w.]+(?:\(\s*(?:\"[^\"]*\"|'[^']*'|`[^`]*`)?\s*\))?)\s*;?\s*)*"
)
_THROWS = re.compile(
    r"throw\b[^;]*(?:not\s*(?:yet\s*)?implemented|todo|unimplemented)", re.IGNORECASE
)


def script_match(code: str, name: str, *, skeleton: bool = False) -> Label:
    """Whether a TypeScript or JavaScript program defines ``name``: at its top, or as a method;
    ``missing_entry_point`` or ``stub_body``."""
    # Comments and strings give way to blanks, so that every place stays where it was.
    bare = _SCRIPT_NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), code)
    owner, _, last = name.rpartition(".")
    word = rf"{re.escape(last)}(?![\w$])"
    modifiers = r"(?:(?:export|default|declare|async|abstract|public|private|protected|static|readonly|override|get|set)\s+)*"
    found = None
    declared = re.compile(
        rf"(?<![\w$.]){modifiers}(?:function\s*\*?\s*|class\s+|interface\s+|type\s+|enum\s+|namespace\s+|const\s+|let\s+|var\s+){word}"
    )
    for match in declared.finditer(bare):
        depth = bare.count("{", 0, match.start()) - bare.count("}", 0, match.start())
        if depth <= 0 or re.search(r"\b(?:namespace|module)\s+[\w.]+\s*\{", bare[: match.start()]):
            found = match
            break
    if found is None:
        member = re.compile(
            rf"(?:^|[{{}};,])\s*{modifiers}[#*]?\s*{word}\s*[?!]?\s*(?:<[^>\n]{{0,80}}>)?\s*\([^;{{}}]{{0,400}}\)\s*(?::[^;={{}}]{{0,200}})?\{{"
            rf"|(?:^|[{{}};,.])\s*{modifiers}[#]?{word}\s*(?::[^=;\n{{}}]{{0,200}})?[:=]\s*(?:async\s*)?(?:function\b|\(|<|[\w$]+\s*=>|class\b)"
            rf"|\bexport\s*\{{[^}}]*\b{word}|\bimport\b[^;\n]*\b{word}",
            re.MULTILINE,
        )
        found = member.search(bare)
    if found is None or (
        owner and owner != "this" and not re.search(rf"\b{re.escape(owner)}\b", bare)
    ):
        return Label(False, f"missing_entry_point: {name} is not defined"[:200])
    if not skeleton and _script_stub(code, bare, found.start() + found[0].rfind(last)):
        return Label(False, f"stub_body: {name} does nothing")
    return Label(True, "ok")


def _script_stub(code: str, bare: str, at: int) -> bool:
    """Whether the function that is named at ``at`` has an empty body, or a note that it is to be
    written."""
    head = re.compile(
        r"[\w$]+\s*(?::[^=]{0,200}?)?(?:=\s*)?(?:async\s*)?(?:function\s*\*?\s*\w*\s*)?(?:<[^>]{0,80}>\s*)?\("
    ).match(bare, at)
    if head is None:
        return False
    end = _balanced(bare, head.end() - 1, "(", ")")
    after = re.compile(r"\s*(?::\s*(?P<object>\{)?)?").match(bare, end)
    if after is None:
        return False
    if after["object"]:
        end = _balanced(bare, after.start("object"), "{", "}")
    opened = bare.find("{", end)
    between = bare[end:opened] if opened >= 0 else ";"
    if ";" in between or ("=>" in between and between.partition("=>")[2].strip()):
        return False  # an overload, or an expression in the place of a body
    closed = _balanced(bare, opened, "{", "}")
    body = code[opened + 1 : max(closed - 1, opened + 1)]
    without_comments = _SCRIPT_COMMENT.sub(" ", body)
    if not without_comments.strip() or _THROWS.search(without_comments):
        return _SCRIPT_NOTHING.fullmatch(without_comments) is not None
    noted = _TODO.search(body) is not None
    return noted and _SCRIPT_NOTHING.fullmatch(without_comments) is not None


def _balanced(text: str, at: int, opening: str, closing: str) -> int:
    """Behind the sign that closes the one at ``at``; the end where none does."""
    depth = 0
    for match in re.compile(rf"[{re.escape(opening + closing)}]").finditer(text, at):
        depth += 1 if match[0] == opening else -1
        if depth == 0:
            return match.end()
    return len(text)


def script_does_nothing(code: str) -> str | None:
    """``stub: …`` for a script of comments alone, or of one function with an empty body."""
    if not _SCRIPT_COMMENT.sub(" ", code).strip():
        return "stub: no statement, only comments"
    bare = _SCRIPT_NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), code)
    functions = list(
        re.finditer(r"(?:function\s*\*?\s+|(?:const|let|var)\s+)([\w$]+)(?=\s*[(<:=])", bare)
    )
    if (
        len(functions) == 1
        and bare.count("{") == 1
        and _script_stub(code, bare, functions[0].start(1))
    ):
        return "stub: nothing that is defined does anything"
    return None


def defined_in(code: str, name: str) -> Label:
    """Whether code of a language that is not read here defines ``name``, as far as its lines
    show. A line that only calls it does not."""
    word = re.escape(name.rpartition(".")[2])
    pattern = (
        rf"(?<![\w$]){word}(?![\w$])\s*(?:<[^<>\n]{{0,80}}>)?\s*(?:\(|[:=]|\{{|<-)"
        rf"|\b(?:def|fn|func|fun|sub|proc|procedure|function|class|struct|interface|trait|type|enum|record|object|module|macro)\s+(?:\w+\.)?{word}(?![\w$])"
    )
    pattern += (
        rf"|^[ \t]*(?:let[ \t]+(?:rec[ \t]+)?)?{word}(?:[ \t]+[\w()]+)+[ \t]*="
        rf"|\((?:defun|defn|define)[ \t]+\(?{word}(?![\w-])"
    )
    only_called = re.fullmatch(rf"\s*{word}\([^{{}}=]*\)[;.]?\s*", code) is not None
    flags = re.MULTILINE | (re.IGNORECASE if name.islower() else 0)
    if not only_called and re.search(pattern, code, flags):
        return Label(True, "ok")
    return Label(False, f"missing_entry_point: {name} is not defined"[:200])
