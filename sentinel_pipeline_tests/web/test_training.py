"""The training pages: every curve of every stage, runs over each other, a run that goes on, the
gates as lines, the leaderboard and costs; names from outside are text."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sentinel_pipeline.pages.charts import POINTS, Line, Series, climb, line_chart, thinned
from sentinel_pipeline.pages.curves import runs_of
from sentinel_pipeline.store import Home, Store
from sentinel_pipeline.store.marks import find_artifacts, mark
from sentinel_pipeline.web.front import Links, create_app
from sentinel_pipeline_tests.web.test_samples import sample, write


@pytest.fixture
def client(home: Home) -> TestClient:
    links = Links("http://127.0.0.1:3", "http://127.0.0.1:4", "http://127.0.0.1:5")
    return TestClient(
        create_app(home, links, frozenset({"127.0.0.1:8000"})), base_url="http://127.0.0.1:8000"
    )


def train(home: Home, stage: str, run: str, steps: int = 4, **numbers: Any) -> Path:
    """A finished checkpoint with the files that training leaves."""
    with Store(home, "tiny", run, run).writing(
        f"{stage}_checkpoint", recipe_hash="-", seed=1
    ) as out:
        write_curves(out.folder, stage, steps, **numbers)
        out.text("model/config.json", "{}")
    return home.runs / "tiny" / f"{stage}_checkpoint" / run


def write_curves(folder: Path, stage: str, steps: int, **numbers: Any) -> None:
    (folder / "logs").mkdir(parents=True)
    rows = [
        {"step": step, "loss": 2.0 / step, "learning_rate": 1e-3, "grad_norm": 0.5, **numbers}
        for step in range(1, steps + 1)
    ]
    name = "curves.jsonl" if stage == "grpo" else "losses.jsonl"
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    progress = [
        {"time": time.time(), "step": row["step"], "total": steps, "tokens_per_s": 100.0, "tokens": 9,
         "memory_mib": 512, "loss": row["loss"]}
        for row in rows
    ]  # fmt: skip
    (folder / "logs" / "progress.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in progress)
    )
    (folder / "windows.jsonl").write_text(
        json.dumps({"step": steps, "pass_at_1": 0.5, "syntax_rate": 0.9}) + "\n"
    )


def titles(page: str) -> list[str]:
    return re.findall(r"<figcaption><b>(.*?)</b>", page)


def test_every_stage_has_its_curves_and_the_gates_are_lines(client: TestClient, home: Home) -> None:
    train(home, "sft", "run-1")
    more: dict[str, Any] = {"eval/mean_reward": 0.8}
    train(home, "grpo", "run-1", reward=0.7, **more)
    page = client.get("/training/tiny").text
    common = ["Loss", "Pass@1 in the windows", "Syntax rate in the windows"]
    tail = ["Gradient norm", "Learning rate", "Tokens a second", "Memory in MiB"]
    rewards = ["Reward", "Reward on held-out prompts"]
    assert titles(page) == [*common, *tail, *common, *rewards, *tail]
    assert "Loss: tiny run-1" in page and "from 2 at step 1 to 0.5 at step 4" in page
    assert "line pass_at_1 at 40.0 %" in page and "line eval_reward at 55.0 %" in page
    assert 'data-live="false"' in page


def test_runs_are_laid_over_each_other_and_the_address_chooses(
    client: TestClient, home: Home
) -> None:
    for run in ("run-1", "run-2", "run-3"):
        train(home, "sft", run)
    loss = r'aria-label="Loss: (.*?)"'
    (told,) = re.findall(loss, client.get("/training/tiny").text)
    assert told.count("from 2 at step 1") == 3
    chosen = client.get("/training/tiny", params={"run": ["tiny/run-2", "tiny/nosuch"]}).text
    (told,) = re.findall(loss, chosen)
    assert "run-2" in told and "run-1" not in told and "run-3" not in told
    assert chosen.count("checked") == 1


def test_a_run_that_goes_on_is_shown_as_it_is_and_renewed(client: TestClient, home: Home) -> None:
    folder = home.runs / "tiny" / "sft_checkpoint" / ".draft-loop-1"
    write_curves(folder, "sft", 3)
    with (folder / "losses.jsonl").open("a") as stream:
        stream.write('{"step": 4, "loss": 0.')  # a line that is being written
    page = client.get("/training/tiny").text
    assert 'data-live="true"' in page and "(now)" in page and "at step 3" in page
    with (folder / "losses.jsonl").open("a") as stream:
        stream.write("25}\n")
    assert "0.25 at step 4" in client.get("/training/tiny").text


def test_the_overview_has_the_leaderboard_and_what_runs_took(
    client: TestClient, home: Home
) -> None:
    folder = train(home, "sft", "run-1")
    (folder / "logs" / "cost.json").write_text(
        json.dumps({"wall_s": 20.0, "device_s": 3600.0, "tokens": 1234, "attempts": 1})
    )
    write(home, "sft", [sample("1", "pass"), sample("2", "fail")])
    report = home.runs / "tiny" / "sft_report" / "sft"
    with Store(home, "tiny", "later", "later").writing(
        "sft_report", recipe_hash="-", seed=1
    ) as out:
        out.text("heldout/report.json", (report / "heldout" / "report.json").read_text())
        out.jsonl("samples_heldout.jsonl", ({"doc": {"task_id": name}} for name in ("1", "2")))
    page = client.get("/training").text
    assert '<a href="/training/tiny">tiny</a>' in page and "1.00" in page and "1,234" in page
    assert "50.0 % [" in page and "older version" in page, "scored by another scorer"
    mark(home, find_artifacts(home, "tiny/sft_report"), "archived", "evidence", marked_by="ann")
    page = client.get("/training").text
    assert "50.0 % [" not in page and "archived or superseded reports are left out" in page
    page = client.get("/training?marked=1").text
    assert "50.0 % [" in page and '<span class="chip">archived or superseded</span>' in page


@pytest.mark.parametrize(
    "path", ["/training/..%2Ftiny", "/training/nosuch", "/training/stage1-qwen2.5-32b-qlora"]
)
def test_a_recipe_that_trained_nothing_or_is_none_is_not_found(
    client: TestClient, path: str
) -> None:
    assert client.get(path).status_code == 404


def test_the_head_of_every_page_leads_to_every_other(client: TestClient, home: Home) -> None:
    train(home, "sft", "run-1")
    write(home, "sft", [sample("1", "pass")])
    with Store(home, "tiny", "r", "r").writing("comparison", recipe_hash="-", seed=1) as out:
        out.text("comparison.html", "<body><b>tiny</b></body>")
    for path in ("/", "/training", "/training/tiny", "/samples/tiny", "/comparison/tiny"):
        page = client.get(path).text
        for door in ("/training", "/go/review", "/go/chat", "/go/dagster"):
            assert f'href="{door}"' in page, path
    answer = client.get("/go/chat", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "http://127.0.0.1:5")
    assert client.get("/go/nosuch", follow_redirects=False).status_code == 404


@given(
    points=st.lists(
        st.tuples(st.integers(0, 10_000), st.floats(allow_nan=True, allow_infinity=True)),
        max_size=900,
    ),
    name=st.text() | st.just('<script>alert(1)</script>"'),
)
def test_any_curve_is_a_small_drawing_that_runs_nothing(
    points: list[tuple[float, float]], name: str
) -> None:
    drawing = str(line_chart(name, [Series(name, points)], [Line(name, 0.4)], percent=True))
    assert "<script" not in drawing and "nan" not in re.sub('".*?"', "", drawing)
    assert len(thinned(points)) <= POINTS
    assert (drawing == "") == (not thinned(points))


def test_a_spike_between_thousands_of_points_stays() -> None:
    points = [(float(step), 1.0) for step in range(5000)]
    points[1234] = (1234.0, 99.0)
    assert (1234.0, 99.0) in thinned(points)


def test_runs_without_progress_are_none(home: Home) -> None:
    with Store(home, "tiny", "r", "r").writing("sft_checkpoint", recipe_hash="-", seed=1) as out:
        out.json("skipped.json", {"reason": "no"})
    assert runs_of(home, "tiny") == []


def test_the_climb_of_a_run_that_has_just_begun_is_drawn_as_large_as_a_whole_one() -> None:
    rate = SimpleNamespace(stage="base", text="0.0 %", rate=0.0, low=0.0, high=0.01)
    for stages in (1, 2, 4):
        assert 'viewBox="0 0 360 128"' in climb("heldout", [rate] * stages)
