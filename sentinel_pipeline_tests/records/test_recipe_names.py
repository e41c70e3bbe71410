"""A recipe's name becomes a folder, an address and a line on a terminal: it is checked before it is
any of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.printable import is_recipe_name
from sentinel_pipeline.records.recipe import load_recipe
from sentinel_pipeline.store import Home, Store

ODD = (
    "..",
    ".hidden",
    "[red]",
    "a b",
    "a\x1b[31m",
    "a\nb",
    "-x",
    "é",
    "\u202egnp",
    "a'b",
    "x" * 65,
)


@pytest.mark.parametrize("name", ["tiny", "stage1-qwen2.5-32b-qlora", "A_b+c", "0", "x" * 64])
def test_ordinary_names_are_names(name: str) -> None:
    assert is_recipe_name(name)


@given(st.text(st.characters()))
def test_a_name_is_one_part_of_a_path_that_needs_no_escape(name: str) -> None:
    if is_recipe_name(name):
        assert name.isascii() and name.isprintable() and len(name) <= 64
        assert Path("a", name).resolve() == Path("a").resolve() / name
        assert not set(name) & set("/\\ [](){}<>&'\"%?#:$`|;*")


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_another_name_is_no_recipe_and_is_said_so(home: Home, name: str) -> None:
    source = (home.recipes / "tiny.toml").read_text()
    (home.recipes / f"{name}.toml").write_text(source)
    assert name not in home.recipe_names() and "tiny" in home.recipe_names()
    with pytest.raises(BadInput):
        home.recipe(name)
    recipes = home.every_recipe()
    assert "is not a recipe's name" in recipes.broken[name] and "tiny" in recipes.valid


def test_a_name_that_is_a_path_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "...toml"
    file.write_text("")
    with pytest.raises(BadInput, match="is not a recipe's name"):
        load_recipe(file)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../x", "/etc"])
def test_no_store_is_opened_outside_of_the_runs(home: Home, name: str) -> None:
    with pytest.raises(BadInput, match="is not a recipe's name"):
        Store.reading(home, name)
