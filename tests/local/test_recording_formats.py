"""Recordings of other programs: public formats in miniature, their names of events, ids of exports.

The rows are made up; the columns and names are those of the published data sets and exports.
"""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import events_of, gaps_ms, items, read

from tapstack.core.client_events import decode_client_event
from tapstack.core.events import EVENT_TYPES
from tapstack.core.normalisation import PLACEHOLDERS
from tapstack.errors import UsageError
from tapstack_local.recording.cells import ABSENT
from tapstack_local.recording.event_types import NAMES, event_type_of

PERSONALIZE = """USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE
7,a1,1591803782,View,
7,a1,1591803790,AddToCart,
7,a1,1591803799,Purchase,12.5
"""
MOVIELENS = "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,3.5,1147868817\n"
OTTO = [
    {"session": 11, "events": [
        {"aid": 59625, "ts": 1661724000278, "type": "clicks"},
        {"aid": 59625, "ts": 1661724020278, "type": "carts"},
        {"aid": 59625, "ts": 1661724030278, "type": "orders"},
    ]},
    {"session": 12, "events": [{"aid": 7, "ts": 1661724000378, "type": "clicks"}]},
]  # fmt: skip
TAOBAO = (
    "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,cart,1511561733\n1,2576651,149192,buy,1511572885\n"
)
INSTACART = "order_id,product_id,add_to_cart_order,reordered\n2,33120,1,1\n2,28985,2,1\n"
REES46_PANDAS = """,event_time,event_type,product_id,price,user_id,user_session,quantity
0,2019-10-01 00:00:00 UTC,view,1003461.0,489.07,520088904.0,4d3b,
1,2019-10-01 00:00:09 UTC,purchase,1003461.0,489.07,520088904.0,4d3b,1.0
"""
GA4 = [
    {
        "event_date": "20210131", "event_timestamp": "1612069510766593", "event_name": "view_item",
        "event_params": [
            {"key": "page_location", "value": {"string_value": "https://shop.example/", "int_value": None}},
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": "661084800"}},
            {"key": "currency", "value": {"string_value": "usd"}},
            {"key": "empty", "value": {}},
        ],
        "user_id": None, "user_pseudo_id": "1026454.4271112504", "device": {"category": "mobile"},
        "items": [
            {"item_id": "GGOE1", "item_name": "Tee", "item_brand": "(not set)", "price": 14.0,
             "quantity": None, "item_params": []},
        ],
    },
    {
        "event_timestamp": "1612069512766593", "event_name": "session_start",
        "event_params": [{"key": "ga_session_id", "value": {"int_value": "661084800"}}],
        "user_id": "u1", "user_pseudo_id": "1026454.4271112504", "items": [],
    },
    {
        "event_timestamp": "1612069513766593", "event_name": "purchase",
        "event_params": [{"key": "ga_session_id", "value": {"int_value": "661084800"}},
                         {"key": "value", "value": {"double_value": 28.0}}],
        "user_id": "u1", "user_pseudo_id": "1026454.4271112504",
        "items": [{"item_id": "GGOE1", "price": "14.0", "quantity": "2"}, {"item_id": "GGOE2"}],
    },
]  # fmt: skip
SEGMENT = [
    {
        "type": "track", "event": "Product Added", "anonymousId": "a", "userId": None, "messageId": "m1",
        "timestamp": "2024-03-01T00:00:00.000Z",
        "properties": {"product_id": "p1", "price": 18.99, "quantity": 1, "currency": "EUR", "coupon": None},
    },
    {
        "type": "track", "event": "Order Completed", "userId": "u", "anonymousId": "a",
        "timestamp": "2024-03-01T00:00:05.000Z",
        "properties": {"order_id": "o", "products": [{"product_id": "p1", "name": "Monopoly", "price": 19},
                                                     {"product_id": "p2", "position": 2}]},
    },
    {"type": "page", "anonymousId": "a", "timestamp": "2024-03-01T00:00:06.000Z", "properties": {"url": "/"}},
]  # fmt: skip


def lines(objects):
    return "".join(json.dumps(each) + "\n" for each in objects)


