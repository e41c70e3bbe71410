"""``docs/recipe.md`` and ``docs/shapes.md``, written from the dataclasses themselves: ``python -m
sentinel_pipeline.cli.recipe_reference`` writes both anew.

A test holds the pages to what this writes. What this module does not do: explain; every word is a
docstring's, a bound's or a default.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from ..candidates import shapes
from ..critic.scorers import SCORERS
from ..records.bounds import LARGEST
from ..records.decode import hints_of
from ..records.recipe import Recipe
from ..records.verifiers import KINDS, PythonTests, verifier_to_json

COMMAND = "python -m sentinel_pipeline.cli.recipe_reference"
RECIPE_HEAD = f"""# The recipe

A recipe is one TOML file, `data/recipes/NAME.toml`. Every key has a default unless "required" stands there; an empty file is a
recipe. An unknown key, a wrong type or a value out of bounds is refused by file and key, with what was expected (exit code 2).
`sentinel plan NAME` says what a recipe will do. The rows of tasks are in [docs/shapes.md](shapes.md). Written from the
code by `{COMMAND}`, and tested against it."""
SHAPES_HEAD = f"""# The shapes of tasks

What a row of a `[[tasks.source]]`, of a suite of your own or of a file for `sentinel label` may hold. [docs/tasks.md](tasks.md)
says what becomes of it. Written from the code by `{COMMAND}`, and tested against it.

A row is a request, and where there is one an answer, under any of these names:"""
_ROW_FIELDS = ("CONVERSATIONS", "REQUESTS", "ANSWERS", "OTHER_ANSWERS", "CONTEXTS", "TEXTS")
_EXAMPLES: dict[type[Any], tuple[str, Any, str]] = {
    PythonTests: (
        "Write add(a, b), which adds two numbers.",
        PythonTests(tests="assert add(1, 2) == 3\nassert add(-1, 1) == 0", entry_point="add"),
        "def add(a, b):\n    return a + b",
    ),
}
"""The kind whose canaries are files and not its scorer's."""


class Section(NamedTuple):
    """A table of the recipe: ``[sft]``, ``[[tasks.source]]``, ``[gates.NAME]``."""

    title: str
    cls: type[Any]


def sections() -> Iterator[Section]:
    """Every table, in the order of the recipe's fields, each before those that stand in it."""
    yield Section("", Recipe)
    for part in fields(Recipe):
        yield from _below(part.name, hints_of(Recipe)[part.name], "[{}]")


def _below(path: str, hint: Any, form: str, inside: tuple[Any, ...] = ()) -> Iterator[Section]:
    """``inside`` are the tables around this one: what holds its own kind is followed once."""
    bare, _ = _bare(hint)
    origin = get_origin(bare)
    if is_dataclass(origin or bare):
        yield Section(form.format(path), bare)
        if bare not in inside:
            for name, inner in hints_of(bare).items():
                yield from _below(f"{path}.{name}", inner, "[{}]", (*inside, bare))
    elif origin is tuple:
        yield from _below(path, get_args(bare)[0], "[[{}]]", inside)
    elif origin is dict:
        yield from _below(f"{path}.NAME", get_args(bare)[1], "[{}]", inside)


