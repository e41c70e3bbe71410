"""``sentinel review`` from a harness's file to a file that trains: counts, refusals, bytes, who may
log in."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg

from sentinel_pipeline.defs.review import human_corrections_ready
from sentinel_pipeline.review.checking import check
from sentinel_pipeline.review.database import Database, database_url
from sentinel_pipeline.review.decisions import decide
from sentinel_pipeline.review.queue import open_card
from sentinel_pipeline.review.review_queue import ReviewQueue, User
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.cli.conftest import Run
from sentinel_pipeline_tests.review.material import ADD_ONE, GOOD, SEED_RECORD, record, write_lines

CARD = str(SEED_RECORD["id"])


def approve(home: Home, text: str) -> None:
    """As the page does it: the task's tests, then the decision."""
    database, ann = Database(database_url(home.review)), User("ann", "reviewer")
    try:
        desk = ReviewQueue(db=database)
        version = open_card(desk, ann, CARD).version
        assert check(desk, ann, CARD, text).outcome == "pass"
        decide(desk, ann, CARD, version, "approved", text)
    finally:
        database.close()


def test_the_seeds_record_goes_in_is_corrected_and_comes_out(
    run: Run, home: Home, tmp_path: Path
) -> None:
    folder = tmp_path / "bench_results" / "night"
    write_lines(
        folder / "sft_candidates.jsonl",
        [SEED_RECORD, record(1), {**record(2), "model_response": 3}],
    )
    write_lines(folder / "sft_candidates.tasks.jsonl", [ADD_ONE.to_json()])
    code, out, err = run("review", "import", tmp_path / "bench_results", "--json")
    assert code == 0 and json.loads(out) == {
        "imported": 2,
        "duplicates": 0,
        "changed": 0,
        "quarantined": 1,
        "drafts": 0,
        "trusted": 0,
        "joined": 0,
        "extra": 0,
    }
    assert "warning: 1 of the lines could not be read and are not in the queue" in err
    assert "2 cards of the queue belong to no recipe" in err
    assert "sft_candidates.jsonl:3: " in err and "model_response" in err
    again = json.loads(run("review", "import", tmp_path / "bench_results", "--json")[1])
    assert (again["imported"], again["duplicates"]) == (0, 2)
    approve(home, GOOD)
    code, out, _ = run("review", "summary", "--json")
    found = json.loads(out)
    assert (
        code == 0 and found["statuses"]["approved"] == 1 and found["statuses"]["needs_review"] == 1
    )
    first, second = (
        json.loads(run("review", "export", "--out", tmp_path / name, "--json")[1])
        for name in ("first", "second")
    )
    assert (first["rows"], first["new"], second["new"]) == (1, 1, 0) and first["sha256"] == second[
        "sha256"
    ]
    [row] = [
        json.loads(line)
        for line in (tmp_path / "first" / "corrections.jsonl").read_text().splitlines()
    ]
    assert row["messages"][-1] == {"role": "assistant", "content": GOOD}
    code, out, _ = run("review", "lineage", CARD, "--json")
    assert code == 0 and CARD in out


def test_withheld_corrections_stay_in(run: Run, home: Home, tmp_path: Path) -> None:
    write_lines(tmp_path / "sft_candidates.jsonl", [SEED_RECORD])
    write_lines(tmp_path / "sft_candidates.tasks.jsonl", [ADD_ONE.to_json()])
    run("review", "import", tmp_path / "sft_candidates.jsonl")
    approve(home, GOOD)
    out = json.loads(
        run("review", "export", "--out", tmp_path / "out", "--policy", "withhold", "--json")[1]
    )
    assert (out["rows"], out["withheld"]) == (0, 1)
    assert (tmp_path / "out" / "corrections.jsonl").read_text() == ""


def test_people_are_let_in_by_a_token_that_is_shown_once(run: Run, home: Home) -> None:
    code, out, err = run("review", "user", "add", "ann", "--role", "lead")
    assert code == 0 and len((out + err).split()) > 1
    code, out, err = run("review", "user", "list")
    assert code == 0 and "ann" in out + err and "lead" in out + err
    assert run("review", "user", "add", "ann")[0] == 2, "a name is given once"


def test_wrong_use_is_named(run: Run, home: Home, tmp_path: Path) -> None:
    code, _, err = run("review", "import", tmp_path / "nothing")
    assert code == 2 and "nothing" in err
    code, _, err = run("review", "lineage", "no-such-card")
    assert code == 2 and "no-such-card" in err
    code, _, err = run("review", "serve", "--host", "0.0.0.0")
    assert code == 2 and "--name" in err


