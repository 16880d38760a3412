"""The result of a run: its figures, and the sentence and exit code that follow from them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tapstack_local.refusals import Refusal

OK, FAILED, INTERRUPTED, TERMINATED = 0, 1, 130, 143

Ending = Literal["whole", "interrupted", "terminated", "failed"]


class Summary(msgspec.Struct, kw_only=True):
    """The figures of a run, as ``--json`` prints them with `verdict_of` and `exit_code_of`.

    Parameters
    ----------
    planned, sent, unsent
        Events that were to be sent, that were, and that were not.
    skipped_rows, skipped_examples
        Rows of a recording that were left out as asked; the first ones, and what is wrong with them.
    accepted
        Valid events answered ``ok`` or ``duplicate``.
    invalid, invalid_accepted
        Events that are invalid on purpose: refused; taken all the same.
    refused
        Valid events that were refused.
    schema_refused
        Events that break a schema which has them refused, and were.
    unanswered
        Events sent and never answered for.
    failures
        Why, with the first events of each kind.
    repeated
        Events sent again as asked.
    reconciled
        Whether the tables were compared. If not, what follows up to `overcounted` is None.
    applied, duplicates, late
        Of the events of this run: distinct ones counted, copies, and stored as late.
    unfolded
        What the projector left of the journal, in words; empty if nothing. Then figures of items are too low.
    failed_folds
        Invocations of the projector that failed; they are repeated.
    quarantined, gaps
        Records in quarantine; numbers missing in the clients' sequences.
    lost, overcounted
        See `tapstack_local.reconciliation.checker`.
    external_requests, external_applied, external_late
        What others sent meanwhile: requests, and events of theirs that are counted and late.
    sources
        Distinct events that are counted, by source; empty if write keys are not checked.
    events_per_s
        From the first request until all was consumed.
    visible_ms
        From the answer until the count could be read: p50, p99, max.
    never_visible
        Users of that sample whom the API did not show.
    wall_s
        How long it all took.
    seed, shards, faults
        What was run; faults by name.
    ending
        ``whole``, or what ended it before.
    error
        What failed, in words; empty if nothing.
    """

    planned: int = 0
    sent: int = 0
    unsent: int = 0
    skipped_rows: int = 0
    skipped_examples: list[str] = msgspec.field(default_factory=list)
    accepted: int = 0
    invalid: int = 0
    invalid_accepted: int = 0
    refused: int = 0
    schema_refused: int = 0
    unanswered: int = 0
    failures: list[Refusal] = msgspec.field(default_factory=list)
    repeated: int = 0
    reconciled: bool = False
    applied: int | None = None
    duplicates: int | None = None
    late: int | None = None
    unfolded: str = ""
    failed_folds: int = 0
    quarantined: int | None = None
    gaps: int | None = None
    lost: int | None = None
    overcounted: int | None = None
    external_requests: int = 0
    external_applied: int | None = None
    external_late: int | None = None
    sources: dict[str, int] = msgspec.field(default_factory=dict)
    events_per_s: float | None = None
    visible_ms: dict[str, float | None] = msgspec.field(default_factory=dict)
    never_visible: int = 0
    wall_s: float = 0.0
    seed: int = 0
    shards: int = 0
    faults: dict[str, int] = msgspec.field(default_factory=dict)
    ending: Ending = "whole"
    error: str = ""


def as_json(summary: Summary) -> bytes:
    """Return the one object of ``--json``."""
    fields: dict[str, Any] = msgspec.to_builtins(summary)
    said = {"verdict": verdict_of(summary), "exit_code": exit_code_of(summary)}
    return msgspec.json.encode({**fields, "interrupted": summary.ending == "interrupted", **said})


def exit_code_of(summary: Summary) -> int:
    """Return the exit code: 0 only if everything was sent, and each event counted exactly once or late."""
    if _faults_found(summary) or summary.ending == "failed":
        return FAILED
    if summary.ending == "whole":
        return OK if summary.reconciled and not summary.unsent else FAILED
    return INTERRUPTED if summary.ending == "interrupted" else TERMINATED


def verdict_of(summary: Summary) -> str:
    """Return the result in one sentence, which claims no more than was checked."""
    parts = []
    if summary.ending == "failed":
        parts.append(f"Not finished: {summary.error}")
    elif summary.ending != "whole":
        parts.append(f"{summary.ending.capitalize()}{f' ({summary.error})' if summary.error else ''}")
    if summary.unsent or summary.ending != "whole":
        parts.append(f"{summary.sent:,} of {summary.planned:,} events sent, {summary.unsent:,} not sent")
    found = _faults_found(summary)
    if found:
        parts.append(f"NOT exact: {', '.join(found)} (seed {summary.seed})")
    elif not summary.reconciled:
        parts.append("nothing was compared")
    else:
        parts.append(_exact(summary))
    sentence = "; ".join(parts)
    return sentence[:1].upper() + sentence[1:]


def _faults_found(summary: Summary) -> list[str]:
    found = []
    if summary.lost or summary.overcounted:
        found += [f"{summary.lost or 0:,} lost", f"{summary.overcounted or 0:,} overcounted"]
    if summary.unfolded:
        found.append(summary.unfolded)
    if summary.refused:
        found.append(f"{summary.refused:,} valid events refused{_example(summary, 'refused')}")
    if summary.invalid_accepted:
        found.append(f"{summary.invalid_accepted:,} invalid events accepted{_example(summary, 'accepted')}")
    if summary.unanswered:
        found.append(f"{summary.unanswered:,} events never answered for{_example(summary, 'unanswered')}")
    # A user is not shown either if all of his events are late, for which there is a reason.
    if summary.never_visible > (summary.late or 0) and summary.reconciled:
        found.append(f"{summary.never_visible:,} users never shown by the API")
    return found


def _example(summary: Summary, kind: str) -> str:
    """Return the most frequent reason, and where it occurred first."""
    alike = [failure for failure in summary.failures if failure.kind == kind]
    if not alike:
        return ""
    worst = max(alike, key=lambda failure: failure.count)
    return f" ({worst.reason}; first {worst.examples[0]})"


def _exact(summary: Summary) -> str:
    late = f", {summary.late:,} stored as late" if summary.late else ""
    kept = f", {summary.quarantined:,} in quarantine" if summary.quarantined else ""
    skipped = f", {summary.skipped_rows:,} rows skipped" if summary.skipped_rows else ""
    which = "every event that was sent" if summary.unsent or summary.ending != "whole" else "every event"
    refused = f", {summary.schema_refused:,} refused for a schema" if summary.schema_refused else ""
    fates = ["counted exactly once", *(["stored as late"] if late else [])]
    fates += ["refused for a schema and kept"] if refused else []
    return (
        f"{which} was {' or '.join(fates)}: {summary.applied:,} applied, "
        f"{summary.duplicates:,} duplicates recognised{late}{refused}{kept}{skipped}, "
        "0 lost, 0 overcounted."
    )