def recipe_page() -> str:
    parts = [RECIPE_HEAD]
    titles: dict[Any, str] = {}
    for section in sections():
        plain = get_origin(section.cls) or section.cls
        if section.title:
            parts.append(f"## `{section.title}`")
            if section.cls in titles:
                parts.append(f"As `{titles[section.cls]}`.")
                continue
            titles[section.cls] = section.title
            if text := _class_text(plain):
                parts.append(text)
        rows = list(_rows(section.cls, skipped=("name",) if plain is Recipe else ()))
        if rows:
            parts.append("\n".join(["| key | value | default | |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def shapes_page() -> str:
    texts = _texts_of(Path(inspect.getsourcefile(shapes) or ""), None)
    rows = []
    for name in _ROW_FIELDS:
        names = ", ".join(f"`{field}`" for field in getattr(shapes, name))
        rows.append(f"| {names} | {_cell(texts[name].replace('``ANSWERS``', 'the former'))} |")
    parts = [SHAPES_HEAD, "\n".join(["| fields | what they hold |", "|---|---|", *rows])]
    parts.append(
        "Beside them: `tests` with `entry_point` and `setup`, or `verifier`; `task_id`, `category`, "
        "`family`, `reference`, `system`, `tools`. Every verifier below is an object with its `kind`; "
        "as text in a recipe, the same object as JSON."
    )
    for kind, cls in KINDS.items():
        parts += [f"## `{kind}`", _class_text(cls)]
        parts.append(f"Category `{cls.category}`, where the row names none.")
        rows = list(_rows(cls))
        parts.append("\n".join(["| field | value | default | |", "|---|---|---|---|", *rows]))
        row = json.dumps(example(cls), ensure_ascii=False)
        parts.append(f"```json\n{row}\n```")
    return "\n\n".join(parts) + "\n"


def example(cls: type[Any]) -> dict[str, Any]:
    """A row with a verifier of the kind, and a right answer as its reference where one is known."""
    known = _EXAMPLES.get(cls)
    if known is not None:
        prompt, verifier, reference = known
    else:
        canaries = SCORERS[cls].examples.canaries if cls in SCORERS else ()
        right = next((canary for canary in canaries if not canary.reasons), None)
        chosen = right or next(iter(canaries), None)
        prompt = chosen.prompt if chosen is not None else "Say what the seasons are for."
        verifier = chosen.verifier if chosen is not None else cls()
        reference = right.completion if right is not None else ""
    text = verifier_to_json(verifier)
    assert text is not None
    defaults = {part.name: part.default for part in fields(cls) if part.default is not MISSING}
    shown = {
        name: value
        for name, value in json.loads(text).items()
        if name == "kind" or asdict(verifier)[name] != defaults.get(name, MISSING)
    }
    row: dict[str, Any] = {"prompt": prompt, "verifier": {"kind": shown.pop("kind"), **shown}}
    return row | ({"reference": reference} if reference else {})


def _rows(cls: Any, skipped: tuple[str, ...] = ()) -> Iterator[str]:
    """A line for each field that is a value; those that are tables have sections of their own."""
    plain = get_origin(cls) or cls
    texts: dict[str, str] = {}
    for base in reversed(plain.__mro__):
        if is_dataclass(base) and isinstance(base, type):
            texts |= _texts_of(Path(inspect.getsourcefile(base) or ""), base.__name__)
    hints: dict[str, Any] = hints_of(cls)
    for part in fields(plain):
        words = _value(hints[part.name])
        if part.name in skipped or words is None:
            continue
        default = "required"
        if part.default is not MISSING:
            default = _literal(part.default)
        elif part.default_factory is not MISSING:
            default = _literal(part.default_factory())
        yield f"| `{part.name}` | {_cell(words)} | {_cell(default)} | {_cell(texts.get(part.name, ''))} |"


def _bare(hint: Any) -> tuple[Any, msgspec.Meta | None]:
    """A type without ``None`` and annotations, and its bounds."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(part for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is Annotated:
        metas = (part for part in hint.__metadata__ if isinstance(part, msgspec.Meta))
        return get_args(hint)[0], next(metas, None)
    return hint, None


def _value(hint: Any) -> str | None:
    """What may stand there, in words; None for what is a table of its own."""
    bare, bounds = _bare(hint)
    origin = get_origin(bare)
    inner = get_args(bare)
    if is_dataclass(origin or bare):
        return None
    if origin is Literal:
        return ", ".join(f"`{_toml(choice)}`" for choice in inner)
    if origin is tuple:
        first = _value(inner[0])
        if first is None:
            return None
        return f"list: {first}" if inner[-1] is Ellipsis else f"list of {len(inner)}: {first}"
    if origin is dict:
        of = _value(inner[1])
        return None if of is None else f"table, name = {of}"
    words = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}
    text = words.get(bare, "path" if bare is Path else "anything")
    return f"{text}{_bounds(bounds)}" if bounds is not None else text


def _bounds(bounds: msgspec.Meta) -> str:
    parts = []
    if bounds.gt is not None:
        parts.append(f"more than {bounds.gt:g}")
    if bounds.ge is not None:
        parts.append(f"from {bounds.ge:g}")
    if bounds.lt is not None and bounds.lt < LARGEST:
        parts.append(f"below {bounds.lt:g}")
    if bounds.le is not None and bounds.le < LARGEST:
        parts.append(f"at most {bounds.le:g}")
    if bounds.max_length is not None:
        parts.append(f"at most {bounds.max_length} characters")
    return f", {' and '.join(parts)}" if parts else ""


def _literal(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, (tuple, dict)) and not value):
        return ""
    if is_dataclass(value):
        return ""
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    return (
        json.dumps(str(value), ensure_ascii=False)
        if isinstance(value, (str, Path))
        else f"{value:g}"
    )


def _class_text(cls: type[Any]) -> str:
    """The class's own docstring; the signature that ``dataclass`` writes in its place is none."""
    text = cleandoc(cls.__doc__ or "")
    return "" if text.startswith(f"{cls.__name__}(") else " ".join(text.replace("``", "`").split())


@cache
def _texts_of(path: Path, name: str | None) -> dict[str, str]:
    """Field or constant -> the text under it, of a class of a file, or of the file itself."""
    tree: Any = ast.parse(path.read_text(encoding="utf-8"))
    if name is not None:
        classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
        tree = next(node for node in classes if node.name == name)
    texts = {}
    for statement, after in zip(tree.body, tree.body[1:], strict=False):
        target = getattr(statement, "target", None) or next(
            iter(getattr(statement, "targets", ())), None
        )
        documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(target, ast.Name) and documented and isinstance(after.value.value, str):
            texts[target.id] = " ".join(after.value.value.split())
    return texts


def _cell(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


PAGES = {"recipe.md": recipe_page, "shapes.md": shapes_page}


def main() -> None:
    folder = Path(__file__).resolve().parents[2] / "docs"
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    main()
