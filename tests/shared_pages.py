"""A page as it is shared by several people, and the same page made for one request alone."""

from typing import Any

import pytest

from api import page_parts
from tests.web_client import WebClient, page_request

USAGE, METRIC, RATES = "/billing/usage", "/billing/usage/sms_credits", "/billing/rates"


def shown(client: WebClient, page: tuple[str, str]) -> Any:
    answer = client.callback(page_request(*page))
    assert answer.status_code == 200, answer.text
    return answer.json()["response"]


def alone(client: WebClient, page: tuple[str, str]) -> Any:
    """The same page, made for this request alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_parts, "LONGEST_ADDRESS", -1)
        return shown(client, page)
