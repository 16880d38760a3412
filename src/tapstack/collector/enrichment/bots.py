"""Whether a program sent an event that nobody looked at a page for, by what its user agent says."""

from __future__ import annotations

import re

from tapstack.core.memo import Memo

# Words that crawlers, previews, monitors and headless browsers say of themselves. A library such as
# python-requests is none of them: a service that sends its users' events names it too.
_BOT = (
    r"(?i)bot\b|bot[/;)\s]|crawl|spider|slurp|preview|headless|lighthouse|pingdom|uptime|monitor|scrap"
    r"|facebookexternalhit|archiver|validator|phantomjs|puppeteer|playwright|selenium|mediapartners"
)


def is_bot(user_agent: str) -> bool:
    """Return whether a user agent is a bot's by its own words."""
    return _bots[user_agent[:512]]


_bots: Memo[str, bool] = Memo(lambda text: re.search(_BOT, text) is not None, 4_096)
