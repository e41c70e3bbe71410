"""Versions of what scores: a hash of what its code *does*, so that changed code makes old verdicts
stale by itself.

What counts is found, not listed: the entry points, every top-level definition of the package that
these use by name, and what those use in turn, through imports at the head of a module or late
ones. Comments, docstrings, layout and the types of functions' arguments do not count; JavaScript
and TOML count as they stand, and so does everything that the sandbox's processes are made of. Of
the installed packages ``RULES`` alone counts, by its version: what it finds is a label. What this
module does not do: hash installed packages; manifests record the others."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1]
SCORING = (
    "critic.score:score",
    "critic.score:plan",
    "critic.scorers.*:SCORER",
    "sandbox.judge*",
    "sandbox.guest*",
)
"""Entry points of scoring: ``MODULE:NAME``, or a module of which everything counts. What is
imported by a computed name (the scorers) or started as a process of its own (harness and guests)
has to be an entry point."""
LABELLING = (*SCORING, "critic.labels:label")
RULES = "kingfisher-secret-scanner"
"""The detector whose rules decide ``no_secret``."""
EXAMPLES = "examples"
"""The argument of ``Scorer`` that scores nothing: what only it uses is left out."""
_ALL = "*"
"""In the place of a name: everything in the module."""
_EFFECTS = ""
"""In the place of a name: what runs whenever the module is imported."""


@cache
def scorer_version() -> str:
    """``v-`` and twelve hex digits over what decides whether an answer is right; computed once a
    process."""
    return version_of(SCORING)


@cache
def label_version() -> str:
    """Over what decides a row's seven labels: the scorer, and what looks at syntax, form and
    hygiene."""
    return version_of(LABELLING)


def version_of(entries: Iterable[str], package: Path = PACKAGE) -> str:
    """The version of all that the entry points reach in a package's folder."""
    digest = hashlib.sha256(_rules().encode())
    for path, statements in reached(entries, package).items():
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        for statement in statements:
            digest.update(statement.encode() + b"\0")
    return f"v-{digest.hexdigest()[:12]}"


def _rules() -> str:
    try:
        return f"{RULES} {version(RULES)}"
    except PackageNotFoundError:
        return ""


def reached(entries: Iterable[str], package: Path = PACKAGE) -> dict[Path, list[str]]:
    """File -> what of it counts, files by path: statements in their order in the file, ``NAME from
    SOURCE`` for what an import from outside of the package binds, and the text of the JavaScript
    and TOML that lie beside a module that counts.

    Raises:
        ValueError: an entry point that is not there.
    """
    modules = _Modules(package)
    waiting = [name for entry in entries for name in modules.matching(entry)]
    finished: set[_Name] = set()
    statements: dict[_Module, set[int]] = {}
    foreign: dict[_Module, set[str]] = {}
    while waiting:
        name = waiting.pop()
        if name in finished:
            continue
        finished.add(name)
        module = modules.open(name.module)
        # Importing a module runs its effects, whatever is taken from it.
        if module not in statements:
            statements[module] = set()
            foreign[module] = set()
            waiting.append(_Name(name.module, _EFFECTS))
        for index in module.statements_of(name.name):
            if index not in statements[module]:
                statements[module].add(index)
                waiting += modules.used(module, module.read(index))
        # A name that the module only passes on is followed to where it is made; outside of the
        # package its source's name stands for it.
        for bound in module.imports if name.name == _ALL else (name.name,):
            source = module.imports.get(bound)
            if source is None:
                continue
            target = modules.resolve(source)
            if target is None:
                foreign[module].add(f"{bound} from {'.'.join(source)}")
            else:
                waiting.append(target)
    files = {
        module.path: [*sorted(foreign[module]), *(module.read(at).text for at in sorted(indices))]
        for module, indices in statements.items()
    }
    for folder in {path.parent for path in files}:
        for pattern in ("*.js", "*.toml"):
            files |= {path: [path.read_text(encoding="utf-8")] for path in folder.glob(pattern)}
    return dict(sorted(files.items()))


class _Name(NamedTuple):
    """A top-level name of a module, or ``_ALL`` or ``_EFFECTS``."""

    module: str
    name: str


_Source = tuple[str] | tuple[str, str]
"""What an import binds a name to: a module, or a name in a module."""


class _Statement(NamedTuple):
    """What a statement does, as text, and what it uses: names, names of modules with an attribute,
    and late imports."""

    text: str
    names: frozenset[str]
    attributes: frozenset[tuple[str, str]]
    imports: tuple[ast.Import | ast.ImportFrom, ...]