FORMATS = {
    "Amazon Personalize": (
        PERSONALIZE, {}, ["item_view", "cart_add", "purchase"], ["a1"] * 3, [0, 8_000, 17_000],
    ),
    "MovieLens": (MOVIELENS, {}, ["item_view"] * 2, ["306", "296"], None),
    "OTTO": (
        lines(OTTO), {}, ["item_click", "cart_add", "purchase", "item_click"], ["59625"] * 3 + ["7"], None,
    ),
    "Taobao": (
        TAOBAO,
        {"columns": ("user_id", "item_id", "category", "behavior", "timestamp")},
        ["item_view", "cart_add", "purchase"],
        ["2268318", "2333346", "2576651"],
        None,
    ),
    "Instacart": (
        INSTACART, {"names": {"session_id": "order_id"}}, ["item_view"] * 2, ["33120", "28985"], [0, 0],
    ),
    "REES46 through pandas": (REES46_PANDAS, {}, ["item_view", "purchase"], ["1003461"] * 2, [0, 9_000]),
    "GA4 from BigQuery": (
        lines(GA4), {}, ["item_view", "custom", "purchase"], ["GGOE1", "GGOE1", "GGOE2"], [0, 2_000, 3_000],
    ),
    "Segment": (lines(SEGMENT), {}, ["cart_add", "purchase", "page_view"], ["p1", "p1", "p2"], None),
}  # fmt: skip


@pytest.mark.parametrize(("content", "layout", "types", "found", "gaps"), FORMATS.values(), ids=FORMATS)
def test_a_public_format_is_read_as_it_is(content, layout, types, found, gaps):
    recording = read(content, **layout)
    assert [event["event_type"] for event in events_of(recording)] == types
    assert [item for event in items(recording) for item in event] == found
    assert gaps is None or gaps_ms(recording) == gaps


def test_ga4s_details_are_kept():
    view, start, purchase = events_of(read(lines(GA4)))
    assert view["anonymous_id"] == "1026454.4271112504"
    assert (view["session_id"], view["currency"]) == ("661084800", "USD")
    assert view["items"] == [{"item_id": "GGOE1", "name": "Tee", "price": 14.0}]
    assert (start["event_type"], start["event_name"], start["user_id"]) == ("custom", "session_start", "u1")
    assert purchase["items"] == [{"item_id": "GGOE1", "price": 14.0, "quantity": 2}, {"item_id": "GGOE2"}]
    assert purchase["value"] == 28.0


def spellings(name):
    words = name.replace("_", " ").replace("-", " ")
    return {
        name,
        words,
        words.replace(" ", "_"),
        words.replace(" ", "-"),
        words.replace(" ", ""),
        words.title(),
    }


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_name_of_an_event_is_known_in_every_spelling_and_case(event_type):
    for name in (event_type, *NAMES.get(event_type, ())):
        for spelling in spellings(name):
            assert {event_type_of(each) for each in (spelling, spelling.upper(), spelling.lower())} == {
                event_type
            }


def test_no_name_stands_for_two_events():
    names = [event_type_of(name) and name for names in NAMES.values() for name in names]
    assert len(names) == len(set(names))
    assert all(event_type_of(name) == event_type for event_type, names in NAMES.items() for name in names)


def test_an_event_of_another_name_becomes_a_custom_one_and_is_told():
    rows = "".join(f"u,i,{name}\n" for name in ["glanced", "View", "glanced", "Sat Down"])
    recording = read("user_id,item_id,event\n" + rows)
    assert [(event["event_type"], event.get("event_name")) for event in events_of(recording)] == [
        ("custom", "glanced"), ("item_view", None), ("custom", "glanced"), ("custom", "Sat Down"),
    ]  # fmt: skip
    [note] = recording.notes
    assert note.startswith("3 rows have a name of an event that is not known, and become custom events")
    assert note.endswith(": 'glanced' 2, 'Sat Down' 1")


def test_many_other_names_are_told_in_one_line():
    rows = "".join(f"u,i,name {number}\n" for number in range(150))
    [note] = read("user_id,item_id,event\n" + rows).notes
    assert note.startswith("150 rows have")
    assert note.endswith("and 96 names more")
    assert len(note) < 250


