"""Does the text parse? Real parsers, never execution: Python by ``compile``, TypeScript and
JavaScript by Node, JSON, YAML, shell, SQL and unified diffs.

Each check takes hostile text: size is bounded, and what a parser answers to deep nesting
(RecursionError, MemoryError) is a verdict about the text, not a crash. What this module does not
do: say whether code is right, resolve names, expand YAML aliases, know SQL tables, or check
TypeScript's types (``check`` answers None for a language without a parser here).
"""

from __future__ import annotations

import ast
import logging
import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

from ..sandbox import typescript as scripts
from ..store.catalog import sql_problem
from .diffs import parse_diff
from .json_reader import read_json

MAX_CHARS = 1_000_000
_LIMITS = {"sql": 100_000, "shell": 100_000}
"""Parsers written in Python: without a bound their time would be the candidate's to choose."""
MAX_YAML_DEPTH = 100


class Check(NamedTuple):
    """``ok`` with a stable reason: ``ok``, or ``CODE: detail``."""

    ok: bool
    reason: str


OK = Check(True, "ok")


def check(text: str, language: str) -> Check | None:
    """Parse ``text`` as ``language``; None where this module has no parser for it.

    Raises:
        Infrastructure: the text is TypeScript or JavaScript, and the package that parses it is
            missing.
    """
    parser = _PARSERS.get(language)
    if parser is None:
        return None
    limit = _LIMITS.get(language, MAX_CHARS)
    if len(text) > limit:
        return Check(False, f"too_large: {len(text)} characters, at most {limit} are parsed")
    if not text.strip():
        return Check(False, "empty")
    if "\0" in text:
        return Check(False, f"nul_byte: at character {text.index(chr(0))}")
    return parser(text)


def python(text: str) -> Check:
    """Compile without running: also finds ``return`` outside a function, doubled arguments and the
    like."""
    return _guarded(lambda: compile(text, "<candidate>", "exec", dont_inherit=True))


def python_tree(text: str) -> ast.Module | None:
    """The syntax tree, or None where the text does not parse or is too large or too deep."""
    trees: list[ast.Module] = []
    if len(text) <= MAX_CHARS and "\0" not in text:
        _guarded(lambda: trees.append(ast.parse(text)))
    return trees[0] if trees else None


def _guarded(work: Callable[[], object]) -> Check:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work()
    except SyntaxError as error:
        return Check(False, f"syntax_error: line {error.lineno}: {error.msg}"[:200])
    except (RecursionError, MemoryError):
        return Check(False, "too_deep")
    except (ValueError, OverflowError) as error:
        return Check(False, f"syntax_error: {type(error).__name__}")
    return OK


def json(text: str) -> Check:
    parsed = read_json(text)
    return OK if parsed.error is None else Check(False, parsed.error)


def yaml(text: str) -> Check:
    """By libyaml's events, which neither build objects nor expand aliases. A bare scalar is prose,
    not YAML."""
    from yaml import CSafeLoader, YAMLError, parse
    from yaml.events import CollectionEndEvent, CollectionStartEvent, ScalarEvent

    depth = 0
    collections = 0
    try:
        for event in parse(text, Loader=CSafeLoader):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            collections += isinstance(event, CollectionStartEvent)
            if depth > MAX_YAML_DEPTH:
                return Check(False, "too_deep")
            if depth == 0 and isinstance(event, ScalarEvent):
                return Check(False, "not_yaml: a bare scalar")
    except (YAMLError, ValueError, RecursionError) as error:
        return Check(
            False, f"syntax_error: {getattr(error, 'problem', None) or type(error).__name__}"[:200]
        )
    return OK if collections else Check(False, "empty")


def shell(text: str) -> Check:
    from .shell import parse_shell

    problem = parse_shell(text)
    return OK if problem is None else Check(False, f"syntax_error: {problem}"[:200])


_SQL_DIALECTS = ("mysql", "postgres", "tsql", "oracle")
_SQL_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_SQL_LOOSE_COMMA = re.compile(r",\s*(?:from|where|\)\s*from)\b", re.IGNORECASE)


def sql(text: str) -> Check:
    """By DuckDB's parser; what it refuses may still be another database's SQL, by sqlglot's parsers
    of four dialects.

    A comma before FROM, which DuckDB passes over and no other database does, is an error.
    """
    bare = _SQL_QUOTED.sub("''", text)
    if not bare.strip(" \t\r\n;'"):
        return Check(False, "empty")
    if _SQL_LOOSE_COMMA.search(bare):
        return Check(False, "syntax_error: a comma before FROM or WHERE")
    problem = sql_problem(text)
    if problem is None or any(_parses_as(text, dialect) for dialect in _SQL_DIALECTS):
        return OK
    return Check(
        False, "too_deep" if "depth limit" in problem else f"syntax_error: {problem}"[:200]
    )


def _parses_as(text: str, dialect: str) -> bool:
    """sqlglot reads prose as a lone name or as an unparsed command: those count as nothing."""
    import sqlglot
    from sqlglot import expressions as sql_trees
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    if len(text) > _OTHER_SQL:
        return False
    try:
        statements = [each for each in sqlglot.parse(text, read=dialect) if each is not None]
    except (SqlglotError, RecursionError, ValueError):
        return False
    languages = (
        sql_trees.Query,
        sql_trees.DML,
        sql_trees.DDL,
        sql_trees.Drop,
        sql_trees.Alter,
        sql_trees.Grant,
    )
    return bool(statements) and all(isinstance(each, languages) for each in statements)


_OTHER_SQL = 20_000
"""Characters: sqlglot is written in Python, and its time would be the candidate's to choose."""


def diff(text: str) -> Check:
    parsed = parse_diff(text)
    return OK if not isinstance(parsed, str) else Check(False, parsed)


def typescript(text: str) -> Check:
    """A program, or a module: what TypeScript adds must parse, what it leaves must be JavaScript.
    Types are not checked."""
    return _script(text, "typescript")


def javascript(text: str) -> Check:
    return _script(text, "javascript")


def _script(text: str, language: str) -> Check:
    problem = scripts.parse(text, language).problem
    return OK if problem is None else Check(False, problem[:200])


_PARSERS: dict[str, Callable[[str], Check]] = {
    "python": python,
    "typescript": typescript,
    "javascript": javascript,
    "json": json,
    "yaml": yaml,
    "shell": shell,
    "sql": sql,
    "diff": diff,
}
