"""Reading back: the documented layout is the code's, and pages are read to the end."""

import asyncio
import base64
import re
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from reconcile_world import letter

from tapstack.core import (
    aggregates,
    amounts,
    cooccurrence,
    events,
    history,
    impressions,
    links,
    memory,
    ranking,
    rows,
    search_terms,
    sessions,
    traits,
)
from tapstack.core.attributes.catalogue import Held
from tapstack.core.attributes.stored import ViewState
from tapstack.core.categories import CATEGORIES_MAX, Categories, Category
from tapstack.core.impressions import Showings
from tapstack.core.item_facts import BRAND_BYTES_MAX, CATEGORY_BYTES_MAX, NAME_BYTES_MAX, Facts
from tapstack.core.journal import (
    LANES_A_STRIPE,
    StoredAttributes,
    StoredCells,
    StoredEffect,
    StoredEntry,
    StoredFacts,
    StoredSaid,
    StoredSearch,
    StoredShown,
    Watermark,
)
from tapstack.dead_letters import encode
from tapstack.errors import Unavailable
from tapstack.projections.catalogue import PROJECTIONS
from tapstack_local.reconciliation import (
    accepted_events,
    boards,
    categories,
    checker,
    counters,
    journal,
    limits,
    searches,
    words,
)
from tapstack_local.reconciliation import history as histories
from tapstack_local.reconciliation import links as link_checks
from tapstack_local.reconciliation import search_terms as terms
from tapstack_local.reconciliation.tables import Journal, Reader

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "table.md"
STRUCTS = (
    rows.UserState, rows.ItemState, rows.Profile, rows.Recent, aggregates.Windowed, memory.Seen,
    memory.ClientSeen, memory.PageNote, history.History, history.Slot, sessions.Sessions,
    sessions.Session, StoredEntry, StoredEffect, StoredFacts, StoredSaid, StoredSearch, Facts, Watermark,
    ranking.Board, ViewState, StoredShown, Showings,
    ranking.Board, Categories, Category, StoredAttributes, StoredCells, Held,
)  # fmt: skip


def documented():
    """Read the page's tables of fields and of event types."""
    fields: dict[str, list[str]] = {}
    types, heading = {}, ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("### "):
            heading = line[4:]
        elif (row := re.match(r"\| (\d+) \| `(\w+)` \| (\w*)", line)) is None:
            continue
        elif heading == "Counters":
            types[int(row[1])] = (row[2], int(row[3] or 0))
        else:
            assert int(row[1]) == len(fields.setdefault(heading, []))
            fields[heading].append(row[2])
    return fields, types


def test_the_page_lists_every_field_in_the_order_of_the_code():
    fields = documented()[0]
    fields["StoredEntry"] = fields.pop("Entry")
    fields["StoredSearch"] = fields.pop("Search")
    fields["StoredShown"] = fields.pop("Showing")
    assert fields.pop("Derived rows") == ["applied"]  # and the body, which is documented by itself
    fields["StoredEffect"] = fields.pop("Effect")
    fields["StoredFacts"], fields["StoredSaid"] = fields.pop("EntryFacts"), fields.pop("Said")
    fields["StoredAttributes"], fields["StoredCells"] = fields.pop("EntryAttributes"), fields.pop("Cells")
    assert fields == {struct.__name__: list(struct.__struct_fields__) for struct in STRUCTS}
    assert all(struct.__struct_config__.array_like for struct in STRUCTS)


def test_the_page_and_the_checker_have_the_codes_of_the_event_types():
    types = documented()[1]
    assert {code: name for code, (name, _) in types.items()} == dict(enumerate(events.EVENT_TYPES))
    assert tuple(accepted_events.TYPES) == events.EVENT_TYPES
    weights = {code: weight for code, (_, weight) in types.items() if weight}
    assert weights == ranking.DEFAULT_WEIGHTS == boards.WEIGHTS


