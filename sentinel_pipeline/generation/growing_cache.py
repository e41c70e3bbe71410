"""A cache of keys and values with room to grow: a new token is written where it belongs.

Transformers' own ``DynamicCache`` makes new tensors of every layer for every token, which copies
the whole cache each time. Its layers of other kinds (sliding windows, linear attention) are taken
as they are. What this module does not do: keep memory within a bound.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import LongTensor, Tensor
    from transformers import PreTrainedConfig

_ROOM = 16
"""Tokens by which a layer grows: one copy for so many."""


def growing_cache(config: PreTrainedConfig) -> Any:
    """An empty cache for a model of that configuration."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    cache = DynamicCache(config=config)
    growing = _growing_layer()
    cache.layers = [growing() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


@lru_cache(maxsize=1)
def _growing_layer() -> type[Any]:
    """The class, made late: its base lives in Transformers."""
    from transformers.cache_utils import DynamicLayer

    class GrowingLayer(DynamicLayer):
        """``keys`` and ``values``, each of shape (rows, heads, tokens, size of a head), are the
        filled parts of larger tensors. Neither cropped nor repeated."""

        _spaces: list[Tensor]
        _filled: int

        def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
            super().lazy_initialization(key_states, value_states)
            self._fill([states[:, :, :0] for states in (key_states, value_states)], 0)

        def update(
            self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
        ) -> tuple[Tensor, Tensor]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            begin = self._filled
            end = begin + key_states.shape[-2]
            if end > self._spaces[0].shape[-2]:
                self._spaces = [_with_room(space[:, :, :begin], end) for space in self._spaces]
            for space, states in zip(self._spaces, (key_states, value_states), strict=True):
                space[:, :, begin:end] = states
            return self._fill(self._spaces, end)

        def reorder_cache(self, beam_idx: LongTensor) -> None:
            if not self.is_initialized:
                return
            filled = self._filled
            kept = [space[:, :, :filled].index_select(0, beam_idx) for space in self._spaces]
            self._fill([_with_room(each, filled) for each in kept], filled)

        def _fill(self, spaces: list[Tensor], tokens: int) -> tuple[Tensor, Tensor]:
            self._spaces, self._filled = spaces, tokens
            keys, values = (space[:, :, :tokens] for space in spaces)
            self.keys, self.values = keys, values
            return keys, values

    return GrowingLayer


def _with_room(filled: Tensor, tokens: int) -> Tensor:
    """A tensor that begins with ``filled`` and has room for ``tokens`` and some more."""
    rows, heads, _, size = filled.shape
    space = filled.new_empty(rows, heads, tokens + _ROOM, size)
    space[:, :, : filled.shape[-2]] = filled
    return space
