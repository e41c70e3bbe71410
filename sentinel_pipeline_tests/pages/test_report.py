"""``sentinel report --html``: one file that has everything, loads nothing and runs nothing,
whatever a model wrote."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.pages.report import FAILURES, SUCCESSES, report_page
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.web.test_samples import HOSTILE, sample, write
from sentinel_pipeline_tests.web.test_training import train


class Loads(HTMLParser):
    """Everything in a page that a browser would fetch, run or follow."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)


@pytest.fixture
def page(home: Home) -> str:
    write(home, "base", [sample(str(place), "fail", HOSTILE) for place in range(30)])
    answers = [sample(str(place), "pass", "print(1)") for place in range(20)]
    answers += [sample(str(place), "fail", HOSTILE) for place in range(20, 30)]
    write(home, "sft", answers)
    train(home, "sft", "run-1")
    return report_page(home, "tiny")


def test_the_file_loads_and_runs_nothing_though_every_answer_is_hostile(page: str) -> None:
    loads = Loads(page)
    assert not loads.tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base"}
    assert (loads.addresses, loads.handlers) == ([], [])
    assert "default-src 'none'" in page
    assert "url(" not in page and "@import" not in page
    assert "&lt;script&gt;alert(1)" in page, "it is shown, as text"


def test_it_has_rates_gates_curves_samples_provenance_and_the_card(page: str, home: Home) -> None:
    assert "66.7 % [" in page and 'aria-label="heldout: base 0.0 %' in page
    assert "base → sft on heldout" in page
    assert "pass_at_1" in page and "skipped" in page
    assert "Loss: tiny run-1" in page and "Learning rate" in page
    assert page.count("<details><summary>") == FAILURES + SUCCESSES + 1, "the samples, the recipe"
    assert "sft_report" in page and "max_completion_length = 64" in page
    assert "may not be released" in page, "its gates were never decided"


def test_the_verb_writes_one_file_and_says_where(home: Home, page: str, tmp_path: Path) -> None:
    out = tmp_path / "tiny.html"
    done = CliRunner().invoke(app, ["report", "tiny", "--html", "--out", str(out), "--json"])
    told = json.loads(done.stdout)
    assert told["html"] == str(out) and out.read_text().startswith("<!doctype html>")
    assert out.stat().st_size < 300_000
    assert told["rates"]["heldout"]["sft"].startswith("66.7 % [")
    assert "base → sft" in told["change"][0]


def test_a_recipe_without_a_report_says_what_to_do(home: Home) -> None:
    with pytest.raises(BadInput, match="Run it first: sentinel run tiny"):
        report_page(home, "tiny")