def test_the_page_and_the_checker_have_the_numbers_of_the_code():
    page = " ".join(PAGE.read_text().split())
    windows = {window.name: window for window in aggregates.WINDOWS}
    assert list(windows) == list(boards.WINDOW_NAMES)
    assert [window.length_s for window in windows.values()] == list(checker.WINDOW_LENGTHS_S)
    assert [window.kept for window in windows.values()] == list(boards.WINDOWS_KEPT)
    assert tuple(each.name for each in PROJECTIONS) == journal.PROJECTIONS
    assert journal.LANES_A_STRIPE == LANES_A_STRIPE
    bounds = memory.Bounds(keep_days=1)
    assert (bounds.clients, bounds.gaps) == (limits.CLIENTS_MAX, limits.GAPS_MAX)
    assert bounds.hot_ids == limits.IDS_MAX
    assert (limits.RECENT_MAX, limits.TRAITS_MAX) == (history.RECENT_MAX, traits.TRAITS_MAX)
    kept = history.HistoryBounds()
    assert (kept.interactions, kept.slots) == (histories.INTERACTIONS_KEPT, histories.SLOTS_MAX)
    assert kept.page - 1 == histories.WAITING_MAX
    assert (limits.TEXT_CHARS_MAX, limits.ALIASES_MAX) == (traits.TRAIT_CHARS_MAX, rows.ALIASES_MAX)
    assert (link_checks.LINKS_MAX, accepted_events.LINKED_BYTES_MAX) == (
        links.LINKS_MAX,
        links.LINKED_BYTES_MAX,
    )
    assert (limits.SESSIONS_MAX, limits.SESSION_ITEMS_MAX) == (sessions.SESSIONS_MAX, sessions.VIEWED_MAX)
    assert limits.VIEWED_WITH_MAX == cooccurrence.VIEWED_WITH_MAX
    assert limits.BOUGHT_WITH_MAX == cooccurrence.BOUGHT_WITH_MAX
    assert limits.PARTNER_BYTES_MAX == cooccurrence.PARTNER_BYTES_MAX
    assert counters.CURRENCIES_MAX == aggregates.CURRENCIES_MAX
    assert (terms.TERMS_MAX, searches.TERM_BYTES_MAX) == (search_terms.TERMS_MAX, search_terms.TERM_BYTES_MAX)
    kept_bytes = (CATEGORY_BYTES_MAX, BRAND_BYTES_MAX, NAME_BYTES_MAX)
    assert tuple(words.BYTES_MAX.values()) == kept_bytes
    assert (words.RATING_MAX, words.LINE_MAX) == (amounts.RATING_MAX, events.AMOUNT_MAX * aggregates.MICROS)
    assert categories.CATEGORIES_MAX == CATEGORIES_MAX
    assert searches.QUERY_CHARS_READ == search_terms.QUERY_CHARS_READ
    for said in (
        f"`kept` is {windows['5m'].kept} for `5m`, {windows['1h'].kept} for `1h`, {windows['1d'].kept} for",
        f"a Space-Saving summary of {cooccurrence.VIEWED_WITH_MAX} places",
        f"of {cooccurrence.BOUGHT_WITH_MAX} places",
        f"places for the {ranking.BOARD_PLACES} items of the highest scores",
        f"and for the {ranking.BOARD_PLACES // 2} of the highest counts of each type",
        f"more than about {ranking.BOARD_BYTES_MAX // 1024} KiB ({ranking.CELL_BYTES} bytes a count",
        f"of the {CATEGORIES_MAX} with the most events",
        f"around left out, at most {CATEGORY_BYTES_MAX} bytes of UTF-8",
        f"at most {BRAND_BYTES_MAX} bytes |",
        f"at most {NAME_BYTES_MAX} bytes |",
        f"from -{amounts.RATING_MAX:.0f} to {amounts.RATING_MAX:.0f}",
        f"the last {history.RECENT_MAX} interactions",
        f"at most {sessions.SESSIONS_MAX}, in order",
        f"the last {sessions.VIEWED_MAX} distinct items",
        f"by `client_id`, at most {bounds.clients}",
        f"the first {impressions.LISTS_MAX} of an event",
        f"{impressions.OTHER_POSITION} stands for all others",
        f"at most {links.LINKS_MAX} links",
        f"more than {links.LINKED_BYTES_MAX:,} bytes",
        f"at most {traits.TRAITS_MAX}: those said first",
        f"names and strings are cut to {traits.TRAIT_CHARS_MAX}",
        f"anonymous ids of the same person, the last {rows.ALIASES_MAX}",
        f"not in the intervals; at most {bounds.gaps}",
        f"the at most {bounds.hot_ids} ids that arrived last",
        f"at most {bounds.pages:,} pages",
        f"A map names {aggregates.CURRENCIES_MAX} currencies",
        f"many slots as interactions that arrive in order need: {kept.slots}.",
        f"Once {kept.page} wait",
        f"{kept.interactions} interactions are surely later than all of it",
        f"older than {kept.days} days",
        f"A Space-Saving summary of {search_terms.TERMS_MAX} places",
        f"0 to {search_terms.PLACES - 1} |",
    ):
        assert said in page, said


def attribute(state):
    return {"B": base64.b64encode(msgspec.msgpack.encode(state)).decode()}


