"""The nouns, frozen and typed: what travels between rooms. No I/O, no behaviour beyond (de)serialisation."""

from .candidate import Candidate, Quarantined, RepairTrace, Row
from .labels import LABELS, CriticLabels, Label
from .messages import ROLES, Message, messages_from
from .preference import REJECTION_KINDS, PreferencePair, RejectionKind
from .report import BenchmarkReport, Interval, PairedComparison, SampleScore
from .sft_candidate import STATUSES, ReviewTask, SftCandidate
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
    "REJECTION_KINDS",
    "ROLES",
    "STATUSES",
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
    "Quarantined",
    "RejectionKind",
    "RepairTrace",
    "ReviewTask",
    "Row",
    "ScriptTests",
    "SampleScore",
    "SftCandidate",
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
