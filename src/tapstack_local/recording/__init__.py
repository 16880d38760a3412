"""Recordings of real clickstreams, read as the requests that replay them.

``source`` opens a file or standard input as text, ``dialects`` splits it into rows (CSV, JSON lines, a JSON
array), ``columns`` says which column holds what, ``rows`` makes an event of a row (with ``cells``, ``times``
and ``event_types``), ``replay`` moves the events into the last hours and groups them into requests. A row
that cannot be read is one of the `problems`: it ends the reading, or it is skipped and counted.
"""

from tapstack_local.recording.reading import Layout, Recording, read_recording
from tapstack_local.recording.source import source_name

__all__ = ["Layout", "Recording", "read_recording", "source_name"]
