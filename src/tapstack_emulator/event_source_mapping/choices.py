"""What no source settles about the event source mapping, as questions somebody else answers.

The simulation answers from its seed, so that a handler is never correct by luck; the embedded cloud
answers the same way each time.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Question(NamedTuple):
    """An undocumented behaviour.

    Parameters
    ----------
    options
        The behaviours within the documented bounds; the first is the fixed answer.
    meaning
        What is being asked.
    """

    options: tuple[str, ...]
    meaning: str


QUESTIONS: dict[str, Question] = {
    "bisect_attempts": Question(
        ("not_consumed", "inherit", "reset"),
        "How many attempts the halves of a bisected batch start with: those before the failure, those "
        "including it (then an exhausted batch is discarded whole), or none.",
    ),
    "bisect_order": Question(
        ("first_half_first", "second_half_first"),
        "Which half of a bisected batch is delivered first. The checkpoint waits for both.",
    ),
    "partial_retry": Question(
        ("backoff", "immediate"), "Whether the rest of a batch that made progress waits before its retry."
    ),
    "progress_attempts": Question(
        ("reset", "kept"),
        "Whether progress gives back the attempts that failures before it used up. It uses up none itself "
        "(recorded); no recording has a failure before the progress.",
    ),
    "regroup_retry": Question(
        ("same", "fewer", "more"),
        "Whether a retry holds the same records, only the first of them, or (without a retry limit) more.",
    ),
    "unlisted_response": Question(
        ("failure", "success"),
        'What a response means that no page lists, such as `5`, `{"foo": 1}` or bytes that are not JSON.',
    ),
    "oversize_record": Question(
        ("fail", "deliver"),
        "Whether one record whose event alone exceeds 6 MB fails without reaching the function.",
    ),
    "failing_sub_batch": Question(
        ("only_itself", "whole_shard"),
        "With a parallelization factor above 1: whether new batches of the other sub-batches wait for "
        "the one that is failing.",
    ),
    "in_flight_on_stop": Question(
        ("await", "abandon"),
        "Whether a disable or update waits for running invocations, or forgets them and delivers their "
        "records again later.",
    ),
    "resume_sub_batches": Question(
        ("shard_checkpoint", "sub_batch_checkpoints"),
        "With a factor above 1: whether records beyond the shard's checkpoint that a sub-batch had "
        "finished are delivered again after a restart.",
    ),
    "latest_on_update": Question(
        ("keep", "retake"),
        "Whether an update of a LATEST mapping takes a new LATEST iterator and so skips what was written "
        "meanwhile (awsdocs/aws-lambda-developer-guide#487).",
    ),
}


class Choices(Protocol):
    """Answers `QUESTIONS` and draws waiting times."""

    def pick(self, name: str, options: Sequence[str]) -> str:
        """Choose one of `options` for the question `name`."""
        ...

    def between(self, name: str, low: int, high: int) -> int:
        """Choose a number from `low` to `high`, both included."""
        ...


class FixedChoices:
    """The same answer each time: the first option and the upper bound.

    Parameters
    ----------
    answers
        Questions answered otherwise.

    Raises
    ------
    ValueError
        If an answer is not an option of its question.
    """

    def __init__(self, answers: Mapping[str, str] | None = None) -> None:
        self._answers = dict(answers or {})
        for name, answer in self._answers.items():
            if name not in QUESTIONS or answer not in QUESTIONS[name].options:
                raise ValueError(f"{answer!r} does not answer the question {name!r}")

    def pick(self, name: str, options: Sequence[str]) -> str:
        """Return the set answer, or the first option."""
        return self._answers.get(name, options[0])

    def between(self, name: str, low: int, high: int) -> int:  # noqa: ARG002 - the Protocol's shape
        """Return the upper bound."""
        return high


class SeededChoices:
    """Answers drawn from a seed.

    Parameters
    ----------
    seed
        The same seed gives the same answers to the same questions.
    """

    def __init__(self, seed: int | random.Random) -> None:
        self._random = seed if isinstance(seed, random.Random) else random.Random(seed)  # noqa: S311 - a simulation

    def pick(self, name: str, options: Sequence[str]) -> str:  # noqa: ARG002 - the Protocol's shape
        """Draw an option."""
        return self._random.choice(options)

    def between(self, name: str, low: int, high: int) -> int:  # noqa: ARG002 - the Protocol's shape
        """Draw a number."""
        return self._random.randint(low, high)
