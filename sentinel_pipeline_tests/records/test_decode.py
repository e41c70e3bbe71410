"""The one decoder: bounds are held at their field, faults are named, and nothing but ``BadInput``
comes out of a file."""

from __future__ import annotations

import copy
import datetime
import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.alerts.rules import AlertRules
from sentinel_pipeline.errors import BadInput, SentinelError
from sentinel_pipeline.records import (
    Candidate,
    Message,
    PreferencePair,
    RepairTrace,
    Row,
    Task,
    verifier_from_json,
    verifier_to_json,
)
from sentinel_pipeline.records.decode import (
    Fault,
    build,
    check_rules,
    decode,
    hints_of,
    required_of,
)
from sentinel_pipeline.records.recipe import Recipe, load_recipe
from sentinel_pipeline.records.stages import default_gates
from sentinel_pipeline.records.training_spec import SftSpec
from sentinel_pipeline.records.verifiers import KINDS
from sentinel_pipeline.worker.jobs import KINDS as KINDS_OF_JOBS
from sentinel_pipeline.worker.jobs import read_job, write_job
from sentinel_pipeline_tests.conftest import ROOT

Class = Any
"""A class of records: mypy takes no ``type`` for hashable, which a cached function asks for."""
TABLES = [
    tomllib.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "data" / "recipes").glob("*.toml"))
]
SLOW = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)


def bare(hint: Any) -> tuple[Any, msgspec.Meta]:
    """A type without ``None``, and its bounds (none: an empty ``Meta``)."""
    if type(None) in get_args(hint):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if hasattr(hint, "__metadata__"):
        return get_args(hint)[0], hint.__metadata__[0]
    return hint, msgspec.Meta()


def bounded(cls: Class) -> Iterator[tuple[type[Any], str, float]]:
    """Every number below ``cls`` with a value that lies just outside each of its bounds."""
    for name, hint in hints_of(cls).items():
        kind, meta = bare(hint)
        inner = [part for part in (kind, *get_args(kind)) if is_dataclass(part)]
        for part in inner:
            # A rule of a tree holds further rules: its own bounds are yielded already.
            if part is not cls:
                yield from bounded(part)
        if kind not in (int, float):
            continue
        step = 1 if kind is int else 1e-6
        if meta.gt is not None:
            yield cls, name, kind(meta.gt)
        if meta.ge is not None:
            yield cls, name, meta.ge - step
        if meta.lt is not None:
            yield cls, name, kind(meta.lt)
        if meta.le is not None:
            yield cls, name, meta.le + step


OUTSIDE = sorted({*bounded(Recipe), *bounded(AlertRules)}, key=repr)


@pytest.mark.parametrize(
    ("cls", "name", "value"), OUTSIDE, ids=[f"{c.__name__}.{n}={v:g}" for c, n, v in OUTSIDE]
)
def test_a_number_outside_of_its_bounds_is_refused_at_its_field(
    cls: Class, name: str, value: float
) -> None:
    with pytest.raises(Fault, match=r"expected (more than|at most|below|\d)") as caught:
        build(cls, {name: value})
    assert caught.value.key == name


def test_no_number_of_a_recipe_is_without_bounds_but_those_that_may_be_anything() -> None:
    free = set()

    def look(cls: Class) -> None:
        for name, hint in hints_of(cls).items():
            kind, meta = bare(hint)
            for part in (kind, *get_args(kind)):
                if is_dataclass(part) and part is not cls:
                    look(part)
            limits = (meta.gt, meta.ge, meta.lt, meta.le)
            if kind in (int, float) and all(limit is None for limit in limits):
                free.add(f"{cls.__name__}.{name}")

    look(Recipe)
    assert free == {
        "Condition.at_least",
        "Condition.below",
        "Condition.above",
        "Question.before",
        "Question.threshold",
        "WatchRule.threshold",
    }


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("[sft]\nlearning_rate = nan", "sft.learning_rate", "is nan, expected a finite number"),
        ("[dpo]\nbeta = inf", "dpo.beta", "is inf, expected a finite number"),
        ("[grpo.weights]\nx = -inf", "grpo.weights.x", "is -inf, expected a finite number"),
        (
            "[[decisions]]\nstage='grpo'\nrules=[{action='next_recipe', why='t', set={'sft.beta' = nan}}]",
            "decisions[0].rules[0].set.sft.beta",
            "is nan, expected a finite number",
        ),
        (
            "[sft]\nmax_steps = 1_000_000_000_000",
            "sft.max_steps",
            "is 1000000000000, expected at most 10,000,000",
        ),
        (f"seed = {10**30}", "seed", "is too large, expected a number of at most 64 bits"),
        ("seed = -1", "seed", "is -1, expected 0 or more"),
        (f"seed = {2**32}", "seed", "is 4294967296, expected below 4,294,967,296"),
        ("description = 2024-01-01", "description", "got date (2024-01-01)"),
        ("sft = 3", "sft", "expected table, got int (3)"),
        ("candidates.hub = 'x'", "candidates.hub", "expected list, got str ('x')"),
        ("gates = 3", "gates", "expected table, got int (3)"),
        ("[bench]\nsuites = ['heldout', 3]", "bench.suites[1]", "expected text, got int (3)"),
        ("[pairs]\nmargin = 2", "pairs.margin", "is 2, expected more than 0 and at most 1"),
        ("[judge.exam]\nlabels='x'\nsecond={name='a'}", "judge.exam", "needs [judge.model]"),
    ],
)
def test_what_a_run_would_stumble_over_is_named_before(
    tmp_path: Path, text: str, field: str, says: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_recipe(path)
    assert (caught.value.field, caught.value.file) == (field, path)
    assert says in str(caught.value)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 3\n")
    assert load_recipe(path).seed == 3


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "seed = " + "9" * 5000])
def test_toml_that_no_parser_can_hold_is_bad_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"mine\.toml: (is not TOML|nested too deeply|holds a num)"):
        load_recipe(path)


