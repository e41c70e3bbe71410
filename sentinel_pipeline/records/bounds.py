"""Bounds of numbers as types: a field says its own limits, and ``decode`` holds every value to
them.

A ``Meta``'s ``description`` is what a person should do about a value outside of it. What this
module does not do: check.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

LARGEST = 10_000_000
"""The most of anything that is counted: more steps, rows or tokens than any run of one machine has,
and still no number that fills the memory when a plan walks over it."""
AS_FRACTION = "Write 5 % as 0.05."

Count = Annotated[int, Meta(gt=0, le=LARGEST)]
"""At least one."""
CountOrZero = Annotated[int, Meta(ge=0, le=LARGEST)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]
"""What every random generator in use accepts."""
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1, description=AS_FRACTION)]
"""A part of a whole: none of it, all of it, or something between."""
PositiveShare = Annotated[float, Meta(gt=0, le=1, description=AS_FRACTION)]
"""A part that is not empty."""
PartialShare = Annotated[float, Meta(ge=0, lt=1, description=AS_FRACTION)]
"""A part that is not the whole."""
InnerShare = Annotated[float, Meta(gt=0, lt=1, description=AS_FRACTION)]
"""A part that is neither nothing nor the whole."""
Confidence = Annotated[float, Meta(gt=0.5, lt=1, description="Write 95 % as 0.95.")]
