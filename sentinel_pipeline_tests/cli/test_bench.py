"""``sentinel bench``: a served model end to end, a killed run goes on, nothing is generated twice,
and mistakes are named."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.bench.samples import pass_at
from sentinel_pipeline.cli import app
from sentinel_pipeline.errors import Infrastructure, SentinelError
from sentinel_pipeline.records import SampleScore
from sentinel_pipeline.store import Home, Store, read_parquet
from sentinel_pipeline.tasks.suites import first_items, load_suite
from sentinel_pipeline.worker.jobs import AnswerJob, read_job
from sentinel_pipeline_tests.generation.served import serving

GOLD = {
    tuple(t.content for t in task.messages): task.reference for task in load_suite("format_probe")
}
THREE = first_items(load_suite("conversations"), 3)
"""A conversation of each of three categories."""
TALK = {task.messages[-1].content: task.reference for task in THREE}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries do not wait."""
    import sentinel_pipeline.generation.server as module

    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 0.001)


def bench(*arguments: str) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(app, ["bench", *arguments, "--json"])
    if isinstance(done.exception, SentinelError):
        return done.exception.exit_code, {}, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout) if done.stdout else {}, done.stderr


def knows(body: dict[str, Any]) -> str:
    turns = [turn["content"] for turn in body["messages"]]
    return GOLD.get(tuple(turns)) or TALK.get(turns[-1]) or "I do not know."


def test_a_served_model_answers_suites_and_a_report_is_kept(home: Home) -> None:
    with serving(knows) as served:
        arguments = (
            "m",
            "--base-url",
            served.url,
            "--suite",
            "format_probe",
            "--suite",
            "conversations",
            "--limit",
            "3",
        )
        code, data, _ = bench(*arguments, "--price-in", "1", "--price-out", "2")
        assert code == 0 and data["engine"] == "server" and data["unanswered"] == 0
        assert (
            data["suites"]["format_probe"]["pass_at_1"] == 1.0
            and data["suites"]["conversations"]["n"] == 3
        )
        assert data["suites"]["conversations"]["pass_at_1"] == 1.0, "three whole conversations"
        assert data["usage"]["requests"] == 3 + len(THREE) and data["usage"]["cost"] > 0
        turns = list(read_parquet(Path(data["report"]) / "conversations" / "turns.parquet"))
        assert len(turns) == len(THREE) and {row["outcome"] for row in turns} == {"pass"}
        again, second, _ = bench(*arguments)
        assert again == 0 and second["usage"]["requests"] == 0, "the cache answers"
        assert second["report"] != data["report"] and Path(data["report"]).is_dir(), (
            "no report is overwritten"
        )
        code, fresh, _ = bench(*arguments, "--fresh")
        assert fresh["usage"]["requests"] == 3 + len(THREE)
    code, rescored, _ = bench(*arguments, "--rescore")
    assert code == 0 and rescored["suites"] == data["suites"], (
        "the server is gone: nothing was asked"
    )


def test_items_that_a_server_loses_are_infrastructure_and_the_next_run_asks_only_them(
    home: Home,
) -> None:
    lost = True

    def answer(body: dict[str, Any]) -> Any:
        return (500, {}) if lost and "bullet" in body["messages"][-1]["content"] else knows(body)

    with serving(answer) as served:
        arguments = ("m", "--base-url", served.url, "--suite", "format_probe", "--concurrency", "8")
        code, data, _ = bench(*arguments)
        row = data["suites"]["format_probe"]
        assert (code, row["infra"], row["n"], row["pass_at_1"], data["unanswered"]) == (
            4,
            5,
            35,
            1.0,
            5,
        )
        lost, before = False, len(served.asked)
        code, data, _ = bench(*arguments)
        assert (code, data["suites"]["format_probe"]["n"], len(served.asked) - before) == (0, 40, 5)