def test_defaults_stand_within_their_own_bounds_and_rules() -> None:
    recipe = Recipe(name="x")
    assert build(Recipe, asdict(recipe)) == recipe
    assert recipe.gates == default_gates(recipe.stages)


def test_the_first_fault_in_the_order_of_the_file_is_told() -> None:
    with pytest.raises(Fault, match=r"^batch_size: is 0, expected more than 0$"):
        build(SftSpec, {"batch_size": 0, "learning_rate": "x"})


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**12, -(10**12), 2**63, 0.5, 1.0, "sft", "lora", "grpo", "judge"])
)
ODD = (
    SCALARS.filter(lambda value: value is not None)
    | st.just(datetime.date(2024, 1, 1))
    | st.just(datetime.time(1, 2))
    | st.lists(st.integers() | st.text(max_size=4), max_size=3)
    | st.dictionaries(st.text(min_size=1, max_size=4), st.integers() | st.floats(), max_size=3)
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with a key or index in it."""
    if isinstance(value, dict):
        inner = [place for item in value.values() for place in places(item)]
        return [(value, key) for key in value] + inner
    if isinstance(value, list):
        inner = [place for item in value for place in places(item)]
        return [(value, index) for index in range(len(value))] + inner
    return []


@SLOW
@given(
    st.sampled_from([*TABLES, json.loads(json.dumps(asdict(Recipe(name="any"))))]),
    st.sampled_from(["replace", "drop", "rename", "add"]),
    st.data(),
)
def test_a_recipe_with_any_one_change_loads_or_is_bad_input(
    tmp_path: Path, table: dict[str, Any], how: str, data: st.DataObject
) -> None:
    changed = without_nulls(copy.deepcopy(table))
    changed.pop("name", None)
    container, key = data.draw(st.sampled_from(places(changed)))
    if how == "replace":
        container[key] = data.draw(ODD)
    elif isinstance(container, list) or how == "drop":
        del container[key]
    elif how == "rename":
        container[data.draw(st.text(max_size=12))] = container.pop(key)
    else:
        container[data.draw(st.text(max_size=12))] = data.draw(ODD)
    path = tmp_path / "any.toml"
    path.write_text(tomlkit.dumps(changed), encoding="utf-8")
    try:
        recipe = load_recipe(path)
    except BadInput as error:
        assert str(path) in str(error)
    else:
        assert len(recipe.sha256()) == 64
        assert build(Recipe, asdict(recipe)) == recipe


def without_nulls(value: Any) -> Any:
    """As TOML holds it: an absent value is an absent key."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


TEXT = st.text(max_size=12)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type within its bounds, as JSON holds them."""
    kind, meta = bare(hint)
    origin = get_origin(kind)
    inner = get_args(kind)
    if is_dataclass(origin or kind):
        strategy: st.SearchStrategy[Any] = tables(kind)
    elif origin is Literal:
        strategy = st.sampled_from(inner)
    elif origin is tuple:
        strategy = st.lists(values(inner[0]), max_size=3)
    elif origin is dict:
        strategy = st.dictionaries(TEXT, values(inner[1]), max_size=3)
    elif kind is int:
        low = meta.ge if meta.ge is not None else 0 if meta.gt is None else meta.gt + 1
        high = meta.le if meta.le is not None else None if meta.lt is None else meta.lt - 1
        strategy = st.integers(low, high if high is not None else 10**9)  # type: ignore[arg-type]  # whole
    elif kind is float:
        strategy = st.floats(
            meta.ge if meta.ge is not None else meta.gt,
            meta.le if meta.le is not None else meta.lt,
            exclude_min=meta.gt is not None,
            exclude_max=meta.lt is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    else:
        strategy = {str: TEXT, bool: st.booleans(), Path: st.sampled_from(["a", "/b/c"])}[kind]
    return st.none() | strategy if type(None) in get_args(hint) else strategy


def tables(cls: Class) -> st.SearchStrategy[dict[str, Any]]:
    """Tables of a class that keep its rules: every required key, and any others."""
    hints = hints_of(cls)
    required = {name: values(hints[name]) for name in required_of(cls)}
    optional = {name: values(hint) for name, hint in hints.items() if name not in required}

    def holds(table: dict[str, Any]) -> bool:
        try:
            build(cls, table)
        except Fault:
            return False
        return True

    return st.fixed_dictionaries(required, optional=optional).filter(holds)


def class_of(kind: str) -> type[Any]:
    cls = KINDS_OF_JOBS[kind]
    plain: type[Any] = get_origin(cls) or cls
    return plain


def job_tables(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Tables of a kind of job, each with its kind."""
    return tables(KINDS_OF_JOBS[kind]).map(lambda table: {**table, "kind": kind})


@pytest.mark.parametrize("kind", sorted(KINDS_OF_JOBS))
@SLOW
@given(data=st.data())
def test_every_job_survives_its_file(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    table = data.draw(job_tables(kind))
    path = tmp_path / "written.json"
    path.write_text(json.dumps({**table, "logs": str(tmp_path)}))
    job: Any = read_job(path)
    assert type(job) is class_of(kind) and (job.kind, job.logs) == (kind, tmp_path)
    check_rules(job)
    assert read_job(write_job(job)) == job


@pytest.mark.parametrize("kind", sorted(KINDS_OF_JOBS))
@SLOW
@given(data=st.data())
def test_a_job_with_any_one_change_is_a_job_or_bad_input(
    tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    table = data.draw(job_tables(kind))
    container, key = data.draw(st.sampled_from(places(table)))
    container[key] = data.draw(SCALARS | st.lists(SCALARS, max_size=2))
    path = tmp_path / "job.json"
    path.write_text(json.dumps(table))
    try:
        assert type(read_job(path)) in map(class_of, KINDS_OF_JOBS)
    except SentinelError as error:
        assert isinstance(error, BadInput) and str(path) in str(error)


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.data())
def test_every_verifier_survives_its_json(kind: str, data: st.DataObject) -> None:
    verifier = build(KINDS[kind], data.draw(tables(KINDS[kind])))
    assert verifier_from_json(verifier_to_json(verifier)) == verifier


VERIFIERS = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: tables(KINDS[kind]).map(lambda table: build(KINDS[kind], table))
)
CONTENT = st.text(min_size=1, max_size=12).filter(str.strip)
TURNS = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), CONTENT), min_size=1)


