"""The loop over a user's own tasks, suite and reward, as a user runs it: from a file of rows to the
comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from sentinel_pipeline.records import verifier_to_json
from sentinel_pipeline.store import Home, Store, read_jsonl, read_parquet
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline_tests.e2e.conftest import RECIPES, Loop, new_home, sentinel

pytestmark = pytest.mark.slow

SOURCE = """
[[tasks.source]]
file = "data/mine.jsonl"
split = { train = 0.6, window = 0.15, heldout = 0.25 }

[[grpo.reward]]
name = "short"
function = "my_rewards:short"
weight = 0.5
examples = "data/examples.jsonl"
"""
REWARD = '''"""A reward of the project's own."""


def short(prompts, completions, family, **columns):
    return [1.0 if 0 < len(turns[-1]["content"]) < 30 else 0.0 for turns in completions]
'''
SUITE: list[dict[str, object]] = [
    {
        "task_id": name,
        "prompt": f"Which word comes first in: {name} and night?",
        "verifier": {"kind": "text_answer", "accepted": [name]},
        "reference": name,
    }
    for name in ("day", "dusk", "dawn", "noon", "hour", "week")
]


def mini(replaced: str, changes: Mapping[str, str] | None = None) -> str:
    """The recipe ``mini`` with ``replaced`` in the place of its generated tasks."""
    text = (RECIPES / "mini.toml").read_text()
    tasks = text[text.index("[tasks.train]") : text.index("[candidates]")]
    text = text.replace(tasks, replaced)
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    return text


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def project(folder: Path) -> Home:
    """A project with tasks, a suite and a reward of its own; one row is broken, one reference
    wrong, one row without a verifier."""
    home = new_home(folder)
    counts = {"functions": 60, "edits": 25, "tools": 25, "shell": 20, "chat": 20}
    rows: list[dict[str, object]] = [
        {
            "task_id": f"t{number}",
            "messages": [turn.to_dict() for turn in task.messages],
            "verifier": json.loads(verifier_to_json(task.verifier) or ""),
            "reference": task.reference,
            "family": task.family,
        }
        for number, task in enumerate(build(3, counts, {}, {}).train)
    ]
    rows[3]["reference"] = "nonsense"
    rows.append({"prompt": "Say hello.", "completion": "Hello there, and good morning to you."})
    write_rows(folder / "data" / "mine.jsonl", rows)
    with (folder / "data" / "mine.jsonl").open("a") as stream:
        stream.write("{broken\n")
    write_rows(home.suites / "mine.jsonl", SUITE)
    (folder / "my_rewards.py").write_text(REWARD)
    long = "I would say that there is nothing here which anybody could have seen."
    write_rows(
        folder / "data" / "examples.jsonl",
        [
            {"prompt": f"{long} Is it so, all in all?", "completion": "Yes.", "label": "gold"},
            {"prompt": f"{long} And now?", "completion": long, "label": "bad"},
        ],
    )
    text = mini(SOURCE).replace("[bench]\n", '[bench]\nsuites = ["heldout", "smoke", "mine"]\n')
    text += '\n[gates.mine_pass_at_1]\nmetric = "pass_at_1"\nstage = "grpo"\nsuite = "mine"\nthreshold = 0.9\nseverity = "warn"\n'
    (home.recipes / "own.toml").write_text(text)
    return home


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    home = project(tmp_path_factory.mktemp("own"))
    return Loop(home, sentinel(home, "run", "own", "--json", timeout=1800))


def store(home: Home) -> Store:
    return Store.reading(home, "own")


def test_the_whole_chain_runs_on_tasks_of_ones_own(own: Loop) -> None:
    assert own.done.code == 0, own.done.err
    summary = own.done.json()
    bank = store(own.home).get("task_bank")
    report = bank.json("sources.json")
    assert set(summary["reports"]) == {"base", "sft", "dpo", "grpo"}
    for stage in summary["reports"].values():
        assert stage["heldout"]["n"] == report["heldout"]
        assert stage["mine"]["n"] == len(SUITE)
        assert stage["heldout"]["infra"] == 0
    pairs = [
        (each["from"], each["to"]) for each in summary["comparisons"] if each["suite"] == "heldout"
    ]
    assert pairs == [("base", "sft"), ("sft", "dpo"), ("dpo", "grpo"), ("base", "grpo")]
    families = {row["family"] for row in read_parquet(bank.path("train.parquet"))}
    assert families == {"functions", "edits", "tools", "shell", "chat"}


def test_a_plan_counts_what_the_run_used(own: Loop) -> None:
    planned = sentinel(own.home, "plan", "own", "--json").json()["tasks"]
    bank = store(own.home).get("task_bank")
    assert sum(planned["train"].values()) == bank.manifest.metrics["train"]
    assert planned["window"] == bank.manifest.metrics["window"]
    assert planned["heldout"] == bank.manifest.metrics["heldout"]
    assert planned["answers"] == bank.manifest.metrics["answers"] == 1


def test_no_task_is_on_two_sides_and_none_is_lost(own: Loop) -> None:
    bank = store(own.home).get("task_bank")
    sides = [
        {row["id"] for row in read_parquet(bank.path(name))}
        for name in ("train.parquet", "window.parquet", "reward.parquet", "suites/heldout.parquet")
    ]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 149
    quarantined = list(read_parquet(bank.path("quarantine.parquet")))
    assert {row["line"] for row in quarantined} == {4, 152}
    assert any(row["reason"].startswith("reference: mine/t3 fails its own") for row in quarantined)
    assert bank.json("sources.json")["overlap"]["groups_on_two_sides"] == 0


def test_a_row_without_a_verifier_comes_to_the_mix(own: Loop) -> None:
    raw = store(own.home).get("raw_candidates")
    prompts = [
        row["messages"][-1]["content"] for row in read_parquet(raw.path("candidates.parquet"))
    ]
    assert prompts.count("Say hello.") == 1


def test_the_users_reward_is_examined_paid_and_recorded(own: Loop) -> None:
    audited = store(own.home).get("reward_audit").json("audit.json")["scorers"]
    (mine,) = [scorer for scorer in audited if scorer["name"] == "reward:short"]
    assert (mine["licensed"], mine["n_gold"], mine["n_bad"]) == (True, 1, 5)
    curves = read_jsonl(store(own.home).get("grpo_checkpoint").path("curves.jsonl"))
    assert [row for row in curves if row.get("rewards/short") is not None]


def test_a_changed_suite_makes_its_verdicts_stale_and_no_others(own: Loop) -> None:
    def stale() -> dict[str, str | None]:
        gates = sentinel(own.home, "gate", "list", "own", "--json").json()["gates"]
        return {gate["name"]: gate["stale"] for gate in gates}

    assert stale()["mine_pass_at_1"] is None
    path = own.home.suites / "mine.jsonl"
    before = path.read_text()
    path.write_text(before + before.splitlines()[0].replace("day", "year") + "\n")
    try:
        assert stale()["mine_pass_at_1"] == "the file of its suite changed"
        assert stale()["pass_at_1"] is None
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    ("extra", "rows", "expected"),
    [
        ("", [{"prompt": f"Tell of {n}.", "completion": f"It is {n}."} for n in range(30)], "DPO needs answers"),
        ("", [], "gives no row"),
        ("\n[tasks.train]\nfunctons = 5\n", None, "Did you mean 'functions'?"),
    ],
)  # fmt: skip
def test_tasks_that_cannot_be_used_stop_the_run_before_a_device_is_touched(
    tmp_path: Path, extra: str, rows: list[dict[str, object]] | None, expected: str
) -> None:
    home = project(tmp_path)
    if rows is not None:
        write_rows(tmp_path / "data" / "mine.jsonl", rows)
    path = home.recipes / "own.toml"
    path.write_text(path.read_text().replace("[candidates]", f"{extra}\n[candidates]", 1))
    done = sentinel(home, "run", "own", "--json")
    assert done.code == 2, done.err
    assert expected in " ".join((done.out + done.err).split())
    assert store(home).find("base_checkpoint") is None


def test_a_reward_that_raises_stops_the_run_with_its_name(tmp_path: Path) -> None:
    home = project(tmp_path)
    (tmp_path / "my_rewards.py").write_text("def short(**_):\n    raise ValueError('no')\n")
    done = sentinel(home, "run", "own", "--json")
    assert done.code == 2
    assert "the reward 'short' (my_rewards:short) raised ValueError: no" in done.json()["error"]
    assert store(home).find("base_checkpoint") is None


def test_mbpps_training_split_as_distributed_goes_to_the_comparison_or_a_named_gate(
    tmp_path: Path, benchmarks_dir: Path
) -> None:
    home = new_home(tmp_path)
    source = (
        f'[[tasks.source]]\nfile = "{benchmarks_dir / "mbpp" / "mbpp.jsonl"}"\n'
        'ids = "601-974"\nlimit = 90\n\n[mix]\nshares = { executable_code = 1.0 }\n\n'
    )
    longer = {"context = 256": "context = 1024", "max_length = 256": "max_length = 1024"}
    text = mini(source, longer)
    (home.recipes / "mbpp.toml").write_text(text)
    done = sentinel(home, "run", "mbpp", "--json", timeout=1800)
    summary = done.json()
    if done.code == 3:
        assert "gate " in summary["error"], summary["error"]
        return
    assert done.code == 0, done.err
    assert set(summary["reports"]) == {"base", "sft", "dpo", "grpo"}
    bank = Store.reading(home, "mbpp").get("task_bank")
    report = bank.json("sources.json")
    assert report["references"]["passed"] + report["references"].get("failed", 0) == 90
    assert summary["reports"]["grpo"]["heldout"]["n"] == report["heldout"] > 0
