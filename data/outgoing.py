"""What leaves this machine by itself: webhooks, e-mail and SMS, each begun where it is due.

Made when there is first something to send, because no start needs their clients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from billing.notices import Writing
from data.installation import Installation
from data.lease import Writes
from data.notices.outbox import has_waiting_sends
from data.webhooks.outbox import has_waiting

if TYPE_CHECKING:
    from data.notices.sending import NoticeDeliverer
    from data.webhooks.delivering import Deliverer


class Outgoing:
    """The leader's deliverers. ``writing``: none, as in tests of other things: nothing is mailed.

    ``writes``: what comes of a delivery, kept only while this process leads.
    """

    def __init__(self, installation: Installation, writes: Writes, writing: Writing | None) -> None:
        self._installation = installation
        self._writes = writes
        self._writing = writing
        self._webhooks: Deliverer | None = None
        self._notices: NoticeDeliverer | None = None

    def deliver(self, may_go_on: Callable[[], bool]) -> None:
        """Begins with what is due; ``may_go_on`` is asked before each."""
        with self._installation.database.read() as connection:
            has_webhooks = has_waiting(connection)
            has_notices = self._writing is not None and has_waiting_sends(connection)
        if has_webhooks:
            self._webhooks = self._webhooks or self._made_webhooks()
            self._webhooks.deliver(may_go_on)
        if has_notices and self._writing is not None:
            self._notices = self._notices or self._made_notices(self._writing)
            self._notices.deliver(may_go_on)

    def close(self) -> None:
        """Begins nothing more."""
        for each in (self._webhooks, self._notices):
            if each is not None:
                each.close()

    def _made_webhooks(self) -> Deliverer:
        from data.webhooks.delivering import Deliverer
        from data.webhooks.sending import Sender

        installation = self._installation
        sender = Sender(may_be_private=installation.settings.allow_private_webhooks)
        return Deliverer(
            installation.database, self._writes, installation.clock, installation.endpoints,
            sender,
        )  # fmt: skip

    def _made_notices(self, writing: Writing) -> NoticeDeliverer:
        from data.notices.sending import NoticeDeliverer
        from data.notices.ways import ways_of

        installation = self._installation
        ways = ways_of(installation.settings, installation.secret, writing)
        return NoticeDeliverer(installation.database, self._writes, installation.clock, ways)
