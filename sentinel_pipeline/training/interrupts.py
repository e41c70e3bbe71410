"""SIGINT and SIGTERM as a wish that a training loop reads between steps: save, then stop. A second signal ends at once."""

from __future__ import annotations

import signal
from types import FrameType

from ..errors import Infrastructure


class Interrupted(Infrastructure):
    """The job was asked to stop and kept what it had done: the same job run again goes on from there."""


class Interrupts:
    """``asked`` is the signal's name once one arrived, else None."""

    def __init__(self) -> None:
        self.asked: str | None = None

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.asked = signal.Signals(number).name

    def stop_if_asked(self, step: int) -> None:
        """Raise ``Interrupted`` if a signal arrived; call it where everything done so far is kept."""
        if self.asked is not None:
            raise Interrupted(f"stopped by {self.asked} at step {step}; what is done is kept: run again to resume.")
