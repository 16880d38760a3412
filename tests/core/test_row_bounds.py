"""No sender can make a row dear: the worst that events can make of each, as docs/reference/table.md says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from event_strategies import NOON_S, stream_event
from tapstack.core.aggregates import CURRENCIES_MAX, WINDOWS, Counters
from tapstack.core.capacity import row_bytes, write_units
from tapstack.core.categories import CATEGORIES_MAX, count_categories
from tapstack.core.currencies import CURRENCIES, NO_CURRENCY
from tapstack.core.events import EVENT_TYPES
from tapstack.core.fold import fold_event
from tapstack.core.history import History, HistoryBounds, Recent, Slot, put_aside
from tapstack.core.identity import DAY_S, Native, Opaque
from tapstack.core.impressions import (
    CLICKED,
    OTHER_POSITION,
    SHOWN,
    Shown,
    count_showing,
    list_placement,
)
from tapstack.core.item_facts import BRAND_BYTES_MAX, CATEGORY_BYTES_MAX, NAME_BYTES_MAX, Facts
from tapstack.core.journal import LANES_A_STRIPE, Effect, Entry
from tapstack.core.links import LINKS_MAX
from tapstack.core.memory import Bounds, PageNote, remember
from tapstack.core.rows import (
    CATEGORY_ROWS,
    ITEM_ROWS_IN_PARTS,
    SHOWING_ROWS,
    UserState,
    encode_derived,
    encode_user,
)
from tapstack.core.search_terms import TERM_BYTES_MAX, TERMS_MAX, Search, Terms
from tapstack.projections.items import Items
from tapstack.projections.search_terms import SearchTerms

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "table.md"
TABLE = re.findall(r"^\| (.+?) \| .* \| ([\d,]+) \| ([\d,]+) \|$", PAGE.read_text(), re.MULTILINE)
DOCUMENTED = {name: (int(size.replace(",", "")), int(units.replace(",", ""))) for name, size, units in TABLE}

EMOJI = "\U0001f600"
LONGEST_ID = EMOJI * 256
APPLIED = dict.fromkeys(range(LANES_A_STRIPE), 10**9)  # by lane
EVERY_CURRENCY = sorted(CURRENCIES - {NO_CURRENCY})
HUGE = 10**18 - 1  # millionths: the second key of a sum, and nine bytes for each
MONDAY_S = NOON_S // DAY_S * DAY_S
BOUNDS = Bounds(keep_days=398)


def item() -> int:
    """Everything of one item, all the time for eight days: every type, currency, clock and partner."""
    body = ITEM_ROWS_IN_PARTS.new()
    ends_s = MONDAY_S + 8 * DAY_S
    for at_s in sorted(
        {ends_s - back * window.length_s for window in WINDOWS for back in range(window.kept + 1)}
    ):
        user, effects = UserState(), []
        for code, name in enumerate(EVENT_TYPES):
            ahead_s = at_s + DAY_S * (code % 2)  # a clock that is a day ahead opens no window
            event = stream_event(event_type=name, items=[{"item_id": LONGEST_ID}])
            effects += fold_event(user, event, ahead_s, at_s)
        bought = dict.fromkeys(EVERY_CURRENCY, HUGE)
        effects += 2 * [Effect(item_ids=[LONGEST_ID], code=10, at_s=at_s, arrived_s=at_s, bought=bought)]
        for code, more in (
            (10, {"units": 2**40}),
            (11, {"units": 2**40, "refunded": bought}),
            (12, {"rating": 10**8}),
        ):
            effects += 2 * [Effect(item_ids=[LONGEST_ID], code=code, at_s=at_s, arrived_s=at_s, **more)]
        for number in range(2 if at_s < ends_s else 60):
            partner = f"{number:064}"
            effects.append(
                Effect(
                    item_ids=[LONGEST_ID], code=1, at_s=at_s, arrived_s=at_s,
                    viewed_with=[partner], bought_with=[partner],
                )
            )  # fmt: skip
        texts = [(at_s, "x" * most) for most in (CATEGORY_BYTES_MAX, BRAND_BYTES_MAX, NAME_BYTES_MAX)]
        facts = {LONGEST_ID: Facts(*texts, (at_s, HUGE, "EUR"))}
        change = Items().changes([Entry(1, at_s, effects, facts=facts)])[f"I#{LONGEST_ID}"]
        Items().fold(body, change, {})
    return row_bytes((f"I#{LONGEST_ID}", "0000"), encode_derived(APPLIED, body))


def terms() -> int:
    """As many terms as a row takes, each of them named, long and searched for by everybody."""
    found = [
        Search(2**62 + number, number % 16, NOON_S, NOON_S, f"{number:0{TERM_BYTES_MAX}}")
        for number in range(2 * TERMS_MAX)
    ]
    body: Terms = {}
    SearchTerms().fold(body, found * 500, {})
    return row_bytes(("Q#1d#20000", "0000"), encode_derived(APPLIED, body))


def user() -> int:
    """One user whose devices lose most numbers, whose ids are long, and who does everything."""
    state = UserState()
    for client in range(BOUNDS.clients):
        for n in range(2 * BOUNDS.gaps + 8):
            identity = Native(bytes([client]) * 16, 2**52 + 2 * n, NOON_S, 0)
            remember(state.seen, identity, NOON_S // DAY_S, BOUNDS)
    for number in range(BOUNDS.hot_ids):
        state.seen.ids[2**62 + number] = NOON_S
    for day in range(BOUNDS.keep_days):  # pages of three kinds for every day that is remembered
        for kind in range(3):
            state.seen.pages[(NOON_S // DAY_S - day) * 3 + kind] = PageNote(NOON_S, 2)
    remember(state.seen, Opaque(1, NOON_S, 0), NOON_S // DAY_S, Bounds(keep_days=398, hot_ids=999))
    for number in range(60):
        event = stream_event(
            event_type=("purchase", "item_view")[number % 2],
            user_id="ann",
            anonymous_id=f"{number:0256}",
            session_id=f"{number % 3:03}" + EMOJI * 125,
            items=[
                {"item_id": f"{number:02}{line}{'x' * 61}", "price": 9e10, "currency": currency}
                for line, currency in enumerate(EVERY_CURRENCY[:9])
            ]
            if number % 3
            else [{"item_id": f"{number:0256}"}],
            traits={f"{name:02}" + EMOJI * 62: EMOJI * 64 for name in range(16)},
            context={"locale": EMOJI * 64},
        )
        fold_event(state, event, NOON_S + number, NOON_S + number)
        long = stream_event(items=[{"item_id": LONGEST_ID}], user_id="ann", anonymous_id=LONGEST_ID)
        fold_event(state, long, NOON_S + number, NOON_S + number)
    newest = stream_event(items=[{"item_id": f"{n:0256}"} for n in range(30)], user_id="ann")
    fold_event(state, newest, NOON_S + 99, NOON_S + 99)
    state.profile.links = {2**62 + number: NOON_S // DAY_S for number in range(LINKS_MAX)}
    state.history = history()
    return row_bytes((f"U#{LONGEST_ID}", "-"), encode_user(state))


def history() -> History:
    """As much as a transaction leaves in the row: one interaction less than a page, and every slot taken."""
    kept = HistoryBounds()
    made = History(written=2**31, missing_until_s=NOON_S)
    for number in range(kept.page - 1):
        put_aside(made, Recent(NOON_S, 1, f"{number:0256}", 999))
    made.slots = [Slot(2**31, NOON_S, 2**31, 2**15)] * kept.slots
    return made


def place() -> int:
    """A list of every position, seen and clicked all the time for eight days, with every type of event."""
    state = SHOWING_ROWS.new()
    ends_s = MONDAY_S + 8 * DAY_S
    positions = dict.fromkeys(range(OTHER_POSITION + 1), 2**31)
    for at_s in sorted(
        {ends_s - back * window.length_s for window in WINDOWS for back in range(window.kept + 1)}
    ):
        for code in range(len(EVENT_TYPES)):
            shown = Shown(list_placement("x"), code, at_s, 300, positions if code in {SHOWN, CLICKED} else {})
            count_showing(state, shown, at_s)
    return row_bytes((f"P#{list_placement(LONGEST_ID)}", "0000"), encode_derived(APPLIED, state))


def categories() -> int:
    """As many categories as a row takes, each long, of every type and bought in every currency."""
    added: list[Counters] = [{code: 1, **dict.fromkeys(EVERY_CURRENCY[:9], HUGE)} for code in range(16)]
    state = CATEGORY_ROWS.new()
    for number in range(CATEGORIES_MAX + 9):
        name = f"{number:0{CATEGORY_BYTES_MAX}}"
        count_categories(state, [(name, each) for each in added])
    return row_bytes(("C#1d#20000", "0000"), encode_derived(APPLIED, state))


ATTACKS: dict[str, Callable[[], int]] = {
    "an item": item,
    "a list or a recommendation": place,
    "search terms of a window": terms,
    "categories of a window": categories,
    "a user": user,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_worst_that_a_sender_can_make_of_a_row_is_documented(name: str) -> None:
    size, documented = ATTACKS[name](), DOCUMENTED[name]
    units = write_units(size) * (2 if name == "a user" else 1)  # users' rows are written in transactions
    assert 0.9 * documented[0] < size <= documented[0], size
    assert units <= documented[1]


def test_currencies_are_bounded_in_every_map_of_a_row() -> None:
    body = ITEM_ROWS_IN_PARTS.new()
    for at_s in range(NOON_S, NOON_S + DAY_S, 3_600):
        for currency in EVERY_CURRENCY[:31]:
            effect = Effect(item_ids=["a"], code=10, at_s=at_s, arrived_s=at_s, bought={currency: 5})
            Items().fold(body, Items().changes([Entry(1, at_s, [effect])])["I#a"], {})
    counters = body.counters
    for counted in (counters.lifetime, *(each for windows in counters.windows for each in windows.values())):
        names = {key for key in counted if isinstance(key, str)}
        assert len(names - {NO_CURRENCY}) <= CURRENCIES_MAX
    assert sum(n for key, n in counters.lifetime.items() if isinstance(key, str)) == 24 * 31 * 5