@pytest.mark.parametrize("cls", [Candidate, Task, Row, RepairTrace, PreferencePair])
@given(data=st.data())
def test_every_record_survives_its_row(cls: Class, data: st.DataObject) -> None:
    columns: dict[str, Any] = {}
    for name, hint in hints_of(cls).items():
        if name == "messages":
            columns[name] = tuple(data.draw(TURNS))
        elif name == "verifier":
            columns[name] = data.draw(VERIFIERS)
        else:
            columns[name] = data.draw(values(hint))
    record = cls(**columns)
    row = record.to_row()
    assert list(row) == list(columns)
    assert cls.from_row(json.loads(json.dumps(row))) == record
    assert cls.from_row(row | {"label": "not of this record"}) == record


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": 3}, "id: expected text, got int"),
        ({"verifier": None}, "verifier: expected text, got null"),
        ({"verifier": '{"kind": "x"}'}, "verifier.kind: unknown kind 'x'. Known: constraints"),
        ({"messages": []}, "messages: expected a non-empty list"),
        ({"reference": None}, "reference: expected text, got null"),
    ],
)
def test_a_row_of_the_wrong_type_names_its_column(change: dict[str, Any], says: str) -> None:
    task = Task(
        id="t",
        suite="train",
        category="devops",
        family="f",
        messages=(Message("user", "x"),),
        verifier=build(KINDS["text_answer"], {"accepted": ["a"]}),
        reference="a",
    )
    with pytest.raises(ValueError, match=f"^{says}"):
        Task.from_row(task.to_row() | change)
    with pytest.raises(ValueError, match="^suite: is missing and has no default$"):
        Task.from_row({key: value for key, value in task.to_row().items() if key != "suite"})


def test_a_prefix_names_the_place_of_a_table_in_its_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        decode(SftSpec, {"windows": {"gate_step": 7}}, file=tmp_path, prefix="sft")
    assert caught.value.field == "sft.windows.gate_step"
    assert str(caught.value).endswith("Windows fall every 250 steps: make it a multiple.")
