"""The data stages on a Ray cluster of two nodes, one of which dies on the way: every file is the
one that this machine makes alone, byte for byte."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sentinel_pipeline.cluster import Shared, map_tables
from sentinel_pipeline.errors import BadInput, GateRefused
from sentinel_pipeline_tests.scale.pipeline import make_all
from sentinel_pipeline_tests.tools import RayCluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster() as nodes:
        yield nodes


def _rows(log: Path, factor: Shared[int], number: int) -> Any:
    """Takes its time, so that a node dies while it works; every fifth item has no row."""
    import pyarrow as pa
    import ray

    time.sleep(0.2)
    with (log / "nodes").open("a", encoding="ascii") as stream:
        stream.write(f"{ray.get_runtime_context().get_node_id()}\n")
    count = 0 if number % 5 == 4 else 3
    return pa.table({"value": pa.array([number * factor.get()] * count, pa.int64())})


def _refuses(number: int) -> Any:
    raise GateRefused("not here") if number == 2 else BadInput("nor here")


def test_tables_come_in_order_also_when_a_node_dies_on_the_way(
    cluster: RayCluster, tmp_path: Path
) -> None:
    second = cluster.add_node()
    tables = map_tables(partial(_rows, tmp_path, Shared(7)), list(range(60)))
    values = [next(tables)["value"].to_pylist()]
    # The second node's process may take its time to start: it is killed while it works.
    for _ in range(1200):
        if second.node_id in (tmp_path / "nodes").read_text():
            break
        time.sleep(0.1)
    assert second.node_id in (tmp_path / "nodes").read_text()
    cluster.kill(second)
    values += [table["value"].to_pylist() for table in tables]
    assert values == [[number * 7] * 3 for number in range(60) if number % 5 != 4]


def test_what_the_work_raises_is_raised_here(cluster: RayCluster) -> None:
    with pytest.raises(GateRefused, match="not here"):
        list(map_tables(_refuses, [2]))


def test_files_are_byte_for_byte_those_of_one_machine_also_when_a_node_dies(
    cluster: RayCluster, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentinel_pipeline.critic import label_blocks

    local = make_all(sources, tmp_path / "local", "local")
    second = cluster.add_node()
    label_block = map_tables

    def one_node_dies(work: Any, items: Any) -> Iterator[Any]:
        for number, table in enumerate(label_block(work, items)):
            yield table
            if number == 0:
                cluster.kill(second)

    # Killed while blocks are being labelled, all that comes after runs on the node that is left.
    monkeypatch.setattr(label_blocks, "map_tables", one_node_dies)
    on_ray = make_all(sources, tmp_path / "ray", "ray")
    assert cluster.is_gone(second)
    assert on_ray == local
    for path in sorted((tmp_path / "local").iterdir()):
        assert (tmp_path / "ray" / path.name).read_bytes() == path.read_bytes(), path.name
