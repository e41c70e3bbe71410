"""The nouns, frozen and typed: what travels between rooms. No I/O, no behaviour beyond
(de)serialisation.

Importing them loads the standard library alone, since the process that judges programs has no
packages; what reads them (``decode``) is loaded when something is read. ``sft_candidate`` and the
recipe's sections are imported by their own names.
"""

from .candidate import Candidate, Quarantined, RepairTrace, Row
from .labels import LABELS, QUALITIES, CriticLabels, Label, Quality
from .messages import ROLES, Message, messages_from
from .preference import REJECTION_KINDS, PreferencePair, RejectionKind
from .report import BenchmarkReport, Interval, PairedComparison, SampleScore
from .task import CATEGORIES, Task
from .verdict import Decided, GateVerdict, VerdictKey
from .verifiers import (
    Constraints,
    FieldsAnswer,
    FunctionCalls,
    GroundedText,
    JsonAnswer,
    JudgedAnswer,
    PatchApplies,
    PythonTests,
    ScriptTests,
    ShellEffect,
    SqlAnswer,
    StdioTests,
    TextAnswer,
    Verifier,
    verifier_from_json,
    verifier_to_json,
)

__all__ = [
    "CATEGORIES",
    "LABELS",
    "QUALITIES",
    "REJECTION_KINDS",
    "ROLES",
    "BenchmarkReport",
    "Candidate",
    "Constraints",
    "CriticLabels",
    "FieldsAnswer",
    "FunctionCalls",
    "Decided",
    "GateVerdict",
    "VerdictKey",
    "GroundedText",
    "Interval",
    "JsonAnswer",
    "JudgedAnswer",
    "Label",
    "Message",
    "PairedComparison",
    "PatchApplies",
    "PreferencePair",
    "PythonTests",
    "Quality",
    "Quarantined",
    "RejectionKind",
    "RepairTrace",
    "Row",
    "ScriptTests",
    "SampleScore",
    "ShellEffect",
    "SqlAnswer",
    "StdioTests",
    "Task",
    "TextAnswer",
    "Verifier",
    "messages_from",
    "verifier_from_json",
    "verifier_to_json",
]
