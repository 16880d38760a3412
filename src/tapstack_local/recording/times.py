"""Times as recordings write them: dates and times of day, or numbers of a clock whose unit the column shows.

A number alone does not say whether it counts seconds or microseconds, but a column of them does: the middle
one is taken for a time between 1973 and 5138. A column of dates in digits, such as 20240105, is refused,
since it could be either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from statistics import median_low
from zoneinfo import ZoneInfo

EXPECTED = "a time such as 2026-01-31T12:00:00Z, or Unix time (in seconds, milliseconds or finer)"
EXPECTED_YEAR_FIRST = "a date with the year first, then month and day, such as 2026-01-31"
YEAR_1973_MS = 10**11
CLOCK_MAX = 10**20  # 1e11 s, 1e14 ms, 1e17 microseconds and 1e20 ns lie in the year 5138

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:(?:\s*T\s*|\s+)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?"
    r"\s*(?:(Z|UTC|GMT)|([+-])(\d{2}):?(\d{2})?)?(?:\s*\[?([A-Za-z_]+(?:/[\w+-]+)+)\]?)?",
    re.ASCII | re.IGNORECASE,
)
_BASIC = re.compile(r"\d{8}T\d{4,6}Z?|\d{8}T\d{4,6}[+-]\d{4}", re.ASCII | re.IGNORECASE)
_DIGITS_DATE = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\d{3})?)?)?)?",
    re.ASCII,
)
_YEAR_LAST = re.compile(r"\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}\b.*", re.ASCII)


def moment_ms(text: str) -> int | None:
    """Return the Unix milliseconds of a date with a time and a zone, by default 0:00 UTC, else None."""
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            return _since_epoch(datetime.fromisoformat(text)) if _BASIC.fullmatch(text) else None
        year, month, day, hour, minute, second, fraction, utc, sign, ahead_h, ahead_min, zone = found.groups()
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
        if sign:
            ahead = timedelta(hours=int(ahead_h), minutes=int(ahead_min or 0))
            moment = moment.replace(tzinfo=timezone(ahead if sign == "+" else -ahead))
        elif zone and not utc:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        return _since_epoch(moment) + int((fraction or "0")[:3].ljust(3, "0"))
    except (ValueError, OverflowError, KeyError, OSError):  # the last two: no such zone
        return None


def day_in_digits_ms(text: str) -> int | None:
    """Return the Unix milliseconds of a day such as 20240105; None if it is not one."""
    return moment_ms(f"{text[:4]}-{text[4:6]}-{text[6:]}") if re.fullmatch(r"(?a:\d{8})", text) else None


def expected_of(text: str) -> str:
    """Return what a text that is no time should have been."""
    return EXPECTED_YEAR_FIRST if _YEAR_LAST.fullmatch(text) else EXPECTED


def is_date_in_digits(number: float) -> bool:
    """Return whether a number may be a date such as 20240105 or 202401051230."""
    return isinstance(number, int) and _DIGITS_DATE.fullmatch(str(number)) is not None


def middle_of(numbers: Iterable[float]) -> float:
    """Return the middle one of the numbers of a clock that are not 0."""
    return median_low([number for number in numbers if number] or [0])


def unit_of(middle: float) -> int | float:
    """Return by what the numbers of a clock have to be multiplied to be milliseconds."""
    if middle < 1e11:
        return 1_000
    if middle < 1e14:
        return 1
    return 1e-3 if middle < 1e17 else 1e-6


def to_ms(number: float, unit: float) -> int:
    """Return the milliseconds that a clock's number says, exactly for whole numbers."""
    if isinstance(number, int):
        return number * int(unit) if unit >= 1 else number // round(1 / unit)
    return int(number * unit)


def described(ms: int) -> str:
    """Return a time for a message."""
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="seconds").replace("+00:00", "Z")
    except OverflowError:
        return "after the year 9999" if ms > 0 else "before the year 1"


def _since_epoch(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)
