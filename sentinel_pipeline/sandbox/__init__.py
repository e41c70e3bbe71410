"""Running untrusted programs and saying what became of them.

``grade`` is the door for programs: programs in, results out, in order, streaming. Tests and
expected values never enter the process that runs a candidate. ``SandboxedFunction`` calls a
function of a module that is not trusted. What is not covered: kernel bugs, side channels, and total
memory without cgroups.
"""

from __future__ import annotations

from ..records.verifiers import Executable
from .functions import Called, SandboxedFunction
from .grader import Grader, grade
from .isolation import Isolation, Level, isolation
from .on_ray import RayGrader
from .outcomes import RESOURCE_CODES, Limits, Outcome, Program, Result

__all__ = [
    "RESOURCE_CODES",
    "Called",
    "Executable",
    "Grader",
    "Isolation",
    "Level",
    "Limits",
    "Outcome",
    "Program",
    "RayGrader",
    "Result",
    "SandboxedFunction",
    "grade",
    "isolation",
]
