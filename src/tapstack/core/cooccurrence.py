"""Co-occurrence: pairs of items viewed or bought in one session, in a bounded map of the frequent ones.

The map is the Space-Saving summary of Metwally, Agrawal and El Abbadi (2005): with `c` places and `N`
pairs counted, no count is too low, none is too high by more than ``N / c``, every partner with more
than ``N / c`` pairs is present, and the counts sum to exactly `N`.
"""

from __future__ import annotations

from tapstack.core.sessions import BOUGHT_MAX, VIEWED_MAX, Session

PARTNERS_MAX = 2  # a view is paired with the two distinct items viewed before it in the session
VIEWED_WITH_MAX = 32  # places in an item's map; 10 bytes each for usual ids
BOUGHT_WITH_MAX = 16
PARTNER_BYTES_MAX = 64  # a longer id makes no pairs: 48 of them would make a row of many write units


def view_partners(session: Session, item_id: str) -> list[str]:
    """Record a view in the session, in place, and return the items it is paired with.

    An item seen again in the same session makes no new pair.
    """
    if _is_too_long(item_id):
        return []
    if item_id in session.viewed:
        session.viewed.remove(item_id)
        session.viewed.append(item_id)
        return []
    partners = session.viewed[-PARTNERS_MAX:]
    session.viewed = [*session.viewed, item_id][-VIEWED_MAX:]
    return partners


def purchase_partners(session: Session, item_id: str) -> list[str]:
    """Record a purchase in the session, in place, and return the items it is paired with."""
    if item_id in session.bought or _is_too_long(item_id):
        return []
    partners = list(session.bought)
    session.bought = [*session.bought, item_id][-BOUGHT_MAX:]
    return partners


def _is_too_long(item_id: str) -> bool:
    if len(item_id) * 4 <= PARTNER_BYTES_MAX or item_id.isascii():
        return len(item_id) > PARTNER_BYTES_MAX
    return len(item_id.encode()) > PARTNER_BYTES_MAX


def count_partner(partners: dict[str, int], partner: str, places: int) -> None:
    """Count one pair in a Space-Saving map of at most `places` partners, in place."""
    if partner in partners or len(partners) < places:
        partners[partner] = partners.get(partner, 0) + 1
        return
    rarest = min(partners, key=lambda name: (partners[name], name))
    partners[partner] = partners.pop(rarest) + 1