@pytest.mark.parametrize("marker", [*ABSENT, *sorted(PLACEHOLDERS), "null", "NONE", "nan", " NULL ", "na"])
@pytest.mark.parametrize(
    "column", ["user_id", "session_id", "price", "quantity", "currency", "value", "event"]
)
def test_a_marker_of_nothing_is_nothing_in_every_column(column, marker):
    header = ["anonymous_id", "item_id", column]
    plain = events_of(read("anonymous_id,item_id\na,i\n"))
    assert events_of(read(f"{','.join(header)}\na,i,{marker}\n")) == plain
    assert events_of(read(json.dumps({"anonymous_id": "a", "item_id": "i", column: marker}))) == plain


@pytest.mark.parametrize("nothing", ["null", "NaN"])
def test_null_and_nan_of_json_are_nothing(nothing):
    plain = events_of(read('{"user_id": "u", "item_id": "i"}'))
    names = (
        "anonymous_id",
        "session_id",
        "event_type",
        "price",
        "event_id",
        "client_id",
        "n",
        "items",
        "other",
    )
    filled = "".join(f', "{name}": {nothing}' for name in names)
    assert events_of(read(f'{{"user_id": "u", "item_id": "i"{filled}}}')) == plain
    assert events_of(read(f'[{{"user_id": "u", "item_id": "i"{filled}}}]')) == plain


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_nothing_in_a_whole_event(nothing):
    whole = {"event_type": "item_view", "anonymous_id": "a", "event_id": "e", "items": [{"item_id": "i"}]}
    empty = dict.fromkeys(("user_id", "session_id", "client_id"), nothing) | {"n": None, "value": None}
    plain = events_of(read(json.dumps(whole)))
    assert events_of(read(json.dumps(whole | empty))) == plain
    nested = whole | {"items": [{"item_id": "i", "price": None, "quantity": None}]}
    assert events_of(read(json.dumps(nested))) == plain


@pytest.mark.parametrize("nobody", ["undefined", "null", "", " ", None])
def test_visitors_who_share_a_placeholder_are_still_visitors_of_their_own(nobody):
    said = [
        {"event_type": "page_view", "user_id": nobody, "anonymous_id": f"a{number % 3}"}
        for number in range(9)
    ]
    plain = [{name: value for name, value in event.items() if name != "user_id"} for event in said]
    assert events_of(read(lines(said))) == events_of(read(lines(plain)))


def test_what_the_collector_would_note_is_told():
    rows = "u,purchase,a,1,AAX\nu,purchase,a,1,EUR\nu,purchase,a,1,ABX\n"
    recording = read("user_id,event,item_id,price,currency\n" + rows)
    assert recording.notes == ("currency: not in ISO 4217, counted as XXX; rows: 2",)
    assert read('{"event_type":"page_view","anonymous_id":"a","user_id":"undefined"}').notes == (
        "user_id: a placeholder is no id and counts as left out; rows: 1",
    )


SAID = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["purchase", "page_view"])},
    optional={
        "anonymous_id": st.sampled_from(["a", "", "undefined", None]),
        "user_id": st.sampled_from(["u", " ", "NULL", None]),
        "session_id": st.sampled_from(["s", "", None]),
        "currency": st.sampled_from(["EUR", " eur ", "ZZZ", "", None]),
        "value": st.sampled_from([1, "2.5", "", None]),
        "items": st.sampled_from(
            [
                [],
                None,
                [None],
                [{"item_id": "i", "price": "2", "quantity": 2.0, "currency": "zzz", "list_id": ""}],
            ]
        ),
        "properties": st.just({"kept": None, "as": ["it", "is"]}),
    },
)


@given(SAID)
def test_what_is_sent_is_what_the_collector_will_write(said):
    try:
        [event] = events_of(read(json.dumps(said | {"event_id": "e"})))
    except UsageError:
        return
    meant = json.loads(msgspec.json.encode(decode_client_event(msgspec.json.encode(event))))
    sent = {name: value for name, value in event.items() if value != []}
    assert sent | {"occurred_at": None} == meant | {"occurred_at": None}


