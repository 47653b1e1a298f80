"""Settings of e-mail and SMS: a wrong one stops the start in one line that shows no secret."""

import pytest

from billing.errors import InputError
from data.settings import MASK, Settings, load_settings


def settings(**given: str) -> Settings:
    return load_settings(_env_file=None, **given)


@pytest.mark.parametrize(
    ("given", "sender"),
    [
        ({}, None),
        ({"mail_from": "alerts@usage.example"}, None),
        ({"smtp_url": "smtp://relay.example", "mail_from": "Usage <alerts@usage.example>"},
         "Usage <alerts@usage.example>"),
        ({"smtp_url": "smtps://me%40usage.example:secret@mail.example:465"}, "me@usage.example"),
    ],
)  # fmt: skip
def test_the_sender_is_the_one_named_or_who_signs_in(given: dict[str, str], sender: str | None):
    assert settings(**given).sender == sender


@pytest.mark.parametrize(
    ("given", "name", "fix"),
    [
        ({"smtp_url": "http://me:secret@mail.example"}, "USAGE_SMTP_URL", "use smtp://"),
        ({"smtp_url": "smtp://secret@mail.example"}, "USAGE_SMTP_URL", "give user and password"),
        ({"smtp_url": "smtp://relay.example"}, "USAGE_MAIL_FROM", "use an address such as"),
        ({"smtp_url": "smtp://me:secret@relay.example"}, "USAGE_MAIL_FROM", "use an address"),
        ({"mail_from": "a@b.example\r\nBcc: c@d.example", "smtp_url": "smtp://x.example"},
         "USAGE_MAIL_FROM", "use an address"),
        ({"sms_url": "twilio://secret:secret@from/to"}, "USAGE_SMS_URL", "{to} for the number"),
        ({"sms_url": "nothing://secret/{to}"}, "USAGE_SMS_URL", "use an Apprise address"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_named_with_its_fix(given: dict[str, str], name: str, fix: str):
    with pytest.raises(InputError) as refused:
        settings(**given)
    assert refused.value.field == name
    assert fix in refused.value.fix
    assert "secret" not in refused.value.message
    assert "\n" not in refused.value.message


def test_secrets_are_masked_where_settings_are_shown():
    shown = dict(
        settings(
            smtp_url="smtp://me%40usage.example:word@mail.example", sms_url="json://tok/{to}"
        ).shown()
    )
    assert (shown["USAGE_SMTP_URL"], shown["USAGE_SMS_URL"]) == (MASK, MASK)
