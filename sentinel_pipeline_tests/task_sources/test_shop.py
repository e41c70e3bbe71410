"""A project over a shop's database of its own: what `sentinel plan` says of it and what its task
bank holds."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import FieldsAnswer, GroundedText, SqlAnswer
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.task_sources.divide import Placed, divide

RECIPE = """
description = "A shop of one's own."
seed = 17
stages = ["sft", "grpo"]

[[tasks.source]]
name = "extraction"
database = "commerce.db"
table = "orders_enriched"
where = "sentiment is not null"
limit = 200
prompt = "Pedido {order_id} ({category}): {review}\\nJSON: sentiment, complaint."
expected = ["sentiment", "complaint"]

[[tasks.source]]
name = "insights"
database = "commerce.db"
table = "orders_enriched"
where = "sentiment = 'negative'"
limit = 350
prompt = "Order {order_id}, category {category}, complaint {complaint}, score {score}, total {total}.\\n\\nWrite an insight."
must_mention = ["category", "complaint"]
words = [8, 60]
language = "en"
near_duplicates = 1.0

[[tasks.source]]
name = "sql_qa"
file = "questions.jsonl"
database = "commerce.db"
split = { train = 0.6, window = 0.2, heldout = 0.2 }

[mix]
shares = { tool_use = 0.6, devops = 0.4 }

[grpo]
method = "full"
max_steps = 4
num_generations = 4
max_prompt_length = 256
max_completion_length = 128
"""
CATEGORIES = ("lamp", "sofa", "kettle", "rug", "chair")
COMPLAINTS = ("delivery", "quality", "price")
WORDS = ("caixa", "porta", "prazo", "cor", "luz", "peso", "loja", "mesa", "vidro", "nota")
COLUMNS = "order_id integer, category text, total real, score integer, sentiment text, complaint text, review text"


def shop(root: Path) -> Path:
    """A project with a recipe, 1,500 orders and a few questions."""
    rng = Random(3)
    orders = []
    for number in range(1, 1501):
        sentiment = rng.choice(("negative", "negative", "neutral", "positive"))
        complaint = rng.choice(COMPLAINTS) if sentiment == "negative" else "none"
        words = " ".join(rng.choices(WORDS, k=18))
        orders.append(
            (number, rng.choice(CATEGORIES), round(rng.uniform(10, 900), 2), rng.randint(1, 5), sentiment, complaint, words)
        )  # fmt: skip
    with sqlite3.connect(root / "commerce.db") as database:
        database.execute(f"create table orders ({COLUMNS})")
        database.executemany("insert into orders values (?, ?, ?, ?, ?, ?, ?)", orders)
        database.execute("create view orders_enriched as select * from orders")
    questions = [
        f"select count(*) from orders_enriched where {column} = '{value}'"
        for column, values in (
            ("category", CATEGORIES),
            ("complaint", COMPLAINTS),
            ("sentiment", ("negative", "positive")),
        )
        for value in values
    ]
    rows = [
        {"prompt": f"Question {number}: how many orders are of this kind?\n{sql[48:]}", "sql": sql}
        for number, sql in enumerate(questions)
    ]
    (root / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "data" / "recipes").mkdir(parents=True)
    (root / "data" / "recipes" / "shop.toml").write_text(RECIPE)
    (root / "workspace.yaml").write_text("load_from: []\n")
    return root


def bank(root: Path) -> list[Placed]:
    recipe = load_recipe(root / "data" / "recipes" / "shop.toml")
    scratch = root / "scratch"
    scratch.mkdir()
    division = divide(recipe.tasks.source, recipe.seed, root=root, scratch=scratch)
    return [item for item in division.rows(recipe.critic) if isinstance(item, Placed)]


def test_the_bank_holds_tasks_of_the_database_drawn_at_random(tmp_path: Path) -> None:
    items = bank(shop(tmp_path))
    tasks = [item.row.task for item in items if item.row.task is not None]
    families = Counter(task.family for task in tasks)
    assert families["insights"] == 350
    assert families["extraction"] > 150
    assert families["sql_qa"] == 10
    insights = [task for task in tasks if task.family == "insights"]
    records = [
        json.loads(task.verifier.record)
        for task in insights
        if isinstance(task.verifier, GroundedText)
    ]
    assert {record["sentiment"] for record in records} == {"negative"}
    numbers = [record["order_id"] for record in records]
    assert len(set(numbers)) == 350
    # Some 750 of the 1,500 orders are negative: the first 350 of them would end near order 700.
    assert sum(number > 1000 for number in numbers) > 60
    assert all(
        isinstance(task.verifier, FieldsAnswer) for task in tasks if task.family == "extraction"
    )
    (question, *_) = [task.verifier for task in tasks if isinstance(task.verifier, SqlAnswer)]
    assert len(question.other_setups) == 1
    sides = {item.side for item in items if item.row.task and item.row.task.family == "sql_qa"}
    assert "train" in sides


def test_an_insight_of_the_shop_is_scored_in_english(tmp_path: Path) -> None:
    (task, *_) = [
        item.row.task
        for item in bank(shop(tmp_path))
        if item.row.task is not None and item.row.task.family == "insights"
    ]
    assert isinstance(task.verifier, GroundedText)
    record = json.loads(task.verifier.record)
    text = (
        f"The {record['category']} of this order has a complaint about {record['complaint']} "
        f"and a score of {record['score']}: review it with the supplier."
    )
    answers = [text, text.replace("this order", "order 99999"), "Revise o pedido, por favor."]
    scores = score(
        Scorable(str(n), task.messages, answer, task.verifier) for n, answer in enumerate(answers)
    )
    results = [(result.outcome, result.reason.partition(":")[0]) for result in scores]
    assert results[0][0] == "pass"
    assert results[1] == ("fail", "invented")
    assert results[2][0] == "fail"


def test_plan_counts_the_shops_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop(tmp_path))
    result = CliRunner().invoke(app, ["plan", "shop", "--json"])
    assert result.exit_code == 0, result.output
    tasks = json.loads(result.stdout)["tasks"]
    train = tasks["train"]
    assert train["insights"] + train["extraction"] + train["sql_qa"] + tasks["reward"] > 400
    assert 0 < tasks["reward"] < sum(train.values()) / 3, "fresh prompts are taken off training's"
    assert tasks["sources"]["sources"]["insights"]["tasks"] == 350
    assert "failed" not in tasks["sources"]["references"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('table = "orders_enriched"', 'table = "orders_enrichd"', "Did you mean 'orders_enriched'? Known: orders"),
        ('expected = ["sentiment", "complaint"]', 'expected = ["mood"]', "orders_enriched has no column 'mood'"),
        ('database = "commerce.db"', 'database = "shop.db"', "there is no such file"),
    ],
)  # fmt: skip
def test_plan_ends_with_exit_code_2_naming_what_the_database_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, expected: str
) -> None:
    root = shop(tmp_path)
    recipe = root / "data" / "recipes" / "shop.toml"
    recipe.write_text(RECIPE.replace(old, new, 1))
    monkeypatch.chdir(root)
    result = CliRunner().invoke(app, ["plan", "shop", "--json"])
    assert result.exit_code == 2
    shown = str(result.exception) + result.output
    assert expected in shown
    assert ".db" in shown and "tasks.source[0]" in shown