SCANNED = [
    {"pk": {"S": "U#u"}, "sk": {"S": "-"}, "v": {"N": "1"}, "ttl": {"N": "9"},
     "s": attribute([[{b"c" * 16: [1, [], 5]}, {7: 8}, {}, -1, -1, 5], [], {1: 2}, [], [], 4])},
    {"pk": {"S": "I#a#b"}, "sk": {"S": "0001"}, "v": {"N": "3"},
     "s": attribute([{4: 2}, [[{1: 2}, [{5: {1: 2}}, {}, {}], 99], {"c": 1}, {}]])},
    {"pk": {"S": "Q#1d#17"}, "sk": {"S": "0001"}, "v": {"N": "1"},
     "s": attribute([{4: 2}, {-5: [3, 6, "shoes"]}])},
    {"pk": {"S": "T#5m"}, "sk": {"S": "0001"}, "v": {"N": "1"},
     "s": attribute([{4: 1}, [17, {"a#b": {1: {0: 2}}}, {}]])},
    {"pk": {"S": "J#0004"}, "sk": {"S": f"{1:020}"}, "v": {"N": "1"}, "s": attribute([99, []])},
    {"pk": {"S": "J#0004"}, "sk": {"S": f"{2:020}"}, "v": {"N": "1"}, "s": attribute([99, []])},
    {"pk": {"S": "L#"}, "sk": {"S": "0004"}, "v": {"N": "2"}, "s": attribute([])},
    {"pk": {"S": "W#"}, "sk": {"S": "items"}, "v": {"N": "7"}, "s": attribute([{4: 2}, 0])},
    {"pk": {"S": "W#"}, "sk": {"S": "leaderboards"}, "v": {"N": "7"}, "s": attribute([{4: 1}, 5])},
    {"pk": {"S": "Z#1"}, "sk": {"S": "-"}, "v": {"N": "1"}, "s": attribute([])},
]  # fmt: skip


async def dynamodb(request):
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.Scan"
    assert "/dynamodb/" in request.headers["authorization"]
    asked = await request.json()
    assert asked["TableName"] == "t"
    place = int(asked.get("ExclusiveStartKey", {"pk": {"S": "0"}})["pk"]["S"])
    more = {"LastEvaluatedKey": {"pk": {"S": str(place + 1)}}} if place + 1 < len(SCANNED) else {}
    return web.json_response({"Items": [SCANNED[place]], "Count": 1, **more})


LETTERS = [letter(b"{}", number=1), letter(b"[]", number=2), letter(b"?", number=3)]
# As two batches stored them: the second one began with a record of the first.
OBJECTS = {"late/shard/1-2.ndjson": encode(LETTERS[:2]), "late/shard/2 & 2.ndjson": encode(LETTERS[1:])}


async def s3(request):
    bucket, _, key = request.path.lstrip("/").partition("/")
    if key:
        return web.Response(body=OBJECTS[key])
    if bucket != "late":
        return web.Response(text="<ListBucketResult></ListBucketResult>")
    keys = [key.replace("&", "&amp;") for key in OBJECTS]
    if "continuation-token" not in request.query:
        more = "<NextContinuationToken>a+b/c=</NextContinuationToken>"
        return web.Response(text=f"<List><Contents><Key>{keys[0]}</Key></Contents>{more}</List>")
    assert request.query["continuation-token"] == "a+b/c="
    return web.Response(text=f"<List><Contents><Key>{keys[1]}</Key></Contents></List>")


def read(table="t"):
    async def main():
        app = web.Application()
        app.router.add_post("/", dynamodb if table == "t" else refuse)
        app.router.add_get("/{path:.*}", s3)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        try:
            async with aiohttp.ClientSession() as session:
                return await Reader(session, url, url, "eu-central-1").read_all(table, "late", "quarantine")
        finally:
            await runner.cleanup()

    return asyncio.run(main())


async def refuse(request):
    return web.json_response({"__type": "ResourceNotFoundException"}, status=400)


def test_every_page_of_the_table_and_of_the_buckets_is_read():
    tables = read()
    user = tables.users["U#u"]
    assert (user.clients, user.ids, user.counters, user.pairs_count) == (
        {b"c" * 16: [1, [], 5]}, {7: 8}, {1: 2}, 4,
    )  # fmt: skip
    item = tables.items["a#b"]["0001"]
    assert (item.lifetime, item.windows[0], item.arrived_s, item.viewed_with) == (
        {1: 2}, {5: {1: 2}}, 99, {"c": 1},
    )  # fmt: skip
    assert tables.terms == {("1d", 17, "0001"): {-5: [3, 6, "shoes"]}}
    assert tables.boards == {("5m", "0001"): [17, {"a#b": {1: {0: 2}}}, {}]}
    assert tables.journal == Journal(
        heads={4: 2},
        numbers={4: {1, 2}},
        marks={"items": {4: 2}, "leaderboards": {4: 1}},
        since_s={"items": 0, "leaderboards": 5},
        applied={("I#a#b", "0001"): {4: 2}, ("T#5m", "0001"): {4: 1}, ("Q#1d#17", "0001"): {4: 2}},
        arrived_s=99,
    )
    assert tables.strange == ["Z#1 -"]
    assert tables.late == LETTERS
    assert tables.quarantined == []


def test_a_table_that_cannot_be_read_is_said():
    with pytest.raises(Unavailable, match="answered 400"):
        read("absent")
