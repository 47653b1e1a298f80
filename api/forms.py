"""What the pages' posts share: whose account they are about, who sends them, where a refusal leads.

Every post says which account its page showed: one left open while another account was chosen must
not change anything there. Must not know what a form does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps

from flask import redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.web_auth import current_scope, current_viewer
from billing.access import AccountScope
from billing.errors import NotAllowedError, ProductError
from data.access.audit import person_actor

Answer = Callable[[], AnyResponse]


def back_to_page(
    address: Callable[[str], str], refusals: Collection[str]
) -> Callable[[Answer], Answer]:
    """A refusal that the page can say leads back to it; other ones are no form's of ours.

    ``address``: the page's for the refusal's code.
    """

    def guarded(work: Answer) -> Answer:
        @wraps(work)
        def answer() -> AnyResponse:
            try:
                return work()
            except ProductError as error:
                if error.code not in refusals:
                    raise
                return redirect(address(error.code), 303)

        return answer

    return guarded


def form_scope() -> AccountScope:
    """The account the person looks at now, if it is the one that the page showed."""
    scope, shown = current_scope(), request.form.get("account", "")
    if shown != scope.account_id:
        raise NotAllowedError("You look at another account now.", code="other_account")
    return scope


def form_actor() -> str:
    """The person who sends the form, as the audit log names them."""
    return person_actor(current_viewer().person_id)