class _Module:
    """One file's top-level statements, by the names that they bind."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.body = ast.parse(path.read_text(encoding="utf-8")).body
        self.names: dict[str, list[int]] = {}
        self.imports: dict[str, _Source] = {}
        self._read: dict[int, _Statement] = {}
        for index, statement in enumerate(self.body):
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                self.imports |= dict(self.bindings(statement))
            elif not _is_for_readers(statement):
                for bound in self._binds(statement):
                    self.names.setdefault(bound, []).append(index)

    def _binds(self, statement: ast.stmt) -> Iterator[str]:
        """The names that a statement binds. Importing a module runs whatever is no plain
        definition, whoever imports it for what: such a statement is an effect as well. So is a
        definition under a decorator of ours, which may register it."""
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name
            if any(not self._is_foreign(each) for each in statement.decorator_list):
                yield _EFFECTS
            return
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            nodes = [node for target in targets for node in ast.walk(target)]
            yield from (node.id for node in nodes if isinstance(node, ast.Name))
            # `a, b = ...` binds and does nothing else; `a[b] = ...` changes something, so it is an
            # effect too.
            if all(isinstance(node, (ast.Name, ast.Tuple, ast.expr_context)) for node in nodes):
                return
        for node in ast.walk(statement):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imports |= dict(self.bindings(node))
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
        yield _EFFECTS

    def _is_foreign(self, decorator: ast.expr) -> bool:
        while isinstance(decorator, (ast.Call, ast.Attribute)):
            decorator = decorator.func if isinstance(decorator, ast.Call) else decorator.value
        source = self.imports.get(decorator.id) if isinstance(decorator, ast.Name) else None
        return source is not None and source[0].split(".")[0] != self.name.split(".")[0]

    def statements_of(self, name: str) -> list[int]:
        """Places of the statements that bind a name."""
        if name == _ALL:
            return sorted({index for indices in self.names.values() for index in indices})
        return self.names.get(name, [])

    def bindings(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, _Source]]:
        """Each name that an import binds, with its absolute source."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                yield (alias.asname, (alias.name,)) if alias.asname else (root, (root,))
            return
        base: list[str] = []
        if node.level:
            package = self.name.split(".")
            # A package's own file is one step nearer to what it holds than its other files are.
            steps = node.level - (self.path.name == "__init__.py")
            base = package[: len(package) - steps]
        stem = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            yield alias.asname or alias.name, (stem, alias.name)

    def read(self, index: int) -> _Statement:
        if index not in self._read:
            reader = _Reader()
            reader.read(self.body[index], in_function=False)
            self._read[index] = _Statement(
                " ".join(reader.text),
                frozenset(reader.names),
                frozenset(reader.attributes),
                tuple(reader.imports),
            )
        return self._read[index]


class _Modules:
    """The package's modules by dotted name; a file is parsed when something in it counts."""

    def __init__(self, package: Path) -> None:
        self.root = package.name
        self.paths: dict[str, Path] = {}
        for path in package.rglob("*.py"):
            parts = (self.root, *path.relative_to(package).with_suffix("").parts)
            self.paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self._open: dict[str, _Module] = {}

    def open(self, name: str) -> _Module:
        if name not in self._open:
            self._open[name] = _Module(name, self.paths[name])
        return self._open[name]

    def matching(self, entry: str) -> list[_Name]:
        pattern, _, name = entry.partition(":")
        names = [
            _Name(module, name or _ALL)
            for module in self.paths
            if fnmatchcase(module, f"{self.root}.{pattern}")
            and (not name or self.open(module).statements_of(name))
        ]
        if not names:
            raise ValueError(f"unknown entry point {entry!r}")
        return names

    def resolve(self, source: _Source) -> _Name | None:
        """What an import's source is in this package; None outside of it."""
        whole = ".".join(source)
        if whole in self.paths:
            return _Name(whole, _ALL)
        return _Name(*source) if len(source) == 2 and source[0] in self.paths else None

    def used(self, module: _Module, statement: _Statement) -> Iterator[_Name]:
        """The names that a statement uses. A local variable of a name of the module counts as that
        name, which adds to what is reached and never misses."""
        for name in statement.names:
            yield _Name(module.name, name)
        for name, attribute in statement.attributes:
            source = module.imports.get(name)
            if source is not None and ".".join(source) in self.paths:
                yield _Name(".".join(source), attribute)
            else:
                yield _Name(module.name, name)
        for node in statement.imports:
            for _, source in module.bindings(node):
                if (target := self.resolve(source)) is not None:
                    yield target


class _Reader:
    """One pass over a statement's syntax tree: what it does, and what it uses."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.imports: list[ast.Import | ast.ImportFrom] = []

    def read(self, node: ast.AST, *, in_function: bool) -> None:
        kind = type(node)
        self.text.append(kind.__name__)
        if isinstance(node, ast.Name):
            self.names.add(node.id)
            self.text.append(node.id)
            return
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            self.attributes.add((node.value.id, node.attr))
            self.text.append(f"{node.value.id}.{node.attr}")
            return
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports.append(node)
        in_function = in_function or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for field in kind._fields:
            # Types of arguments, results and local variables are never evaluated; those of a
            # class's fields may be, by what reads its instances.
            if field in ("returns", "ctx", "type_comment") or (
                field == "annotation" and (in_function or kind is ast.arg)
            ):
                continue
            value = getattr(node, field, None)
            if field == "keywords" and getattr(getattr(node, "func", None), "id", "") == "Scorer":
                value = [keyword for keyword in value or () if keyword.arg != EXAMPLES]
            if isinstance(value, ast.AST):
                self.read(value, in_function=in_function)
            elif isinstance(value, list):
                self.text.append("[")
                for each in value:
                    if not isinstance(each, ast.AST):
                        self.text.append(repr(each))
                    elif not _is_for_readers(each):
                        self.read(each, in_function=in_function)
                self.text.append("]")
            else:
                self.text.append(repr(value))


def _is_for_readers(node: ast.AST) -> bool:
    """A docstring, the text under a field that documents it, or what is imported for the type
    checker alone."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )
