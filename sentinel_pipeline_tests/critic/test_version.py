"""Versions follow what scores, and nothing else: what is changed in a copy of the package, and
whether that is another version."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import sentinel_pipeline
from sentinel_pipeline.audit.rewards import rewards_version
from sentinel_pipeline.critic.version import (
    LABELLING,
    SCORING,
    label_version,
    reached,
    scorer_version,
    version_of,
)

PACKAGE = Path(sentinel_pipeline.__file__).parent


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "sentinel_pipeline"
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates")
    shutil.copytree(PACKAGE, folder, ignore=ignored)
    return folder


@pytest.fixture
def changed(package: Path) -> Iterator[Path]:
    """The copy; what a test changes in it is put back."""
    before = {
        path: path.read_text() for path in package.rglob("*") if path.suffix in (".py", ".js")
    }
    yield package
    for path, text in before.items():
        if path.read_text() != text:
            path.write_text(text)


class _EveryFunction(ast.NodeTransformer):
    """Another body for every function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body = [*node.body, *ast.parse("changed = 1").body]
        return node


def change_functions(path: Path) -> None:
    tree = ast.fix_missing_locations(_EveryFunction().visit(ast.parse(path.read_text())))
    path.write_text(ast.unparse(tree))


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_copy_has_the_versions_of_the_original(package: Path) -> None:
    assert version_of(SCORING, package) == scorer_version()
    assert version_of(LABELLING, package) == label_version()
    assert len({scorer_version(), label_version(), rewards_version()}) == 3


@pytest.mark.parametrize(
    "folder", ["audit", "mix", "bench", "candidates", "pairs", "review", "training", "tasks"]
)
def test_another_room_changes_no_version(changed: Path, folder: str) -> None:
    for path in (changed / folder).rglob("*.py"):
        change_functions(path)
    assert version_of(SCORING, changed) == scorer_version()
    assert version_of(LABELLING, changed) == label_version()


@pytest.mark.parametrize("name", ["repair", "self_repair", "outputs"])
def test_what_neither_scores_nor_labels_in_the_critic_s_room_changes_no_version(
    changed: Path, name: str
) -> None:
    change_functions(changed / f"critic/{name}.py")
    assert version_of(SCORING, changed) == scorer_version()
    assert version_of(LABELLING, changed) == label_version()


@pytest.mark.parametrize("name", ["labels", "entrypoint", "prompt_form"])
def test_what_labels_and_does_not_score_changes_the_labels_version_alone(
    changed: Path, name: str
) -> None:
    change_functions(changed / f"critic/{name}.py")
    assert version_of(SCORING, changed) == scorer_version()
    assert version_of(LABELLING, changed) != label_version()


JUDGING = [
    *(f"sandbox/judge/{path.name}" for path in (PACKAGE / "sandbox/judge").glob("*.py")),
    *(f"sandbox/guest/{path.name}" for path in (PACKAGE / "sandbox/guest").glob("*.py")),
    *(
        f"critic/scorers/{path.name}"
        for path in (PACKAGE / "critic/scorers").glob("*.py")
        if path.stem != "examples"
    ),
    "critic/score.py",
    "critic/reading.py",
    "critic/extract.py",
    "critic/formats.py",
    "critic/numbers.py",
    "sandbox/worker.py",
    "sandbox/grader.py",
    "records/verifiers.py",
]


@pytest.mark.parametrize("name", JUDGING)
def test_each_file_that_scores_counts(changed: Path, name: str) -> None:
    path = changed / name
    text = path.read_text()
    if "SCORER = Scorer(" in text:
        path.write_text(text.replace("SCORER = Scorer(", "SCORER = Scorer(changed=1, "))
    elif "def " in text:
        change_functions(path)
    else:
        path.write_text(text + "\nfor each in ():\n    pass\n")
    assert version_of(SCORING, changed) != scorer_version()


@pytest.mark.parametrize("path", sorted((PACKAGE / "sandbox").rglob("*.js")), ids=lambda p: p.name)
def test_each_script_of_the_sandbox_counts(changed: Path, path: Path) -> None:
    script = changed / path.relative_to(PACKAGE)
    script.write_text(script.read_text() + ";0;\n")
    assert version_of(SCORING, changed) != scorer_version()


def test_examples_of_a_scorer_do_not_count_and_its_judge_does(changed: Path) -> None:
    path = changed / "critic/scorers/patch_applies.py"
    replace_text(path, 'rng.choice("0123456789")', 'rng.choice("01")')
    replace_text(path, '        reasons=("files_differ",),', '        reasons=("other",),')
    assert version_of(SCORING, changed) == scorer_version()
    replace_text(path, 'path.endswith(".py")', 'path.endswith(".txt")')
    assert version_of(SCORING, changed) != scorer_version()


def test_a_function_that_nobody_uses_does_not_count_beside_those_that_score(changed: Path) -> None:
    path = changed / "critic/formats.py"
    path.write_text(path.read_text() + "\n\ndef unused() -> int:\n    return 1\n")
    assert version_of(LABELLING, changed) == label_version()


def test_an_argument_of_the_scorer_s_limits_counts(changed: Path) -> None:
    replace_text(changed / "sandbox/outcomes.py", "memory_mib: int = 512", "memory_mib: int = 513")
    assert version_of(SCORING, changed) != scorer_version()


SMALL = {
    "__init__.py": "",
    "entry.py": "from .far import far\n\n\ndef run():\n    from . import late\n    return far() + late.f()\n",
    "far.py": "import math\nLIMIT = 3\nOTHER = 4\n\n\ndef far():\n    return LIMIT + math.pi\n\n\ndef near():\n    return OTHER\n",
    "late.py": "from .table import TABLE, register\n\n\n@register\ndef g():\n    return 1\n\n\ndef f():\n    return TABLE\n",
    "table.py": "TABLE = {}\n\n\ndef register(function):\n    TABLE[1] = function\n    return function\n",
}


def small(folder: Path, **changes: tuple[str, str]) -> str:
    root = folder / "small"
    root.mkdir(exist_ok=True)
    for name, text in SMALL.items():
        old, new = changes.get(name.removesuffix(".py"), ("", ""))
        assert old in text
        (root / name).write_text(text.replace(old, new) if old else text)
    return version_of(["entry:run"], root)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("far", "LIMIT = 3", "LIMIT = 5"),
        ("far", "import math", "import cmath as math"),
        ("late", "return TABLE", "return dict(TABLE)"),
        ("late", "return 1", "return 2"),
        ("table", "TABLE[1]", "TABLE[2]"),
        ("entry", "from .far import far", "from .far import near as far"),
    ],
)
def test_a_used_value_a_late_import_and_a_registered_function_count(
    tmp_path: Path, name: str, old: str, new: str
) -> None:
    assert small(tmp_path, **{name: (old, new)}) != small(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("far", "OTHER = 4", "OTHER = 5"),
        ("far", "return OTHER", "return -OTHER"),
        ("far", "def far():", 'def far() -> float:\n    """Far."""\n    # why'),
        ("entry", "def run():", 'def run():\n    """Run."""'),
    ],
)
def test_unused_neighbours_texts_and_types_do_not_count(
    tmp_path: Path, name: str, old: str, new: str
) -> None:
    assert small(tmp_path, **{name: (old, new)}) == small(tmp_path)


def test_an_entry_point_that_is_not_there_is_refused(package: Path) -> None:
    with pytest.raises(ValueError, match="unknown entry point 'critic.score:scores'"):
        reached(["critic.score:scores"], package)
