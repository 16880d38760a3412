"""Recordings: recognised columns, kept timing, and one clear line for a bad row."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from tapstack.errors import UsageError
from tapstack_local.recording import Layout, read_recording
from tapstack_local.recording.replay import WITHIN_MS
from tapstack_local.recording.times import EXPECTED, EXPECTED_YEAR_FIRST

NOW_MS = 1_800_000_000_000
DIGINETICA = Path(__file__).parents[3] / "shared" / "data" / "diginetica-item-views.csv"


@pytest.fixture
def replay(tmp_path):
    def replay(content, *, events=None, **layout):
        path = tmp_path / "recording"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_recording(path, now_ms=NOW_MS, seed=1, events=events, layout=Layout(**layout))

    return replay


def events_of(requests):
    return [event for request in requests for event in request.events]


def ms(event):
    return round(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000)


def test_a_session_keeps_its_inner_timing_and_anonymous_rows_are_named_after_it(replay):
    requests = replay(
        "session_id;user_id;item_id;timeframe;eventdate\n"
        "1;NA;81766;5000;2016-05-09\n"
        "1;NA;31331;1000;2016-05-09\n"
        "2;77;12;0;2016-05-08\n"
    )
    second, first, last = events_of(requests)
    assert (second["user_id"], second["items"]) == ("77", [{"item_id": "12"}])
    assert first["anonymous_id"] == last["anonymous_id"] == "session-1"
    assert [event["items"][0]["item_id"] for event in (first, last)] == ["31331", "81766"]
    assert ms(last) - ms(first) == 4_000
    assert {event["event_type"] for event in (first, second, last)} == {"item_view"}
    assert all(NOW_MS - WITHIN_MS <= ms(event) <= NOW_MS for event in (first, second, last))


def test_every_event_is_numbered_by_one_client_a_user(replay):
    events = events_of(
        replay("user_id,item_id,timestamp\nu1,a,1700000000\nu2,a,1700000001\nu1,b,1700000002000\n")
    )
    assert [(e["user_id"], e["n"]) for e in events] == [("u1", 0), ("u1", 1), ("u2", 0)]
    assert events[0]["client_id"] == events[1]["client_id"] != events[2]["client_id"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_sniffed(replay, delimiter):
    rows = ["userId", "item", "event"], ["u", "i", "cart_add"]
    [event] = events_of(replay("\n".join(delimiter.join(row) for row in rows)))
    assert event["event_type"] == "cart_add"
    assert event["items"] == [{"item_id": "i"}]


def test_json_lines_hold_rows_or_whole_events(replay):
    whole = {"event_type": "search", "anonymous_id": "a", "query": "shoes", "event_id": "e-1"}
    row = {"user": "u", "itemid": 12, "occurred_at": "2026-01-01T00:00:00Z", "price": 2.5}
    events = events_of(replay(json.dumps(whole) + "\n\n" + json.dumps(row)))
    by_type = {event["event_type"]: event for event in events}
    assert by_type["search"] | whole == by_type["search"]
    assert "client_id" not in by_type["search"]
    assert by_type["item_view"]["items"] == [{"item_id": "12", "price": 2.5}]


def test_the_lines_of_a_file_need_not_name_their_columns_alike(replay):
    rows = '{"user_id": "u", "item_id": "i"}\n{"userid": "v", "event_type": "item_view", "itemid": "j"}\n'
    assert [event["items"][0]["item_id"] for event in events_of(replay(rows))] == ["i", "j"]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_a_recording_is_split_at_line_feeds_only(replay, odd):
    found = events_of(replay(f"user,event,query\nu,search,a{odd}b\n"))
    assert [event["query"] for event in found] == [f"a{odd}b"]
    line = json.dumps({"user": "u", "event": "search", "query": f"a{odd}b"}, ensure_ascii=False)
    assert [event["query"] for event in events_of(replay(line))] == [f"a{odd}b"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quoted_cell_keeps_its_line_feeds(replay, end):
    [event] = events_of(replay(f'user,event,query{end}u,search,"red{end}shoes"{end}'))
    assert event["query"] == f"red{end}shoes"


RETAILROCKET = """timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433221332118,257597,addtocart,355908,
1433221332119,257597,transaction,355908,4000
"""
REES46 = """event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,1003461,2053013555631882655,electronics.smartphone,xiaomi,489.07,520088904,4d3b
2019-10-01 00:00:04 UTC,cart,1003461,2053013555631882655,electronics.smartphone,xiaomi,489.07,520088904,4d3b
2019-10-01 00:00:06 UTC,remove_from_cart,1003461,2053013555631882655,,xiaomi,489.07,520088904,4d3b
2019-10-01 00:00:10 UTC,purchase,1003461,2053013555631882655,,xiaomi,489.07,520088904,4d3b
"""


def test_retailrockets_layout_is_read_as_it_is(replay):
    events = events_of(replay(RETAILROCKET))
    assert [event["event_type"] for event in events] == ["item_view", "cart_add", "purchase"]
    assert {event["anonymous_id"] for event in events} == {"257597"}


def test_rees46s_layout_is_read_as_it_is(replay):
    events = events_of(replay(REES46))
    assert [event["event_type"] for event in events] == ["item_view", "cart_add", "cart_remove", "purchase"]
    assert [ms(event) - ms(events[0]) for event in events] == [0, 4_000, 6_000, 10_000]
    assert events[0]["items"] == [{"item_id": "1003461", "price": 489.07}]
    assert {event["session_id"] for event in events} == {"4d3b"}


def test_a_cart_may_be_added_to_in_three_spellings(replay):
    rows = "".join(f"u,i,{name}\n" for name in ("addtocart", "add_to_cart", "Cart", "cart_add"))
    events = events_of(replay("user_id,item_id,event\n" + rows))
    assert [event["event_type"] for event in events] == ["cart_add"] * 4


def test_columns_can_be_mapped(replay):
    [event] = events_of(replay("who,what\nu,i\n", names={"user_id": "who", "item_id": "what"}))
    assert (event["user_id"], event["items"]) == ("u", [{"item_id": "i"}])


def test_a_user_without_sessions_begins_a_new_visit_after_half_an_hour(replay):
    rows = "user_id,item_id,timestamp\nu,a,1000000\nu,b,1000060\nu,c,9000000\n"
    first, second, third = events_of(replay(rows))
    assert ms(second) - ms(first) == 60_000
    assert ms(third) - ms(second) < WITHIN_MS


def test_no_more_rows_than_asked_for(replay):
    assert len(events_of(replay("user_id,item_id\nu,a\nu,b\nu,c\n", events=2))) == 2


NOBODY = "expected a user_id, anonymous_id or session_id column; see --map"
HEAD = "session_id;user_id;item_id;timeframe;eventdate\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            HEAD + "1;NA;2;soon;2016-05-09\n",
            "line 2, column 'timeframe': expected a whole number, got 'soon'",
            id="a word for a number",
        ),
        pytest.param(
            HEAD + "1;NA;2;0;2016-05-09\n1;NA;2;0;ninth of May\n",
            f"line 3, column 'eventdate': expected {EXPECTED}, got 'ninth of May'",
            id="no date",
        ),
        pytest.param(HEAD + "1;NA;2\n", "line 2: expected 5 columns, got 3", id="a short row"),
        pytest.param(
            HEAD + "1;NA;NA;0;2016-05-09\n", "line 2, column 'item_id': expected an item", id="no item"
        ),
        pytest.param(
            "user_id,item_id\n,a\n",
            "line 2, column 'user_id': expected a user, an anonymous visitor or a session",
            id="nobody",
        ),
        pytest.param("a,b\n1,2\n", f"line 1: {NOBODY}", id="no columns"),
        pytest.param('{"user_id": "u"', "line 1: expected a JSON object on one line", id="broken JSON"),
        pytest.param(
            '{"event_type": "item_view", "user_id": "u", "event_id": "e", "items": [], "foo": 1}',
            "line 1: 'foo' is no field of an event, and 'event_id' is no column of a row "
            "(but for --map event_id=event_id)",
            id="a whole event and more",
        ),
        pytest.param(
            '{"event_type": "item_view", "user_id": "u", "item_id": "i", "items": [{"item_id": "j"}]}',
            "line 1, column 'item_id': expected an item or a list of items, not both",
            id="an item and items",
        ),
        pytest.param(
            '{"user_id": "u", "items": [{"item_id": "j"}]}',
            "line 1, 'event_type' of its event: is required",
            id="items without a type",
        ),
        pytest.param(
            '{"user_id": "u", "item_id": {"a": 1}}',
            "line 1, column 'item_id': expected text or a number, not a list or an object",
            id="an object as a cell",
        ),
        pytest.param(
            '{"user_id": "u", "item_id": true}',
            "line 1, column 'item_id': expected text or a number, not true or false",
            id="true as a cell",
        ),
        pytest.param(
            "user_id,item_id,User_id\nu,i,v\n",
            "line 1: expected one column 'user_id' and 'User_id', got 2; see --map",
            id="two columns of one name",
        ),
        pytest.param(
            'user_id,item_id\nu,"i\nv,j\n',
            "line 2: expected CSV, got a quote that is not closed",
            id="an open quote",
        ),
        *(
            pytest.param(
                f"user_id,item_id,timestamp\nu,i,{time}\n",
                f"line 2, column 'timestamp': expected {EXPECTED}, got '{time}'",
                id=f"the time {time}",
            )
            for time in ("inf", "-inf", "-1", "1" + "0" * 20, "1_700_000_000", "5 Jan 2024", "2024-02-30")
        ),
        *(
            pytest.param(
                f"user_id,item_id,timestamp\nu,i,{time}\n",
                f"line 2, column 'timestamp': expected {EXPECTED_YEAR_FIRST}, got '{time}'",
                id=f"the time {time}",
            )
            for time in ("01/02/2024", "1.2.2024 10:00", "31-12-24", "12/31/2024 11:59:59 PM")
        ),
        *(
            pytest.param(
                f"user_id;item_id;price\nu;i;{price}\n",
                f"line 2, column 'price': expected a number such as 1234.5, got '{price}'",
                id=f"the price {price}",
            )
            for price in ("inf", "-Infinity", "1,5", "1,234.50", "1.234,50", "1_000", "$3", "3 EUR", "1e400")
        ),
        *(
            pytest.param(
                f"user_id;item_id;quantity\nu;i;{quantity}\n",
                f"line 2, column 'quantity': expected a whole number, got '{quantity}'",
                id=f"the quantity {quantity}",
            )
            for quantity in ("1.5", "1,0", "two", "1e2")
        ),
        pytest.param(
            f"session_id,item_id,timeframe\ns,i,0\ns,i,{10**15}\n",
            f"line 3, column 'timeframe': expected milliseconds since the session began, got '{10**15}'",
            id="an offset beyond any time",
        ),
        pytest.param("user_id,item_id\n", ": expected at least one row of events", id="no rows"),
        pytest.param("", "the file is empty", id="empty"),
        pytest.param(" \n\n", "the file is empty", id="blank"),
        pytest.param(
            '{"user_id":' + "[" * 100_000, "line 1: expected a JSON object on one line",
            id="nested without end",
        ),
    ],
)  # fmt: skip
def test_a_bad_row_is_one_clear_line(replay, tmp_path, text, message):
    with pytest.raises(UsageError) as caught:
        replay(text)
    assert str(caught.value).startswith(str(tmp_path / "recording"))
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match="no such file or directory"):
        read_recording(tmp_path / "absent.csv", now_ms=NOW_MS, seed=1)


def test_a_column_that_is_not_there_cannot_be_mapped(replay):
    with pytest.raises(UsageError, match="no column 'who' for user_id; there are a, item_id"):
        replay("a,item_id\n1,2\n", names={"user_id": "who"})
    with pytest.raises(UsageError, match="cannot map 'colour'"):
        replay("a,item_id\n1,2\n", names={"colour": "a"})


@pytest.mark.skipif(not DIGINETICA.exists(), reason="the recording ../shared/data is not on this machine")
def test_the_diginetica_recording_is_replayed_whole():
    requests = read_recording(DIGINETICA, now_ms=NOW_MS, seed=1)
    events = events_of(requests)
    rows = DIGINETICA.read_text().splitlines()[1:]
    assert len(events) == len({(event["client_id"], event["n"]) for event in events}) == len(rows) > 12_000
    assert {event["session_id"] for event in events} == {row.split(";")[0] for row in rows}
    assert all(NOW_MS - WITHIN_MS <= ms(event) <= NOW_MS for event in events)
    assert [request.at_ms for request in requests] == sorted(request.at_ms for request in requests)
