"""Which of the processes that train together this one is, and what they must agree on: a step's
numbers, stopping.

Rank 0 writes artifacts, ledger and progress; the others compute. In a single process every function
gives back what it got. What this module does not do: start processes (``launch`` does), or open the
group (the trainer's accelerator does).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")
LAUNCHED = "SENTINEL_LAUNCHED"
"""Set by our launcher alone: variables of somebody else's cluster that start this machine's jobs
mean nothing."""


def world() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1")) if os.environ.get(LAUNCHED) else 1


def rank() -> int:
    """Which of them this process is, from 0."""
    return int(os.environ.get("RANK", "0")) if world() > 1 else 0


def local() -> int:
    """Which of those on this machine this process is: its device's number."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that writes."""
    return world() == 1 or os.environ.get("RANK", "0") == "0"


def barrier() -> None:
    """Wait for all the others."""
    if world() > 1:
        import torch.distributed as dist

        dist.barrier()


def reduced(mean: float, total: float, flag: bool) -> tuple[float, float, bool]:
    """The mean of the processes' ``mean``, the sum of their ``total``, and whether any of them
    raised its ``flag``."""
    if world() == 1:
        return mean, total, flag
    import torch
    import torch.distributed as dist

    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    numbers = torch.tensor([mean / world(), total, float(flag)], dtype=torch.float64, device=device)
    dist.all_reduce(numbers)
    return float(numbers[0]), float(numbers[1]), bool(numbers[2] > 0)


def gathered(value: T) -> list[T]:
    """Every process's ``value``, in the order of their ranks, everywhere."""
    if world() == 1:
        return [value]
    import torch.distributed as dist

    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return values


def share(items: Sequence[T]) -> Sequence[T]:
    """This process's items, where they are divided among the processes."""
    return items[rank() :: world()]


def joined(mine: dict[str, T]) -> dict[str, T]:
    """What all processes have by name, of a work that was divided among them."""
    return {name: value for part in gathered(mine) for name, value in part.items()}


def from_main(value: T) -> T:
    """Rank 0's ``value``, everywhere."""
    if world() == 1:
        return value
    import torch.distributed as dist

    box: list[Any] = [value]
    dist.broadcast_object_list(box, src=0)
    shared: T = box[0]
    return shared
