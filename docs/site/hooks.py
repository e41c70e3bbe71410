"""Hooks of the site's builder: links to source files become names, and the changelog is a page.

The pages are read in the repository as well, where a link to a file of the code works; the site has
no code. Links from page to page are left to the builder, which fails on one that leads nowhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
"""A link to something beside ``docs/``."""


def on_files(files: Any, config: Any) -> Any:
    """``CHANGELOG.md`` stands at the top of the repository, where tools look for it."""
    from mkdocs.structure.files import File

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "changelog.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page without links that leave the docs."""
    return OUTSIDE.sub(r"\1", markdown)
