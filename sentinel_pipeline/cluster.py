"""Work on a Ray cluster, results in input order: batches of items as Ray tasks (``map_batches``),
and blocks of tables by Ray Data (``map_tables``); what was lost with a process or a node runs
again, and a bounded number of results is on its way.

No cluster is started here: Ray's processes listen on every interface of a machine, so whoever runs
one decides where. A batch may run more than once (a node that dies takes its batches with it), so
the work must be idempotent: the same items give the same results and nothing else happens. Tasks,
no actors: an actor holds its processor, and where actors hold all of them tasks wait for ever. What
a task should keep warm it keeps in its own process. What this module does not do: know what the
work is.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

from .errors import BadInput, Infrastructure, SentinelError

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 3
"""How often Ray runs a batch again whose process or node died."""
_AHEAD = 2
"""Batches on their way for each processor of the cluster: the next one is there when one is
done."""
_LEAST_AHEAD = 4
_POLL_S = 0.3


def connect() -> Any:
    """The ``ray`` module, connected to the cluster that ``RAY_ADDRESS`` names, or as this process
    is connected already.

    Raises:
        BadInput: Ray is not installed, or no cluster is named.
        Infrastructure: the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise BadInput(
            "Ray is not installed.", fix="Install the extra: pip install 'sentinel-pipeline[ray]'."
        ) from None
    if ray.is_initialized():
        return ray
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        fix = "Start one (ray start --head) and set RAY_ADDRESS to it, or to auto for one on this machine."
        raise BadInput("no Ray cluster is named.", field="RAY_ADDRESS", fix=fix)
    try:
        with _SignalsKept():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise Infrastructure(f"the Ray cluster at {address} does not answer: {error}") from error
    return ray


def map_batches(
    work: Callable[[list[T]], list[R]],
    items: Iterable[T],
    *,
    size: int,
    cpus: float = 1.0,
    gpus: float = 0.0,
    lost: Callable[[T, str], R] | None = None,
) -> Generator[R, None, None]:
    """``work`` over ``items``, ``size`` at a time, each batch on ``cpus`` processors and ``gpus``
    devices; streaming, in order.

    ``work`` gives one result for each item. What it raises is raised here. Batches that are on
    their way then, or when the reader stops early, run to their end and nobody reads them: a task
    that ends while it is cancelled aborts the process that asked (Ray 2.60). ``lost`` makes the
    result of an item whose batch could not be had in ``RETRIES`` + 1 tries; without it that is an
    error.

    Raises:
        Infrastructure: a batch was lost for good, or its results are not one for each item.
    """
    ray = connect()
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(_run)
    ahead = max(_LEAST_AHEAD, _AHEAD * int(ray.cluster_resources().get("CPU", 1) / max(cpus, 1.0)))
    source = iter(items)
    # The oldest batch is waited for while the others run: results come in the input's order.
    out: deque[tuple[list[T], Any]] = deque()
    while True:
        while len(out) < ahead and (batch := list(islice(source, size))):
            out.append((batch, task.remote(work, batch)))
        if not out:
            return
        batch, reference = out.popleft()
        yield from _fetch(ray, reference, batch, lost)


class Shared(Generic[T]):
    """A value that many tasks need, such as an index of benchmark items: it goes to the cluster's
    object store once, and each process of the cluster reads it once."""

    def __init__(self, value: T) -> None:
        ray = connect()
        self._name = uuid4().hex
        self._reference = ray.put(pickle.dumps(value))

    def get(self) -> T:
        """The value, in a task."""
        if self._name not in _VALUES:
            import ray

            # One at a time: a process that has gone on to other work needs no older one.
            _VALUES.clear()
            _VALUES[self._name] = pickle.loads(ray.get(self._reference))
        value: T = _VALUES[self._name]
        return value


_VALUES: dict[str, Any] = {}
"""This Ray process's shared value: at most one."""


