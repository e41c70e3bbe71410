"""How an answer is checked: a closed union of frozen verifiers, each plain data that travels in a
table.

A verifier says *what* is right; the critic's scorers say *whether* an answer is (one scorer for
critic, benchmark and reward). Verifiers hold gold answers and tests: they never enter the process
that runs a candidate.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, get_args


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTests:
    """Python code checked by running tests against it."""

    kind: ClassVar[str] = "python_tests"
    category: ClassVar[str] = "executable_code"
    """Each verifier's: the category of a task that says none."""
    tests: str
    """Either top-level ``assert`` statements (MBPP's way) or a module that defines
    ``check(candidate)`` (HumanEval's)."""
    entry_point: str | None = None
    """Name of the function that the program must define; ``None`` when the tests alone say."""
    setup: str = ""
    """Code that runs before the tests, MBPP's ``test_setup_code``."""
    prefix: str = ""
    """Code that precedes a completion which only continues it (HumanEval's prompt); empty for whole
    programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioTests:
    """A Python program that reads standard input and writes standard output, run once for each
    case."""

    kind: ClassVar[str] = "stdio_tests"
    category: ClassVar[str] = "executable_code"
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """What each run must print, exactly but for white space at the end of lines and of the whole
    (never by prefix)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTests:
    """TypeScript or JavaScript code checked by running tests in its language against it
    (MultiPL-E's way)."""

    kind: ClassVar[str] = "script_tests"
    category: ClassVar[str] = "executable_code"
    tests: str
    """Code that calls ``entry_point`` and asserts with ``node:assert``'s functions."""
    language: Literal["typescript", "javascript"] = "typescript"
    entry_point: str | None = None
    prefix: str = ""
    """Code that precedes a completion which only continues it; empty for whole programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAnswer:
    """One read-only DuckDB query over prepared tables; its rows are compared."""

    kind: ClassVar[str] = "sql_answer"
    category: ClassVar[str] = "devops"
    setup: str
    """Trusted SQL that makes and fills the tables."""
    query: str
    """The gold query: its rows are the expected ones."""
    ordered: bool = False
    """Whether the order of rows counts; without it rows are compared as a bag."""
    other_setups: tuple[str, ...] = ()
    """Databases of the same tables and other rows, on which the query must be right as well: rows
    learnt by heart, or a constant, are right on one."""
    told_apart: tuple[str, ...] = ()
    """Wrong queries, each of which gives another answer than the gold one on one of the databases:
    the exam asks them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonAnswer:
    """A JSON value, compared by value: key order is free, types are exact (``1`` is not ``1.0`` is
    not ``"1"``)."""

    kind: ClassVar[str] = "json_answer"
    category: ClassVar[str] = "tool_use"
    expected: str
    """The expected value as JSON text."""
    schema: str | None = None
    """A JSON Schema as JSON text that the answer must satisfy as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchApplies:
    """A unified diff that must parse, apply to ``files`` by git's rules and give exactly
    ``expected``."""

    kind: ClassVar[str] = "patch_applies"
    category: ClassVar[str] = "code_editing"
    files: dict[str, str]
    expected: dict[str, str]
    tests: str = ""
    """Optional Python asserts run over the patched files' code, in path order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellEffect:
    """A shell command run in a prepared file tree; its standard output and the tree it leaves are
    compared."""

    kind: ClassVar[str] = "shell_effect"
    category: ClassVar[str] = "devops"
    files: dict[str, str]
    """Path relative to the working folder -> text, before the command."""
    stdout: str | None = None
    """Expected standard output, exactly; ``None`` when only the effect counts."""
    expected_files: dict[str, str] | None = None
    """The whole tree afterwards; ``None`` means: unchanged."""
    gold: str = ""
    """A trusted command: what it prints and leaves in the same tree is expected; the two fields
    above are not read then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextAnswer:
    """A short natural-language answer: one of ``accepted`` exactly (case and outer space aside), or
    facts that it must hold."""

    kind: ClassVar[str] = "text_answer"
    category: ClassVar[str] = "general_chat"
    accepted: tuple[str, ...] = ()
    must_contain: tuple[str, ...] = ()
    must_not_contain: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsAnswer:
    """A flat JSON object read with leniency (Portuguese numbers, quotes, fences), each field
    compared with a reference."""

    kind: ClassVar[str] = "fields_answer"
    category: ClassVar[str] = "tool_use"
    expected: str
    """The reference as a JSON object. Numbers are equal by value, texts but for case and outer
    space."""
    schema: str
    """A JSON Schema that holds the labels and types; a number written as text is read as a number
    first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundedText:
    """A short text about a record: every number and name in it must be in the record, and it must
    say what matters."""

    kind: ClassVar[str] = "grounded_text"
    category: ClassVar[str] = "general_chat"
    record: str
    """The facts as a JSON object; a share such as 0.372 may be written 37,2 %, or 37.2 % in
    English."""
    must_mention: tuple[str, ...]
    """Facts that the text has to hold, as numbers or words."""
    min_words: int
    max_words: int
    max_chars: int | None = None
    shown: str = ""
    """The prompt: a copy of it is not an answer."""
    language: Literal["pt", "en"] = "pt"
    call_to_action: bool = True
    """Whether the text must ask its reader to do something."""
    says: dict[str, str] = field(default_factory=dict)
    """Key of the record -> beginnings of words without accents, of which a sentence with that
    number has one: ``{"parcela_negativa": "negativ insatisf"}``."""
    against: dict[str, str] = field(default_factory=dict)
    """Fact of ``must_mention`` -> beginnings of words that turn it round in its clause:
    ``{"15%": "aument acresc"}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCalls:
    """Calls of given functions as JSON, ``{"name", "arguments"}`` alone or in a list, compared with
    what BFCL's files accept."""

    kind: ClassVar[str] = "function_calls"
    category: ClassVar[str] = "tool_use"
    functions: str
    """The functions on offer as JSON text: a list of ``{"name", "parameters": {"properties",
    "required"}}``."""
    expected: str
    """JSON text: a list of ``{NAME: {ARGUMENT: [accepted values]}}``, a call each; ``""`` among the
    values lets it be left out."""
    ordered: bool = False
    """Whether the order of the calls counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """A text under programmatic constraints, all of which must hold (IFEval's way: verifiable
    instructions)."""

    kind: ClassVar[str] = "constraints"
    category: ClassVar[str] = "general_chat"
    instructions: tuple[str, ...]
    """Ids of the constraints, ``GROUP:NAME``; ``critic.constraints`` knows them."""
    arguments: str = "[]"
    """JSON text: a list of one object of arguments for each instruction, or an empty list."""
    clean_stop: bool = False
    """Whether the answer must have ended by itself, not by the length limit, and without text after
    a stop token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """An answer that only a reader can judge: a licensed model does (``llm_judge.verdicts``), by a
    rubric."""

    kind: ClassVar[str] = "judged_answer"
    category: ClassVar[str] = "general_chat"
    rubric: str = ""
    """What a good answer is; empty: the judge's general rubric. A licence holds for one rubric."""