def test_an_outage_is_infrastructure_and_its_run_goes_on(home: Home) -> None:
    up, told = False, list[str]()

    def answer(body: dict[str, Any]) -> Any:
        with served.lock:
            if not up and len(told) >= 6:
                return 503, {}
            told.append(knows(body))
        return knows(body)

    with serving(answer) as served:
        arguments = ("m", "--base-url", served.url, "--suite", "format_probe", "--concurrency", "2")
        code, _, message = bench(*arguments)
        assert code == 4 and "is out" in message and len(told) == 6
        up, before = True, len(served.asked)
        code, data, _ = bench(*arguments)
        assert code == 0 and data["suites"]["format_probe"]["n"] == 40
        assert len(served.asked) - before == 40 - 6, "what was answered is not asked again"


def test_samples_give_pass_at_k_and_their_interval_counts_tasks(home: Home) -> None:
    def half(body: dict[str, Any]) -> str:
        return knows(body) if body["seed"] % 2 else "I do not know."

    with serving(half) as served:
        arguments = (
            "m",
            "--base-url",
            served.url,
            "--suite",
            "format_probe",
            "--temperature",
            "0.8",
            "--samples",
            "4",
        )
        code, data, _ = bench(*arguments, "--k", "1,2,4")
    row = data["suites"]["format_probe"]
    assert code == 0 and row["n"] == 160 and len(served.asked) == 160
    rates = row["pass_at"]
    assert (
        rates["1"] == pytest.approx(row["pass_at_1"])
        and 0.3 < rates["1"] < rates["2"] < rates["4"] <= 1
    )


def score_of(name: str, outcome: Any) -> SampleScore:
    return SampleScore(
        task_id=name, category="c", family="f", completion="", outcome=outcome, reason="", syntax_ok=None, stopped=True,
        tokens=0, seconds=0.0,
    )  # fmt: skip


def test_pass_at_k_needs_k_scored_samples_of_every_task() -> None:
    samples = [
        score_of("a", "pass"),
        score_of("a~2", "fail"),
        score_of("b", "fail"),
        score_of("b~2", "fail"),
    ]
    assert pass_at(samples, (1, 2)) == {"1": 0.25, "2": 0.5}
    with pytest.raises(ValueError, match="k 2: expected 1 <= k <= 1"):
        pass_at([*samples[:3], score_of("b~2", "infra")], (2,))
    with pytest.raises(ValueError, match="no evidence"):
        pass_at([score_of("a", "infra")], (1,))


def test_a_dry_run_asks_nothing_and_audits_the_references(home: Home, tmp_path: Path) -> None:
    with serving(knows) as served:
        code, data, _ = bench("m", "--base-url", served.url, "--suite", "diffs", "--dry-run")
    row = data["suites"]["diffs"]
    assert code == 0 and (row["items"], row["gold"], row["gold_failed"], row["stored"]) == (
        60,
        60,
        [],
        0,
    )
    assert served.asked == [] and not (home.runs / "bench").exists()


def own(folder: Path, reference: str) -> Path:
    path = folder / "mine.jsonl"
    row = {
        "prompt": "Say red.",
        "verifier": {"kind": "text_answer", "accepted": ["red"]},
        "reference": reference,
    }
    path.write_text(json.dumps(row) + "\n")
    return path


def test_an_own_suite_is_found_by_its_path_or_by_data_and_is_audited_first(
    home: Home, tmp_path: Path
) -> None:
    with serving(lambda body: "Red") as served:
        at = ("m", "--base-url", served.url)
        code, data, _ = bench(*at, "--suite", str(own(tmp_path, "red")))
        assert code == 0 and data["suites"]["mine"]["pass_at_1"] == 1.0
        code, data, _ = bench(
            *at, "--suite", "colours", "--data", f"colours={own(tmp_path, 'red')}"
        )
        assert code == 0 and list(data["suites"]) == ["colours"]
        before = len(served.asked)
        code, _, message = bench(*at, "--suite", str(own(tmp_path, "blue")))
        assert (
            code == 2 and "1 of 1 references do not pass" in message and len(served.asked) == before
        )


