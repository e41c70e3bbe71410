"""What a test needs of the machine: missing on a user's machine it skips, in CI it fails."""

from __future__ import annotations

import datetime as dt
import importlib.util
import inspect
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest


def missing_tool(what: str) -> None:
    """Skip on a user's machine, naming what is missing; in CI a missing tool is a failure, since CI
    installs it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI installs it")
    pytest.skip(f"{what} is missing")


@contextmanager
def days_ago(days: int) -> Iterator[None]:
    """What the ledger records within was recorded that long ago; its chain holds the time too, so
    that no record can be aged afterwards."""

    class Earlier(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.now(tz) - dt.timedelta(days=days)

    clock = SimpleNamespace(datetime=Earlier, UTC=dt.UTC, timedelta=dt.timedelta)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sentinel_pipeline.store.ledger.dt", clock)
        yield


def need_package(name: str) -> None:
    """Skip on a user's machine where the package is not installed."""
    if importlib.util.find_spec(name) is None:
        missing_tool(name)


class RayCluster:
    """Ray nodes of one processor each on this machine, and this process connected to them; ``with``
    ends them all.

    Ray 2.60 gives a node's agent 15 seconds to write down its ports, and ends the node where it is
    late, as on a busy machine (ray#65983). What these nodes need of an agent is nothing: its ports
    are chosen here, and it is told to be there without a web server.
    """

    def __enter__(self) -> RayCluster:
        try:
            from ray._private import services, utils
            from ray.cluster_utils import Cluster
        except ImportError:
            missing_tool("Ray")
        from sentinel_pipeline.cluster import connect

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self._patch = pytest.MonkeyPatch()
        for name in ("RAY_raylet_start_wait_time_s", "RAY_worker_register_timeout_seconds"):
            self._patch.setenv(name, "300")
        start = services.start_raylet

        def start_raylet(*arguments: Any, **options: Any) -> Any:
            raylet: Any = import_module("ray._raylet")
            bound = inspect.signature(start).bind(*arguments, **options).arguments
            agent_port = "dashboard_agent_listen_port"
            raylet.persist_port(bound["session_dir"], bound["node_id"], agent_port, -1)
            return start(*arguments, **options)

        self._patch.setattr(services, "start_raylet", start_raylet)
        no_server = ImportError("these nodes have no web server")
        self._patch.setattr(utils, "get_dashboard_dependency_error", lambda: no_server)
        head = {"num_cpus": 1, "include_dashboard": False, **self._ports()}
        # A node that a process starts takes SIGTERM for itself; on a user's machine it is started
        # by another process, and what these tests look at is what connecting takes.
        handler = signal.getsignal(signal.SIGTERM)
        self._nodes = Cluster(initialize_head=True, head_node_args=head)
        signal.signal(signal.SIGTERM, handler)
        self._patch.setenv("RAY_ADDRESS", self._nodes.address)
        connect()
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()
        self._nodes.shutdown()
        self._patch.undo()

    def add_node(self) -> Any:
        """One more node of one processor."""
        handler = signal.getsignal(signal.SIGTERM)
        node = self._nodes.add_node(num_cpus=1, **self._ports())
        signal.signal(signal.SIGTERM, handler)
        return node

    def kill(self, node: Any) -> None:
        """End a node at once, with all that is on it."""
        self._nodes.remove_node(node, allow_graceful=False)

    def is_gone(self, node: Any) -> bool:
        """Whether the cluster learns, within two minutes, that a node is dead: at once by a broken
        connection, or late by health checks."""
        import ray

        for _ in range(120):
            if not any(each["NodeID"] == node.node_id and each["Alive"] for each in ray.nodes()):
                return True
            time.sleep(1)
        return False

    @staticmethod
    def _ports() -> dict[str, Any]:
        names = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port")
        ports: dict[str, Any] = {}
        with ExitStack() as stack:
            for name in names:
                place = stack.enter_context(socket.socket())
                place.bind(("", 0))
                ports[name] = place.getsockname()[1]
        return ports