Executable = PythonTests | StdioTests | ScriptTests | ShellEffect | SqlAnswer
"""The verifiers that run something: the sandbox judges them, each by the module of its kind."""
Verifier = (
    PythonTests
    | StdioTests
    | ScriptTests
    | SqlAnswer
    | JsonAnswer
    | PatchApplies
    | ShellEffect
    | TextAnswer
    | FunctionCalls
    | Constraints
    | FieldsAnswer
    | GroundedText
    | JudgedAnswer
)
KINDS: dict[str, type[Any]] = {cls.kind: cls for cls in get_args(Verifier)}
"""Each verifier by its ``kind``."""


def verifier_to_json(verifier: Verifier | None) -> str | None:
    """One compact JSON object with its ``kind``; ``None`` stays ``None``."""
    if verifier is None:
        return None
    return json.dumps(
        {"kind": verifier.kind, **asdict(verifier)}, ensure_ascii=False, sort_keys=True
    )


def verifier_from_json(text: str | None) -> Verifier | None:
    """Read what ``verifier_to_json`` wrote.

    Raises:
        ValueError: not an object, an unknown ``kind``, an unknown or missing field, or a value of
            the wrong type.
    """
    from .decode import build_kind

    return None if text is None else build_kind(KINDS, json.loads(text))
