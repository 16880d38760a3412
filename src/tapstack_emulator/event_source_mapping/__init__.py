"""Lambda's event source mapping for Kinesis, emulated: a pure machine and a loop around it.

`machine.step` is the mapping as a pure function; `runner.MappingRunner` drives it in real time, `deliver` in
a test. See docs/reference/event-source-mapping.md for the semantics and their sources.
"""

from __future__ import annotations

from tapstack_emulator.event_source_mapping.choices import QUESTIONS, Choices, FixedChoices, SeededChoices
from tapstack_emulator.event_source_mapping.config import MappingConfig, Pacing
from tapstack_emulator.event_source_mapping.delivery import Delivered, SteppingClock, deliver
from tapstack_emulator.event_source_mapping.machine import create, step
from tapstack_emulator.event_source_mapping.model import MappingState
from tapstack_emulator.event_source_mapping.payload import Record
from tapstack_emulator.event_source_mapping.responses import InvokeResult
from tapstack_emulator.event_source_mapping.runner import Destination, Function, MappingRunner

__all__ = [
    "QUESTIONS",
    "Choices",
    "Delivered",
    "Destination",
    "FixedChoices",
    "Function",
    "InvokeResult",
    "MappingConfig",
    "MappingRunner",
    "MappingState",
    "Pacing",
    "Record",
    "SeededChoices",
    "SteppingClock",
    "create",
    "deliver",
    "step",
]