WRONG = [
    (("--suite", "smoke", "--k", "2"), "pass@2 needs 2 samples of each item, not 1"),
    (("--suite", "smoke", "--k", "0"), "invalid list of numbers '0'"),
    (("--suite", "smoke", "--samples", "2"), "greedy samples are all the same"),
    (("--suite", "smokey"), "unknown suite 'smokey'. Did you mean 'smoke'?"),
    (("--suite", "smoke", "--suite", "smoke"), "duplicate suite"),
    (
        ("--suite", "smoke", "--suite", "diffs", "--data", "x.jsonl"),
        "belongs to none of the suites",
    ),
    (("--suite", "smoke", "--rescore"), "8 items of smoke were never answered by m"),
    (("--suite", "heldout"), "the held-out suite is part of a recipe's task bank"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=range(len(WRONG)))
def test_mistakes_are_bad_input_and_ask_nothing(
    home: Home, arguments: tuple[str, ...], message: str
) -> None:
    with serving(knows) as served:
        code, _, said = bench("m", "--base-url", served.url, *arguments)
    assert code == 2 and message in said and served.asked == []


def test_a_choice_that_does_not_exist_is_answered_with_those_that_do(home: Home) -> None:
    done = CliRunner().invoke(app, ["bench", "m", "--suite", "smoke", "--prompt-format", "prose"])
    text = " ".join(done.stderr.replace("│", " ").split())
    assert done.exit_code == 2 and "'chat', 'cue', 'raw'" in text


def test_the_address_of_a_server_names_server_and_model(home: Home) -> None:
    with serving(knows) as served:
        code, data, _ = bench(f"{served.url}#m", "--suite", "format_probe", "--limit", "1")
        assert (code, data["model"], data["engine"]) == (0, "m", "server")
        code, _, message = bench(served.url, "--suite", "format_probe")
    assert code == 2 and f"Add its name: {served.url}#MODEL" in message


def test_a_stage_that_was_never_made_and_a_folder_without_a_model_are_named(
    home: Home, tmp_path: Path
) -> None:
    assert "Run it first: sentinel run tiny" in bench("tiny/sft", "--suite", "smoke")[2]
    assert "holds no config.json" in bench(str(tmp_path), "--suite", "smoke")[2]


@pytest.mark.usefixtures("home")
def test_several_servers_share_a_suite_in_the_words_of_a_reasoning_model() -> None:
    with serving(knows) as first, serving(knows) as second:
        urls = ("--base-url", first.url, "--base-url", second.url)
        reasoning = ("--token-limit", "max_completion_tokens", "--reasoning-effort", "low")
        code, data, _ = bench(
            "m", *urls, "--suite", "format_probe", "--limit", "6", "--concurrency", "1",
            *reasoning, "--no-send-sampling", "--timeout", "30", "--retries", "1",
        )  # fmt: skip
    assert (code, data["suites"]["format_probe"]["pass_at_1"]) == (0, 1.0)
    assert (len(first.asked), len(second.asked)) == (3, 3)
    for body in (*first.asked, *second.asked):
        assert body["max_completion_tokens"] == 512 and body["reasoning_effort"] == "low"
        assert "temperature" not in body


@pytest.mark.usefixtures("home")
def test_four_bit_is_not_asked_of_an_engine_that_does_not_read_it() -> None:
    with serving(knows) as served:
        code, _, words = bench(
            served.url + "#m", "--suite", "format_probe", "--load-in-4bit", "--engine", "vllm"
        )
    assert code == 2 and "--quantization bitsandbytes" in words


@pytest.mark.parametrize("says", ["true", "false", "maybe"])
def test_a_stage_is_answered_by_its_code_only_where_its_recipe_says_so(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    """``maybe`` is a recipe that cannot be read any more: it allows nothing."""
    (home.recipes / "own.toml").write_text(
        f'[model]\nsource = "org/own"\ntrust_remote_code = {says}\n'
    )
    store = Store(home, "own", "run-1", "run-1")
    with store.writing("sft_checkpoint", recipe_hash="r", seed=1) as out:
        out.json("model/config.json", {})
    jobs = []
    popen = subprocess.Popen

    def start(command: Any, *arguments: Any, **options: Any) -> Any:
        if "sentinel_pipeline.run_job" not in command:
            return popen(command, *arguments, **options)
        jobs.append(read_job(Path(command[-1])))
        raise Infrastructure("enough was seen")

    monkeypatch.setattr(subprocess, "Popen", start)
    bench("own/sft", "--suite", "smoke", "--limit", "1")
    (job,) = jobs
    assert isinstance(job, AnswerJob)
    assert job.trust_remote_code is (says == "true")
