"""The options of `tapstack local`, and what is refused of them before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tapstack.core.attributes.definitions import Definitions
from tapstack.core.sources import Source, read_sources
from tapstack.deploy.attributes import load_valid
from tapstack.errors import Unavailable, UsageError
from tapstack_local.enrichment_file import read_enrichment
from tapstack_local.recording import Layout
from tapstack_local.traffic import EVENTS_PER_MIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one run.

    Parameters
    ----------
    events
        How many; None for the default, and for a whole recording.
    events_per_min
        The rate; None for as fast as possible.
    shards
        Of the stream.
    seed
        Reproduces the traffic and the faults; None draws one.
    input
        A recording to replay; ``-`` for standard input.
    layout
        What is said of the recording.
    faults
        How much goes wrong.
    reshard
        Whether shards split and merge meanwhile; None leaves it to `faults`.
    port
        Of the API; 0 chooses a free one.
    origins
        Origins of web pages that may use the API.
    sources
        File with the sources that may send; None takes events of everybody.
    write_key
        The key of the run's own events, with `sources`.
    schemas
        Folder of the schemas that events are held to; None for none.
    enrichment
        File that says what the collector adds to events or takes out; None for nothing.
    attributes
        File of declared attributes; None declares none.
    leave
        Whether to end when everything is reconciled, instead of serving the API.
    json
        Whether to print one JSON object.
    quiet
        Whether to say the verdict only.
    stack
        Run the functions, mapping and routes of an applied stack: a file with Terraform's JSON, or
        ``terraform`` to ask it.
    packages
        Folder of the functions' zips for `stack`.
    calls
        File for the functions' AWS calls in IAM's words.
    """

    events: int | None = None
    events_per_min: float | None = EVENTS_PER_MIN
    shards: int = 4
    seed: int | None = None
    input: Path | None = None
    layout: Layout = field(default_factory=Layout)
    faults: Literal["none", "some", "many"] = "none"
    reshard: bool | None = None
    port: int = 8080
    origins: tuple[str, ...] = ()
    sources: Path | None = None
    write_key: str = ""
    schemas: Path | None = None
    enrichment: Path | None = None
    attributes: Path | None = None
    leave: bool = False
    json: bool = False
    quiet: bool = False
    stack: str | None = None
    packages: Path = Path("dist")
    calls: Path | None = None


def require_known(options: Options) -> None:
    """Refuse sources that nobody could send by, and a key that is none of theirs, before anything starts."""
    if options.sources is None:
        return
    if options.stack is not None:
        raise UsageError("--sources: the stack says itself where its sources are")
    source = source_of(options)
    if source is None:
        advice = f"tapstack sources add shop --file {options.sources}"
        raise UsageError(f"--write-key: expected a live key of {options.sources}; this makes one: {advice}")
    if not source.takes("native"):
        raise UsageError(f"--write-key: the source {source.id} may not send in the native format")


def source_of(options: Options) -> Source | None:
    """Return who sends the run's own events."""
    if options.sources is None:
        return None
    try:
        return read_sources(options.sources.read_bytes()).of_key(options.write_key)
    except Unavailable as error:
        raise UsageError(f"{options.sources}: {error}") from None


def require_schemas(options: Options) -> None:
    """Refuse schemas that are not in order, before anything starts."""
    if options.schemas is None:
        return
    if options.stack is not None:
        raise UsageError("--schemas: the stack's collector has its schemas in its zip")
    from tapstack.collector.schema_folder import load_folder  # and the library with it

    load_folder(options.schemas)


def definitions_of(options: Options) -> Definitions | None:
    """Return what attributes are declared; raises `UsageError`."""
    if options.attributes is None:
        return None
    if options.stack is not None:
        raise UsageError("--attributes: the zips of a stack hold their own; see 'tapstack package --help'")
    return load_valid(options.attributes)


def require_writable(calls: Path | None) -> None:
    """Refuse a file of calls that cannot be written, before anything starts."""
    if calls is not None and (calls.is_dir() or not os.access(calls.absolute().parent, os.W_OK)):
        raise UsageError(f"--calls: expected a file in a folder that can be written, got {str(calls)!r}")


def enrichment_of(options: Options) -> Mapping[str, str]:
    """Return the collector's variables for enrichment."""
    if options.enrichment is None:
        return {}
    if options.stack is not None:
        raise UsageError("--enrichment: the stack says what its collector enriches")
    return read_enrichment(options.enrichment)
