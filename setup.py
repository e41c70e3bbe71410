"""What ``pyproject.toml`` cannot say: the files of a project go into the wheel, beside the code."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("data/recipes", "data/canaries", "data/alerts.toml", "workspace.yaml", "dagster.yaml")


class BuildWithProject(build_py):  # type: ignore[misc]  # setuptools has no types
    """Copy ``SHIPPED`` into ``sentinel_pipeline/shipped``, laid out like a project."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        root = Path(__file__).parent
        target = Path(self.build_lib) / "sentinel_pipeline" / "shipped"
        shutil.rmtree(target, ignore_errors=True)
        for name in SHIPPED:
            source = root / name
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy)
            else:
                shutil.copyfile(source, copy)


setup(cmdclass={"build_py": BuildWithProject})