def map_tables(work: Callable[[T], pa.Table], items: Sequence[T]) -> Iterator[pa.Table]:
    """``work`` on each item, one item a task of one processor, by Ray Data: one Arrow table for
    each item, in the order of the items, those without a row left out.

    Ray Data bounds what is on its way, spills it to disk where the object stores are full, and
    makes lost tables again. What ``work`` raises is raised here.

    Raises:
        Infrastructure: a table could not be had, or tables came out of order.
    """
    if not items:
        return
    ray = connect()
    import pyarrow as pa
    from ray import data as ray_data

    context = ray_data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.raise_original_map_exception = True

    def run(batch: pa.Table) -> pa.Table:
        number = batch["number"][0].as_py()
        table = work(pickle.loads(batch["item"][0].as_py()))
        return table.append_column(_NUMBER, pa.array([number] * table.num_rows, pa.int64()))

    numbered = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
    results: Iterable[Any] = (
        ray_data.from_items(numbered, override_num_blocks=len(numbered))
        .map_batches(run, batch_size=1, batch_format="pyarrow", num_cpus=1)
        .iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1)
    )
    number = -1
    parts: list[pa.Table] = []
    try:
        for table in results:
            # A table may come in several parts, and Ray Data may put small ones together.
            while table.num_rows:
                here = table[_NUMBER][0].as_py()
                if here < number:
                    raise Infrastructure(f"table {here} came after table {number}")
                if here > number:
                    if parts:
                        yield pa.concat_tables(parts)
                    number = here
                    parts = []
                count = table[_NUMBER].to_numpy().searchsorted(here, side="right")
                parts.append(table.slice(0, count).drop_columns([_NUMBER]))
                table = table.slice(count)
        if parts:
            yield pa.concat_tables(parts)
    except ray.exceptions.RayError as error:
        raise _cause_of(error) from error


_NUMBER = "number of the item"
"""The column that says which item a row is of, while tables are on their way."""


def _cause_of(error: BaseException) -> BaseException:
    """What the work itself raised; else that the cluster failed."""
    cause: BaseException | None = error
    while cause is not None:
        for inner in (getattr(cause, "cause", None), cause):
            if isinstance(inner, SentinelError):
                return inner
        cause = cause.__cause__
    reason = str(error).strip().splitlines()
    return Infrastructure(f"{type(error).__name__}: {reason[-1] if reason else 'no reason given'}")


def run_task(
    work: Callable[..., R], *arguments: Any, gpus: float = 0.0, poll: Callable[[], None]
) -> R:
    """``work`` as one task, ``poll`` being called while it runs; a task whose process or node died
    runs again, so it must resume.

    ``gpus`` are asked for where the cluster has any. What ``work`` raises is raised here.

    Raises:
        Infrastructure: the task was lost for good.
    """
    ray = connect()
    device_count = gpus if ray.cluster_resources().get("GPU") else 0
    reference = ray.remote(num_cpus=1, num_gpus=device_count, max_retries=RETRIES)(work).remote(
        *arguments
    )
    while not ray.wait([reference], timeout=_POLL_S)[0]:
        poll()
    try:
        result: R = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise Infrastructure(
            f"the task was lost {RETRIES + 1} times: {type(error).__name__}: {reason}"
        ) from error
    return result


def _run(work: Callable[[list[T]], list[R]], batch: list[T]) -> list[R]:
    return work(batch)


def _fetch(ray: Any, reference: Any, batch: list[T], lost: Callable[[T, str], R] | None) -> list[R]:
    try:
        results: list[R] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = f"a batch was lost {RETRIES + 1} times: {type(error).__name__}"
        if lost is None:
            raise Infrastructure(f"{reason}: {str(error).strip().splitlines()[0]}") from error
        return [lost(item, reason) for item in batch]
    if len(results) != len(batch):
        raise Infrastructure(f"a batch of {len(batch)} items came back with {len(results)} results")
    return results


class _SignalsKept:
    """Ray takes SIGTERM for itself; a stage that saves its work on it must keep its own handler."""

    def __enter__(self) -> None:
        self.before = signal.getsignal(signal.SIGTERM)

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread() and self.before is not None:
            signal.signal(signal.SIGTERM, self.before)