def test_the_sensor_proposes_a_new_mix_after_so_many_approvals(
    run: Run, home: Home, tmp_path: Path
) -> None:
    def tick(instance: dg.DagsterInstance) -> tuple[str, list[str]]:
        found = human_corrections_ready(dg.build_sensor_context(instance=instance))
        if isinstance(found, dg.SkipReason):
            return str(found.skip_message), []
        assert isinstance(found, dg.SensorResult)
        return "", [str(request.partition_key) for request in found.run_requests or []]

    write_lines(tmp_path / "sft_candidates.jsonl", [SEED_RECORD])
    write_lines(tmp_path / "sft_candidates.tasks.jsonl", [ADD_ONE.to_json()])
    with dg.instance_for_test() as instance:
        assert "no recipe says review.rebuild_after" in tick(instance)[0]
        for name in ("asking", "other"):
            (home.recipes / f"{name}.toml").write_text("[review]\nrebuild_after = 1\n")
        run("review", "import", tmp_path / "sft_candidates.jsonl", "--recipe", "asking")
        assert tick(instance)[0].startswith("0 approved corrections wait")
        approve(home, GOOD)
        assert tick(instance) == ("", ["asking"])
        run("review", "export", "--out", tmp_path / "out")
        assert tick(instance)[0].startswith("0 approved corrections wait")


def test_an_import_may_name_recipes_and_one_that_is_not_there_is_refused(
    run: Run, home: Home, tmp_path: Path
) -> None:
    for name in ("mine", "theirs"):
        (home.recipes / f"{name}.toml").write_text("")
    path = write_lines(tmp_path / "sft_candidates.jsonl", [SEED_RECORD, record(1)])
    code, _, err = run("review", "import", path, "--recipe", "mime")
    assert code == 2 and "there is no recipe 'mime'" in err and "Did you mean 'mine'" in err
    assert json.loads(run("review", "import", path, "--json")[1])["imported"] == 2
    code, out, err = run(
        "review", "import", path, "--recipe", "mine", "--recipe", "theirs", "--json"
    )
    assert (code, json.loads(out)["joined"]) == (0, 2)
    assert "2 of the known cards belong to mine, theirs since this import" in err
    assert json.loads(run("review", "lineage", CARD, "--json")[1])["recipes"] == ["mine", "theirs"]


def test_cards_are_assigned_and_taken_away_again(run: Run, home: Home, tmp_path: Path) -> None:
    (home.recipes / "mine.toml").write_text("")
    rows = [SEED_RECORD, record(1), record(2, model_id="other/model")]
    run("review", "import", write_lines(tmp_path / "sft_candidates.jsonl", rows))
    code, _, err = run("review", "assign", "--recipe", "mine")
    assert code == 2 and "nothing says which cards" in err
    code, _, err = run("review", "assign", "--unassigned")
    assert code == 2 and "names no recipe" in err
    code, _, err = run("review", "assign", "--model", "other/mode", "--recipe", "mine")
    assert code == 2 and "Did you mean 'other/model'" in err
    assign = ("review", "assign", "--recipe", "mine", "--json")
    assert json.loads(run(*assign, "--unassigned", "--dry-run")[1])["cards"] == 3
    assert json.loads(run("review", "summary", "--json")[1])["unassigned"] == 3
    assert json.loads(run(*assign, "--model", "other/model")[1])["cards"] == 1
    assert json.loads(run(*assign, CARD)[1])["cards"] == 1
    summary = json.loads(run("review", "summary", "--json")[1])
    assert (summary["unassigned"], summary["by"]["recipe"]["mine"]["needs_review"]) == (1, 2)
    (home.recipes / "mine.toml").unlink()
    assert json.loads(run(*assign, CARD, "--remove")[1])["cards"] == 1
    assert json.loads(run("review", "summary", "--json")[1])["unassigned"] == 2


def test_an_export_of_one_recipe_says_what_it_left(run: Run, home: Home, tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        (home.recipes / f"{name}.toml").write_text("")
    path = write_lines(tmp_path / "sft_candidates.jsonl", [SEED_RECORD])
    write_lines(tmp_path / "sft_candidates.tasks.jsonl", [ADD_ONE.to_json()])
    run("review", "import", path, "--recipe", "theirs")
    approve(home, GOOD)
    export = ("review", "export", "--out", tmp_path / "out", "--json", "--recipe")
    code, out, err = run(*export, "mine")
    left = {key: json.loads(out)[key] for key in ("rows", "elsewhere", "unassigned")}
    assert code == 0 and left == {"rows": 0, "elsewhere": 1, "unassigned": 0}
    assert "1 were left because they belong to other recipes" in err
    assert json.loads(run(*export, "theirs")[1])["rows"] == 1
    assert run(*export, "nobodys")[0] == 2
