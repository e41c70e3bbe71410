"""Cells of a Markdown table stay whole, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sentinel_pipeline.markdown import table


def test_a_stop_token_is_shown_whole() -> None:
    page = MarkdownIt("zero").enable("table").render(table(("", ""), [("stop", "<|im_end|>")]))
    assert "<td>&lt;|im_end|&gt;</td>" in page


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_any_text_makes_as_many_cells_as_it_should(rows: list[tuple[str, str]]) -> None:
    page = MarkdownIt("zero").enable("table").render(table(("a", "b"), rows))
    assert page.count("<td>") + page.count("<td ") == 2 * len(rows)
    assert page.count("<tr>") == len(rows) + 1