@pytest.mark.parametrize("name", ["NA", "N/A", "none"])
def test_a_person_called_like_a_marker_of_tables_is_kept_in_a_whole_event(name):
    whole = {"event_type": "page_view", "user_id": name, "event_id": "e"}
    assert events_of(read(json.dumps(whole)))[0]["user_id"] == name


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
    st.sampled_from(["user_id", "session_id", "item_id"]),
)
def test_ids_that_pandas_wrote_as_floats_are_the_whole_numbers_they_were(ids, column):
    def replayed(ending):
        header = ["user_id", "session_id", "item_id"]
        rows = [[f"{number}{ending}" if name == column else "x" for name in header] for number in ids]
        return read("\n".join(map(",".join, [header, *rows])))

    assert events_of(replayed(".0")) == events_of(replayed(""))
    assert replayed(".0").notes == (
        f"every {column} ends in .0, as pandas writes whole numbers: the .0 is left out",
    )


def test_ids_of_which_only_some_end_in_dot_zero_are_left_as_they_are():
    assert items(read("user,item\nu,1.0\nu,1.1\nu,2.0\n")) == [["1.0"], ["1.1"], ["2.0"]]


def test_ids_that_a_spreadsheet_has_cut_are_told():
    recording = read("user,item\n1.23457E+11,a\n1.23457e+11,b\nE+11,c\n")
    assert [event["user_id"] for event in events_of(recording)] == ["1.23457E+11", "1.23457e+11", "E+11"]
    [note] = recording.notes
    assert note.startswith("column 'user': 2 ids look like 1.23457E+11")


def test_a_session_that_names_its_visitor_loses_its_dot_zero_there_too():
    [event] = events_of(read("session_id,item_id\n12.0,a\n"))
    assert (event["session_id"], event["anonymous_id"]) == ("12", "session-12")


@pytest.mark.parametrize("number", [12345678901234567890123, 7, 7.0, "7"])
def test_numbers_of_json_are_exact_as_ids(number):
    expected = "7" if number == 7 else str(number)
    assert items(read(json.dumps({"user_id": "u", "item_id": number}))) == [[expected]]


@pytest.mark.parametrize("text", ["2", "2.0", "2.", "+2", "2.000", "02"])
def test_a_whole_number_may_have_a_point(text):
    [event] = events_of(read(f"user_id,item_id,quantity\nu,i,{text}\n"))
    assert event["items"] == [{"item_id": "i", "quantity": 2}]


def test_a_cell_may_hold_a_list_of_items():
    cell = json.dumps(
        [{"product_id": "a", "price": "2.5", "quantity": 2.0, "currency": "eur", "x": []}, "b", 7]
    )
    quoted = cell.replace('"', '""')
    [event] = events_of(read(f'user_id,event,products\nu,purchase,"{quoted}"\n'))
    assert event["items"] == [
        {"item_id": "a", "price": 2.5, "quantity": 2, "currency": "EUR"}, {"item_id": "b"}, {"item_id": "7"},
    ]  # fmt: skip


@pytest.mark.parametrize("count", ["3", "three", "[3"])
def test_a_column_that_only_counts_items_is_not_read_beside_the_item(count):
    assert items(read(f"user_id,item_id,items\nu,i,{count}\n")) == [["i"]]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("['a', 'b']", "column 'items': expected a JSON array of items, got \"['a', 'b']\""),
        ("a|b", "column 'items': expected a JSON array of items, got 'a|b'"),
        ('{"item_id": "a"}', "column 'items': expected a JSON array of items, got '{\"item_id\": \"a\"}'"),
        ('[{"item_id": "a"}, {"price": 1}]', "column items[1]: expected an item with an item_id"),
        ("[null]", "column items[0]: expected an item with an item_id"),
        (
            '[{"item_id": "a", "price": "1,5"}]',
            "column items[0].price: expected a number such as 1234.5, got '1,5'",
        ),
        (
            '[{"item_id": ["a"]}]',
            "column items[0].item_id: expected text or a number, not a list or an object",
        ),
    ],
)  # fmt: skip
def test_a_bad_list_of_items_is_one_clear_line(cell, message):
    quoted = cell.replace('"', '""')
    with pytest.raises(UsageError) as caught:
        read(f'user_id,event,items\nu,purchase,"{quoted}"\n')
    assert str(caught.value) == f"standard input: line 2, {message}"


