"""Renders the tables of docs/reference/event-source-mapping.md from the code, so that they agree."""

from __future__ import annotations

from pathlib import Path

from tapstack_emulator.event_source_mapping.choices import QUESTIONS
from tapstack_emulator.event_source_mapping.config import Pacing
from tapstack_emulator.event_source_mapping.machine import TRANSITIONS
from tapstack_emulator.event_source_mapping.outcomes import OUTCOMES

BEGIN = "<!-- begin: {name}, rendered by tapstack_emulator.event_source_mapping.reference -->"
END = "<!-- end: {name} -->"


def transitions() -> str:
    """Render the mapping's states and inputs."""
    rows = ["| In state | on | the mapping |", "|---|---|---|"]
    rows += [f"| {', '.join(row.states)} | `{row.on.__name__}` | {row.meaning} |" for row in TRANSITIONS]
    return "\n".join(rows)


def outcomes() -> str:
    """Render what follows from an invocation's answer."""
    rows = ["| Verdict | what follows |", "|---|---|"]
    rows += [f"| {verdict} | {outcome.meaning} |" for verdict, outcome in OUTCOMES.items()]
    return "\n".join(rows)


def questions() -> str:
    """Render what AWS leaves open; the first option is the embedded cloud's."""
    rows = ["| Question | options | meaning |", "|---|---|---|"]
    for name, question in QUESTIONS.items():
        options = ", ".join(f"`{option}`" for option in question.options)
        rows.append(f"| `{name}` | {options} | {question.meaning} |")
    return "\n".join(rows)


def pacing() -> str:
    """Render the emulator's own settings with their defaults."""
    default = Pacing()
    rows = ["| Setting | default |", "|---|---|"]
    rows += [f"| `{name}` | {getattr(default, name)} |" for name in Pacing.__struct_fields__]
    return "\n".join(rows)


SECTIONS = {"transitions": transitions, "outcomes": outcomes, "questions": questions, "pacing": pacing}


def refreshed(page: str) -> str:
    """Put the current tables into the page.

    Raises
    ------
    ValueError
        If the page lacks the marks of a table.
    """
    for name, render in SECTIONS.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page must hold {begin!r} and {end!r} once each")
        before, _, rest = page.partition(begin)
        after = rest.partition(end)[2]
        page = f"{before}{begin}\n\n{render()}\n\n{end}{after}"
    return page


def rewrite(path: Path) -> None:
    """Refresh the page on disk: ``python -m tapstack_emulator.event_source_mapping.reference PATH``."""
    path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    import sys

    rewrite(Path(sys.argv[1]))
