"""The journal: no entry is missing in a lane, and all are folded into derived rows."""

from __future__ import annotations

from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.tables import Journal

PROJECTIONS = ("items", "leaderboards", "search_terms", "impressions", "categories")
LANES_A_STRIPE = 4
DECLARED = "attributes#"


def check_journal(journal: Journal) -> Finding:
    """Check each lane's numbers, the watermarks, and what derived rows say they hold.

    An entry too few or too many counts as one event, since every entry is one at least.
    """
    finding = Finding("journal")
    for lane in sorted(journal.heads.keys() | journal.numbers.keys()):
        head, numbers = journal.heads.get(lane, 0), journal.numbers.get(lane, set())
        finding.judge(f"lane {lane:04d}: entries", len(numbers), head, head)
        finding.judge(f"lane {lane:04d}: last entry", max(numbers, default=0), head, head)
        for projection in PROJECTIONS:
            folded = journal.marks.get(projection, {}).get(lane, 0)
            finding.judge(f"lane {lane:04d}: entries in {projection}", folded, head, head)
    for projection, since_s in sorted(journal.since_s.items()):
        if projection.startswith(DECLARED):  # of files deployed before, too; values are compared
            continue
        finding.judge(f"{projection}: counted since, in Unix seconds", since_s, 0, 0, at_most=1)
    for (pk, sk), applied in journal.applied.items():
        for lane, number in applied.items():
            head = journal.heads.get(lane, 0) if lane // LANES_A_STRIPE == int(sk) else 0
            finding.judge(f"{pk} {sk}: applied of lane {lane:04d}", number, 0, head)
    return finding
