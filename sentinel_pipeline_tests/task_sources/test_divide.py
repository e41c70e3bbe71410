"""A user's tasks: which rows become tasks, how they are divided, and what is refused or
quarantined."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.records.task_source import Side, TaskSource
from sentinel_pipeline_tests.task_sources.material import (
    divided,
    placed,
    reasons,
    task,
    told,
    write,
)

HALF: dict[Side, float] = {"train": 0.5, "heldout": 0.5}
GOLD: dict[str, tuple[dict[str, Any], str]] = {
    "python_tests": (
        {"tests": "assert add(1, 2) == 3", "entry_point": "add"},
        "def add(a, b):\n    return a + b\n",
    ),
    "stdio_tests": ({"inputs": ["2"], "outputs": ["4"]}, "print(int(input()) * 2)\n"),
    "json_answer": (
        {
            "expected": '{"a": 1}',
            "schema": '{"type": "object", "properties": {"a": {"type": "integer"}}}',
        },
        '{"a": 1}',
    ),
    "fields_answer": (
        {
            "expected": '{"score": 4.5}',
            "schema": '{"type": "object", "properties": {"score": {"type": "number"}}}',
        },
        '{"score": 4.5}',
    ),
    "function_calls": (
        {
            "functions": '[{"name": "stop", "parameters": {"properties": {}, "required": []}}]',
            "expected": '[{"stop": {}}]',
        },
        '{"name": "stop", "arguments": {}}',
    ),
    "patch_applies": (
        {"files": {"a.txt": "one\n"}, "expected": {"a.txt": "two\n"}},
        "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n",
    ),
    "sql_answer": (
        {"setup": "create table t (n int); insert into t values (3)", "query": "select n from t"},
        "select n from t",
    ),
    "shell_effect": ({"files": {"a.txt": ""}, "stdout": "a.txt\n"}, "ls"),
    "constraints": (
        {"instructions": ["form:one_of"], "arguments": '[{"choices": ["red", "blue"]}]'},
        "red",
    ),
    "text_answer": ({"accepted": ["Lisbon"]}, "Lisbon"),
}
"""A verifier of each kind that needs no judge, and an answer that passes it."""


@pytest.mark.parametrize("kind", GOLD)
def test_a_task_of_every_kind_of_verifier_is_read_and_its_reference_passes(
    tmp_path: Path, kind: str
) -> None:
    fields, gold = GOLD[kind]
    row = {"prompt": told(1), "verifier": {"kind": kind, **fields}, "reference": gold}
    write(tmp_path / "mine.jsonl", [row])
    division = divided(tmp_path, TaskSource(file="mine.jsonl"))
    rows = placed(division)
    (item,) = rows.values()
    assert item.row.task is not None
    assert item.row.task.verifier.kind == kind
    assert item.row.task.reference == gold
    assert division.report.references == {"passed": 1}


def test_rows_as_label_reads_them_become_tasks_of_the_same_prompt_and_tests(
    tmp_path: Path,
) -> None:
    tests = ["assert add(1, 2) == 3"]
    code = "def add(a, b):\n    return a + b\n"
    rows: list[dict[str, Any]] = [
        {"task_id": 5, "text": "Write add.", "code": code, "test_list": tests},
        {"instruction": "Add two numbers.", "output": code, "tests": tests[0]},
        {
            "messages": [
                {"role": "user", "content": "Sum a and b."},
                {"role": "assistant", "content": code},
            ],
            "tests": tests,
        },
        {"prompt": "Which function adds?", "chosen": code, "rejected": "def add(a, b): return a", "tests": tests},
    ]  # fmt: skip
    write(tmp_path / "mine.jsonl", rows)
    items = placed(divided(tmp_path, TaskSource(file="mine.jsonl", split={"train": 1.0})))
    assert sorted(items) == ["mine/2", "mine/3", "mine/4", "mine/5"]
    tasks = [item.row.task for item in items.values()]
    assert {task.reference for task in tasks if task} == {code}
    (failed,) = items["mine/4"].row.answers
    assert (failed.completion, failed.corrected_by is not None) == (
        "def add(a, b): return a",
        True,
    )


def test_a_folder_is_read_whole_packed_files_too_and_ids_hold_the_files_name(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    write(folder / "a.jsonl", [task(1)])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(json.dumps(task(2)).encode()))
    items = placed(divided(tmp_path, TaskSource(file="mine", split={"train": 1.0})))
    assert sorted(items) == ["mine/a/1", "mine/b/2"]
    assert {item.row.task.family for item in items.values() if item.row.task} == {"mine"}


def test_a_row_without_a_verifier_trains_and_is_never_held_out(tmp_path: Path) -> None:
    rows = [{"prompt": told(n), "completion": f"It is {told(n + 500)}."} for n in range(40)]
    write(tmp_path / "mine.jsonl", [*rows, *(task(n) for n in range(100, 140))])
    division = divided(tmp_path, TaskSource(file="mine.jsonl", split=HALF))
    items = placed(division)
    unscored = [item for item in items.values() if item.row.task is None]
    assert len(unscored) == 40
    assert {item.side for item in unscored} == {"train"}
    assert division.report.unscored == 40
    assert sum(division.report.sides["heldout"].values()) > 5


def test_a_row_that_nothing_scores_beside_a_held_out_task_is_left_out(tmp_path: Path) -> None:
    beside = {"prompt": task(1)["prompt"], "completion": "something else"}
    write(tmp_path / "mine.jsonl", [task(1), beside])
    division = divided(tmp_path, TaskSource(file="mine.jsonl", split={"heldout": 1.0}))
    assert list(placed(division)) == ["mine/1"]
    assert division.report.left_out == {"unscored_beside": 1}


def test_a_reference_that_fails_its_own_verifier_is_quarantined_by_name(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [task(1), task(2, reference="wrong")])
    division = divided(tmp_path, TaskSource(file="mine.jsonl"))
    assert list(reasons(division).items()) == [
        (
            ("mine.jsonl", 2),
            "reference: mine/2 fails its own verifier: text_answer: is none of the accepted answers",
        )
    ]
    assert division.report.references == {"passed": 1, "failed": 1}


def test_what_cannot_be_read_is_quarantined_with_its_place_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    lines = [
        json.dumps(task(1)),
        "{broken",
        json.dumps({"prompt": "x", "verifier": {"kind": "tets"}}),
        json.dumps({"tests": "assert f() == 1"}),
        json.dumps(task(1, prompt="another", reference="answer 1")),
        json.dumps(task(7, task_id="a b")),
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "{answer:t#1}"},
                    {"role": "user", "content": "b"},
                ],
                "verifier": {"kind": "text_answer", "accepted": ["x"]},
            }
        ),
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines) + "\n")
    division = divided(tmp_path, TaskSource(file="mine.jsonl"))
    found = {line: reason for (_, line), reason in reasons(division).items()}
    assert sorted(found) == [2, 3, 4, 5, 6, 7]
    assert found[2].startswith("json: ")
    assert "unknown kind 'tets'" in found[3]
    assert found[4].startswith("shape: no request among the fields tests")
    assert found[5] == "duplicate_id: 'mine/1' is also the id of mine.jsonl:1"
    assert "white space" in found[6]
    assert "bench.data" in found[7]
    assert division.report.quarantined["duplicate_id"] == 1


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    copies=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 1000)), max_size=20),
)
def test_no_near_duplicate_is_on_two_sides_whatever_the_seed(
    tmp_path_factory: pytest.TempPathFactory, seed: int, copies: list[tuple[int, int]]
) -> None:
    root = tmp_path_factory.mktemp("near")
    rows = [
        {"prompt": told(n, 60), "completion": told(n + 5000, 60), "task_id": n} for n in range(30)
    ]
    verifier = {"kind": "text_answer", "must_contain": ["a"]}
    for number, (of, extra) in enumerate(copies):
        request = f"{rows[of]['prompt']} and {extra}"
        rows.append(rows[of] | {"prompt": request, "task_id": 100 + number})
    write(root / "mine.jsonl", [row | {"verifier": verifier} for row in rows])
    division = divided(root, TaskSource(file="mine.jsonl", split=HALF), seed=seed)
    sides = division.dealt.sides
    for number, (of, _) in enumerate(copies):
        assert sides[30 + number] == sides[of]
    assert division.report.overlap["groups_on_two_sides"] == 0


def test_rows_that_are_added_at_the_end_move_none_that_were_there(tmp_path: Path) -> None:
    source = TaskSource(file="mine.jsonl", split=HALF)
    write(tmp_path / "mine.jsonl", [task(n) for n in range(60)])
    before = {name: item.side for name, item in placed(divided(tmp_path, source)).items()}
    write(tmp_path / "mine.jsonl", [task(n) for n in range(90)])
    after = {name: item.side for name, item in placed(divided(tmp_path, source)).items()}
    assert {name: after[name] for name in before} == before
    assert set(before.values()) == {"train", "heldout"}


def test_the_seed_decides_the_split_and_the_shares_are_met(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [task(n) for n in range(600)])
    source = TaskSource(file="mine.jsonl", split={"train": 0.6, "window": 0.1, "heldout": 0.3})
    first = divided(tmp_path, source, seed=1)
    sides = {name: item.side for name, item in placed(first, check=False).items()}
    counts = [list(sides.values()).count(side) / 600 for side in ("train", "window", "heldout")]
    assert counts == pytest.approx([0.6, 0.1, 0.3], abs=0.06)
    again = placed(divided(tmp_path, source, seed=1), check=False)
    other = placed(divided(tmp_path, source, seed=2), check=False)
    assert {name: item.side for name, item in again.items()} == sides
    assert {name: item.side for name, item in other.items()} != sides


def test_a_reward_side_takes_groups_from_training_alone(tmp_path: Path) -> None:
    rows = [task(n, author=f"author {n % 90}") for n in range(600)]
    write(tmp_path / "mine.jsonl", rows)
    source = TaskSource(file="mine.jsonl", group="author")
    before = placed(divided(tmp_path, source), check=False)
    after = placed(divided(tmp_path, source.with_reward_side()), check=False)
    moved = {(before[name].side, item.side) for name, item in after.items()}
    assert moved == {
        ("train", "train"), ("window", "window"), ("heldout", "heldout"), ("train", "reward"),
    }  # fmt: skip
    reward = [item for item in after.values() if item.side == "reward"]
    assert 20 <= len(reward) <= 120
    authors = {item.row.group for item in reward}
    assert authors.isdisjoint({i.row.group for i in after.values() if i.side != "reward"})
    assert {item.row.task.suite for item in reward if item.row.task} == {"reward"}


def test_a_split_or_files_of_the_users_own_say_what_the_reward_side_is() -> None:
    named = TaskSource(file="mine.jsonl", split={"train": 0.9, "reward": 0.1})
    files = TaskSource(train="a.jsonl", heldout="b.jsonl")
    assert named.with_reward_side() == named and files.with_reward_side() == files
    small = TaskSource(file="mine.jsonl", split={"train": 0.1, "window": 0.5, "heldout": 0.4})
    assert small.with_reward_side().shares == {
        "train": 0.05, "window": 0.5, "heldout": 0.4, "reward": 0.05,
    }  # fmt: skip


def test_rows_with_the_same_value_of_the_group_field_are_on_one_side(tmp_path: Path) -> None:
    rows = [task(n, author=f"author {n % 7}") for n in range(70)]
    write(tmp_path / "mine.jsonl", rows)
    division = divided(tmp_path, TaskSource(file="mine.jsonl", split=HALF, group="author"))
    sides: dict[str | None, set[str]] = {}
    for item in placed(division).values():
        sides.setdefault(item.row.group, set()).add(item.side)
    assert {len(found) for found in sides.values()} == {1}
    assert (division.report.groups, division.report.largest_group) == (7, 10)


def test_one_group_in_two_of_the_users_own_files_is_refused_with_both_places(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.jsonl", [task(1), task(2)])
    write(tmp_path / "b.jsonl", [task(3), task(4, prompt=task(2)["prompt"].upper())])
    source = TaskSource(name="mine", train="a.jsonl", heldout="b.jsonl")
    with pytest.raises(BadInput) as error:
        divided(tmp_path, source)
    assert (str(error.value.file), error.value.line) == ("b.jsonl", 2)
    assert "a.jsonl:2 (train) and b.jsonl:2 (heldout) are near-duplicates" in str(error.value)
    write(tmp_path / "a.jsonl", [task(1, author="Ann")])
    write(tmp_path / "b.jsonl", [task(3, author="Ann")])
    grouped = TaskSource(name="mine", train="a.jsonl", heldout="b.jsonl", group="author")
    with pytest.raises(BadInput, match="have the same author"):
        divided(tmp_path, grouped)


def test_files_that_the_user_divided_stay_divided(tmp_path: Path) -> None:
    for name, start in (("a", 0), ("w", 10), ("b", 20)):
        write(tmp_path / f"{name}.jsonl", [task(n) for n in range(start, start + 5)])
    source = TaskSource(name="mine", train="a.jsonl", window="w.jsonl", heldout="b.jsonl")
    items = placed(divided(tmp_path, source))
    assert [item.side for item in items.values()] == ["train"] * 5 + ["window"] * 5 + [
        "heldout"
    ] * 5
    assert {item.row.task.suite for item in items.values() if item.row.task} == {
        "train",
        "window",
        "heldout",
    }


def test_equal_rows_count_once_and_near_ones_judge_once(tmp_path: Path) -> None:
    again = task(1, task_id=2)
    near = task(1, task_id=3, prompt=task(1)["prompt"] + "!")
    write(tmp_path / "mine.jsonl", [task(1), again, near])
    outcomes: list[tuple[Side, list[str], dict[str, int]]] = [
        ("train", ["mine/1", "mine/3"], {"repeated": 1}),
        ("heldout", ["mine/1"], {"repeated": 1, "near_duplicate": 1}),
    ]
    for side, names, left in outcomes:
        division = divided(tmp_path, TaskSource(file="mine.jsonl", split={side: 1.0}))
        assert list(placed(division)) == names
        assert division.report.left_out == left


def test_what_the_sides_have_in_common_is_measured_and_shown(tmp_path: Path) -> None:
    asked = told(1, 60).split()
    near = " ".join([*asked[:50], *told(2, 10).split()])
    answer = told(3, 60)
    verifier = {"kind": "text_answer", "must_contain": ["a"]}
    write(
        tmp_path / "a.jsonl",
        [{"prompt": " ".join(asked), "completion": answer, "verifier": verifier}],
    )
    write(tmp_path / "b.jsonl", [{"prompt": near, "completion": answer, "verifier": verifier}])
    division = divided(tmp_path, TaskSource(name="mine", train="a.jsonl", heldout="b.jsonl"))
    overlap = division.report.overlap
    assert (overlap["judging"], overlap["alike"]) == (1, 1)
    assert 0.6 <= overlap["nearest"] < 0.85
    assert overlap["nearest_rows"] == ["b.jsonl:1", "a.jsonl:1"]
    assert "b.jsonl:1 and a.jsonl:1" in division.report.overlap_text()


def test_only_the_ids_that_are_named_are_read(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [task(n) for n in range(1, 31)])
    division = divided(tmp_path, TaskSource(file="mine.jsonl", ids="3-5, 20"))
    assert [int(name.partition("/")[2]) for name in placed(division)] == [3, 4, 5, 20]


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("", TaskSource(file="mine.jsonl"), "gives no row: 0 read"),
        ("{broken\n", TaskSource(file="mine.jsonl"), "1 quarantined (mine.jsonl:1: json"),
        (json.dumps(task(1)), TaskSource(file="mine.jsonl", ids="7"), "no row with an id in 7"),
        (json.dumps(task(1)), TaskSource(file="other.jsonl"), "there is no such file"),
        (json.dumps(task(1)), TaskSource(name="a", heldout="x.jsonl"), "there is no such file"),
    ],
)
def test_an_empty_or_absent_source_is_refused_by_its_key(
    tmp_path: Path, text: str, source: TaskSource, expected: str
) -> None:
    (tmp_path / "mine.jsonl").write_text(text)
    with pytest.raises(BadInput) as error:
        divided(tmp_path, source)
    assert expected in str(error.value)
    assert str(error.value.field).startswith("tasks.source[0]")


def test_a_source_whose_references_all_fail_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [task(1, reference="no")])
    with pytest.raises(BadInput, match="1 read, 1 quarantined"):
        placed(divided(tmp_path, TaskSource(file="mine.jsonl")))


def test_a_row_without_the_group_field_is_quarantined(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", [task(1, author="Ann"), task(2)])
    division = divided(tmp_path, TaskSource(file="mine.jsonl", group="author"))
    assert reasons(division) == {
        ("mine.jsonl", 2): "field: author: is missing; the source groups its rows by it"
    }


def test_a_data_set_that_cannot_be_reached_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(Infrastructure, match="hf download --repo-type dataset nobody/nothing"):
        divided(tmp_path, TaskSource(hub="nobody/nothing"))


def test_a_local_data_set_folder_is_read_as_the_hub_would_be(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "train.jsonl", [task(n) for n in range(3)])
    items = placed(divided(tmp_path, TaskSource(hub="set", split={"train": 1.0})))
    assert sorted(items) == ["set/0", "set/1", "set/2"]