@pytest.mark.parametrize(
    "header",
    [
        ("user_id", "item_id"),
        ("userId", "itemId"),
        ("USER ID", "Item-ID"),
        ("User.Id", " product id "),
        ("uid", "SKU"),
    ],
)
def test_columns_are_recognised_in_every_spelling(header):
    assert items(read(f"{header[0]},{header[1]}\nu,i\n")) == [["i"]]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("event_id,user_id,item_id,x\ne1,u,a,0\ne1,u,a,0\ne2,u,b,0\n", id="CSV"),
        pytest.param(
            lines(
                {"event_id": name, "user_id": "u", "item_id": item, "x": 0}
                for name, item in ["1a", "1a", "2b"]
            ),
            id="JSON lines",
        ),
    ],
)
def test_a_column_of_identities_is_one_when_it_is_mapped(content):
    events = events_of(read(content, names={"event_id": "event_id"}))
    assert len(events) == 3
    assert len({event["event_id"] for event in events}) == 2
    assert not any("client_id" in event for event in events)


def test_what_is_nested_does_not_hide_what_stands_outside():
    nested = {
        "userId": "u",
        "item_id": "i",
        "properties": {"user_id": "other", "ITEM_ID": "other", "price": 2},
    }
    [event] = events_of(read(json.dumps(nested)))
    assert (event["user_id"], event["items"]) == ("u", [{"item_id": "i", "price": 2.0}])


GOOD = st.just("u,i,view,2")
BAD = st.sampled_from(
    ["u,i,view", ",i,view,1", "u,,,1", "u,,purchase,1", "u,i,view,many", f"{'u' * 257},i,view,1"]
)


@given(st.lists(st.one_of(GOOD, BAD), max_size=12))
def test_bad_rows_are_skipped_counted_and_shown_and_the_good_ones_are_all_there(rows):
    bad = [line for line, row in enumerate(rows, 2) if row != "u,i,view,2"]
    content = "user_id,item_id,event,quantity\n" + "\n".join(["u,first,view,2", *rows])
    recording = read(content, skip_bad_rows=True)
    assert recording.skipped_count == len(bad)
    assert [example.split(",")[0].split(":")[0] for example in recording.skipped_examples] == [
        f"line {line + 1}" for line in bad
    ][: len(recording.skipped_examples)]
    assert len(recording.skipped_examples) == min(len(bad), 5)
    events = events_of(recording)
    assert [event["n"] for event in events] == list(range(1 + len(rows) - len(bad)))
    if bad:
        with pytest.raises(UsageError, match=r"^standard input: line \d+"):
            read(content)


def test_a_row_of_several_lines_is_reported_with_all_of_them():
    recording = read('user,item,price\nu,"a\nb\nc"\nv,i,1\n', skip_bad_rows=True)
    assert recording.skipped_examples == ("lines 2-4: expected 3 columns, got 2",)
    assert items(recording) == [["i"]]


def test_a_recording_of_bad_rows_alone_is_an_error_that_shows_the_first():
    with pytest.raises(UsageError) as caught:
        read("user,item,price\nu,i,much\nu,i,more\n", skip_bad_rows=True)
    assert str(caught.value) == (
        "standard input: expected at least one row of events; 2 were skipped: line 2, column 'price': "
        "expected a number such as 1234.5, got 'much'"
    )


def test_a_quote_that_is_not_closed_swallows_no_rows_silently():
    with pytest.raises(UsageError, match="line 3: expected CSV, got a quote that is not closed"):
        read('user,item\nu,i\nv,"j\nw,k\nx,l\n', skip_bad_rows=True)


def test_lines_of_json_that_are_none_are_skipped():
    content = '{"user_id": "u", "item_id": "i"}\n{"user_id": \nnull\n[]\n{"user_id": "u", "item_id": "j"}\n'
    recording = read(content, skip_bad_rows=True)
    assert items(recording) == [["i"], ["j"]]
    assert (recording.skipped_count, recording.skipped_examples[0]) == (
        3,
        "line 2: expected a JSON object on one line",
    )
