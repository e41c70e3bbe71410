"""The extra ``gpu`` installs together with the pins: what vLLM and the packages that bound it
require is read from their metadata; no wheel is downloaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
BOUNDING = ("mistral_common", "numba", "compressed-tensors", "opencv-python-headless", "fastapi")
"""Requirements of vLLM that have bounds of their own on what we pin."""


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("==", 1) for line in lines if "==" in line and not line.startswith("#")]
    return {canonicalize_name(package): version.strip() for package, version in rows}


def test_the_pins_for_a_gpu_are_the_others_but_for_what_vllm_asks() -> None:
    plain, gpu = pins("constraints.txt"), pins("constraints-gpu.txt")
    assert {name for name in gpu if plain.get(name) != gpu[name]} == {"numpy", "vllm"}
    assert plain.keys() <= gpu.keys()


def test_the_pinned_vllm_is_one_that_the_extra_and_trl_take() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extra,) = [
        Requirement(text)
        for text in project["optional-dependencies"]["gpu"]
        if Requirement(text).name == "vllm"
    ]
    assert extra.specifier.contains(pins("constraints-gpu.txt")["vllm"])


@pytest.mark.slow
def test_nothing_that_vllm_requires_speaks_against_a_pin(tmp_path: Path) -> None:
    pinned = pins("constraints-gpu.txt")
    report = tmp_path / "report.json"

    def metadata(*packages: str) -> list[dict[str, object]]:
        command = [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet",
            "--only-binary", ":all:", "--report", str(report), *packages,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            pytest.skip(f"no package index can be asked: {done.stderr.strip().splitlines()[-1:]}")
        return [row["metadata"] for row in json.loads(report.read_text())["install"]]

    (vllm,) = metadata(f"vllm=={pinned['vllm']}")
    asked = {
        canonicalize_name(requirement.name): requirement for requirement in requirements_of(vllm)
    }
    bounding = [str(asked[canonicalize_name(name)]).split(";")[0] for name in BOUNDING]
    for package in [vllm, *metadata(*bounding)]:
        for requirement in requirements_of(package):
            version = pinned.get(canonicalize_name(requirement.name))
            assert version is None or requirement.specifier.contains(version), (
                f"{package['name']} {package['version']} requires {requirement}, pinned is {version}"
            )


def requirements_of(package: dict[str, object]) -> list[Requirement]:
    """What a package requires on this Python, without extras."""
    texts = package.get("requires_dist", [])
    assert isinstance(texts, list)
    parsed = [Requirement(text) for text in texts]
    return [row for row in parsed if row.marker is None or row.marker.evaluate({"extra": ""})]
