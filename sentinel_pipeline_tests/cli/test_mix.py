"""``sentinel mix`` and ``sentinel trace`` over artifacts made by hand: what they say, their one
JSON object, their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.cli.console import err
from sentinel_pipeline.cli.live import LiveRun
from sentinel_pipeline.cli.summary import summarise, verdict_lines
from sentinel_pipeline.mix.build import build_mix
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.records import Candidate, CriticLabels, Label, Message, PythonTests, Task
from sentinel_pipeline.records.data_spec import MixSpec
from sentinel_pipeline.store import Artifact, Home, Ledger, Store
from sentinel_pipeline_tests.cli.conftest import Run

CODE = "def total(values):\n    result = 0\n    for value in values:\n        result += value * 3\n    return result\n"
OTHER = "def spread(values):\n    highest = max(values)\n    for value in values:\n        highest -= value\n    return highest"
ASK = "Return the sum of all values, each of them taken three times, as one whole number, and zero for an empty list."
TASK = Task(
    id="t/1",
    suite="own",
    category="executable_code",
    family="f",
    messages=(Message("user", ASK),),
    verifier=PythonTests(tests="assert total([1]) == 3", entry_point="total"),
    reference=CODE,
)
SPEC = MixSpec(shares={"executable_code": 0.5, "devops": 0.5}, minimum_quality="unverified")


def _candidate(name: str, asked: str, answered: str, **rest: Any) -> Candidate:
    given: dict[str, Any] = {"source": "file:in.jsonl", "file": "in.jsonl", "line": 7} | rest
    return Candidate(id=name, messages=(Message("user", asked),), completion=answered, **given)


ROWS = [
    _candidate("good", "Add up [red]these[/red] values one by one and say the sum", OTHER),
    _candidate("same", "Add up [red]these[/red] values one by one and say the sum", OTHER, line=8),
    _candidate("leak", ASK, "pass"),
    _candidate("ops", "Count the lines of a.txt", "cat a.txt | wc -l"),
    _candidate("song", "Continue.", "x", category="audio"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / "data" / "recipes").mkdir(parents=True)
    for name in ("own", "other"):
        (tmp_path / "data" / "recipes" / f"{name}.toml").write_text(
            "[bench]\nsuites = ['heldout', 'smoke']\n"
        )
    monkeypatch.setenv("SENTINEL_HOME", str(tmp_path))
    return Home(tmp_path)


def _make(home: Home, recipe: str = "own", run_id: str = "run1") -> Artifact:
    """Every artifact from candidates to a checkpoint that trained on the mix."""
    store = Store(home, recipe, run_id, run_id)

    def writing(asset: str, *parents: Artifact) -> Any:
        return store.writing(asset, parents=parents, recipe_hash="h", seed=1)

    label = Label(True, "ok")
    with writing("task_bank") as out:
        out.table("suites/own.parquet", [TASK.to_row()], "tasks")
    with writing("human_corrections") as out:
        out.metrics |= {"corrections": 3, "withheld": 0, "waiting": 1}
        out.metrics |= {"elsewhere": 2, "unassigned": 4}
    with writing("raw_candidates", store.get("human_corrections")) as out:
        out.table("candidates.parquet", (row.to_row() for row in ROWS), "candidates")
        out.metrics |= {"candidates": len(ROWS), "quarantined": 6}
    raw = store.get("raw_candidates")
    with writing("critic_labels", raw) as out:
        made = (
            CriticLabels(
                row.id,
                label,
                label,
                label,
                label,
                label,
                label,
                Label(True, "unverified: by form"),
                "v-1",
            )
            for row in ROWS
        )
        out.table("labels.parquet", (one.to_row() for one in made), "labels")
    with writing("accepted_set", raw, store.get("critic_labels")) as out:
        out.table("accepted.parquet", (row.to_row() for row in ROWS), "candidates")
    with writing("repair_traces") as out:
        out.table("repairs.parquet", [], "repairs")
    accepted, repairs = store.get("accepted_set"), store.get("repair_traces")
    with writing("decontamination_report", accepted) as out:
        out.json("report.json", decontaminate(ROWS, [TASK], seed=1).to_json())
    report = store.get("decontamination_report")
    tables = accepted.path("accepted.parquet"), repairs.path("repairs.parquet")
    banned = {hit["id"] for hit in report.json("report.json")["hits"]}
    with (
        writing("rebalanced_mix", accepted, repairs, report) as out,
        build_mix(*tables, banned=banned, spec=SPEC, seed=1) as mix,
    ):
        out.table("rows.parquet", (row.to_row() for row in mix.rows), "rows")
        out.table("left_out.parquet", (one._asdict() for one in mix.left_out), "left_out")
        out.json("mix.json", mix.report.to_json())
    with writing("sft_checkpoint", store.get("rebalanced_mix")) as out:
        out.json("model.json", {})
    with writing("dpo_checkpoint", store.get("sft_checkpoint")) as out:
        out.json("model.json", {"dpo": True})
    return store.get("rebalanced_mix")


def test_the_mix_as_one_json_object(run: Run, home: Home) -> None:
    made = _make(home)
    code, out, err = run("mix", "own", "--json")
    found = json.loads(out)
    assert code == 0 and out.count("\n") == 1
    assert (found["recipe"], found["run_id"], found["content_hash"]) == ("own", "run1", made.hash)
    assert (found["rows"], found["seen"], found["left_out"]) == (
        2,
        5,
        {"benchmark": 1, "exact": 1, "held_back": 1},
    )
    assert found["held_back"] == {"audio": 1}
    assert [(quota["category"], quota["taken"]) for quota in found["quotas"]] == [
        ("executable_code", 1.0),
        ("devops", 1.0),
    ]
    clean = found["decontamination"]
    assert (clean["contaminated"], clean["rows"], clean["tasks"], clean["by_kind"]) == (
        1,
        5,
        1,
        {"prompt": 1},
    )
    assert (
        clean["measured"]["recall"]["n"] == 20 and clean["measured"]["recall"]["interval"][1] == 1
    )
    assert (
        "1 of 5 rows overlapped 1 of 1 benchmark items" in err
        and "Held back or without a share: 1 audio" in err
    )


def test_a_mix_says_which_corrections_were_left_because_they_belong_elsewhere(
    run: Run, home: Home
) -> None:
    _make(home)
    _, out, said = run("mix", "own", "--json")
    assert json.loads(out)["corrections"] == {
        "corrections": 3, "withheld": 0, "waiting": 1, "elsewhere": 2, "unassigned": 4,
    }  # fmt: skip
    assert "3 among the candidates; left: 2 of other recipes, 4 of none" in said


def test_a_run_ends_with_what_it_went_on_without(home: Home) -> None:
    _make(home)
    store = Store(home, "own", "run1", "run1")
    live = LiveRun(home, "own", err)
    summary = summarise(store, Ledger(home.ledger), live, home.recipe("own"))
    assert summary["warnings"] == [
        "candidate rows that raw_candidates could not read and quarantined: 6",
        "approved corrections left out because they belong to no recipe: 4 "
        "(sentinel review assign --unassigned --recipe own)",
        "approved corrections left out because they belong to other recipes: 2",
    ]
    assert "warning: " + summary["warnings"][0] in verdict_lines(summary)
    later = Store(home, "own", "run2", "run2")
    assert summarise(later, Ledger(home.ledger), live, home.recipe("own"))["warnings"] == []


def test_without_a_recipe_the_newest_mix_is_shown(run: Run, home: Home) -> None:
    _make(home, "own")
    _make(home, "other")
    assert json.loads(run("mix", "--json")[1])["recipe"] == "other"


def test_a_row_is_traced_from_its_line_to_the_checkpoints(run: Run, home: Home) -> None:
    made = _make(home)
    code, out, err = run("trace", "good", "--json")
    found = json.loads(out)
    assert code == 0 and (found["file"], found["line"], found["origin"]) == (
        "in.jsonl",
        7,
        "candidate",
    )
    assert (
        found["labels"]["accepted"] == {"value": True, "reason": "unverified: by form"}
        and len(found["labels"]) == 7
    )
    (mix,) = found["mixes"]
    assert (
        mix["taken"] and mix["content_hash"] == made.hash and mix["category"] == "executable_code"
    )
    assert mix["stood_for"] == [{"id": "same", "kind": "exact", "similarity": 1.0}]
    assert [one["asset"] for one in found["checkpoints"]] == ["dpo_checkpoint", "sft_checkpoint"]
    assert "stood for same (exact, 1.00)" in err and "in.jsonl:7" in err


def test_a_row_that_was_left_out_says_why_and_trained_nothing(run: Run, home: Home) -> None:
    _make(home)
    leak, same = (json.loads(run("trace", name, "--json")[1]) for name in ("leak", "same"))
    assert leak["overlaps"][0]["task_id"] == "t/1" and leak["mixes"][0]["reason"] == "benchmark"
    assert leak["checkpoints"] == [] == same["checkpoints"]
    assert (same["mixes"][0]["reason"], same["mixes"][0]["stood_for_by"]) == ("exact", "good")


def test_the_rows_nearest_to_an_item(run: Run, home: Home) -> None:
    _make(home)
    code, out, err = run("trace", "--item", "own/t/1", "--json")
    found = json.loads(out)
    assert code == 0 and [near["id"] for near in found["nearest"]] == ["good", "ops"]
    assert found["nearest"][0]["answer"] > 0.1 > found["nearest"][1]["similarity"]
    assert found["nearest"][0]["file"] == "in.jsonl" and "[red]these[/red]" in err, (
        "printed as it is"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trace",), "expected a row's id or --item"),
        (("trace", "good", "--item", "own/t/1"), "one of the two"),
        (("trace", "nothing"), "no artifact of any of 2 recipes has a row 'nothing'"),
        (("trace", "--item", "own"), "Expected SUITE/ID"),
        (("trace", "--item", "owm/t/1"), "Did you mean 'own'"),
        (("trace", "--item", "own/t/2"), "Did you mean 't/1'"),
        (("trace", "good", "--recipe", "owm"), "Did you mean 'own'"),
        (("mix", "owm"), "Did you mean 'own'"),
        (("mix", "other"), "other has no rebalanced_mix yet"),
    ],
)
def test_bad_input_says_what_to_do(
    run: Run, home: Home, arguments: tuple[str, ...], words: str
) -> None:
    _make(home)
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and words in " ".join(err.split())


def test_no_mix_at_all(run: Run, home: Home) -> None:
    code, _, err = run("mix", "--json")
    assert code == 2 and "sentinel run RECIPE --until rebalanced_mix" in " ".join(err.split())
