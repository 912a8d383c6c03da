"""What counts as a secret by its name, by its place, or because it is known (SEMANTICS 14.4)."""

import json

import pytest

from squidie.history.masking import MASK, Masking
from squidie.settings import Settings

NAMES = [
    "password",
    "secret",
    "token",
    "authorization",
    "api_key",
    "credential",
    "private_key",
    "cookie",
    "card",
    "iban",
    "cvv",
]
CANARY = "canary-4711"
MASKING = Masking(
    Settings().secrets, values=[CANARY, "90210"], paths=["customer.email", "items.*.note", "*.phone", "whole"]
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "form",
    [
        str,
        str.upper,
        "{}s".format,
        "X-{}".format,
        "old_{}".format,
        "{}_value".format,
        "{}2".format,
        lambda name: name.replace("_", "-"),
        lambda name: "new" + name.title().replace("_", ""),
        lambda name: name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]) + "Text",
    ],
)
def test_names_of_secrets_are_known_in_every_form(name, form):
    """14.4: case, dashes, camel case, prefixes and suffixes."""
    assert MASKING.names_secret(form(name)), form(name)


@pytest.mark.parametrize("name", ["discard", "postcards", "cardinality", "order", "author", "key", "privacy", "", "é"])
def test_other_names_are_not(name):
    """14.4."""
    assert not MASKING.names_secret(name)


def test_masking_goes_to_any_depth():
    """14.4: by key, whatever stands there."""
    deep = {"a": [{"b": ({"accessToken": {"x": 1}, "ok": 1},)}]}

    assert MASKING.value(deep) == {"a": [{"b": [{"accessToken": MASK, "ok": 1}]}]}


def test_places_that_the_host_names_are_masked():
    """14.4: a star is any name, or any item of a list."""
    given = {
        "customer": {"email": "a@b", "name": "Ada"},
        "items": [{"note": "n", "sku": 1}, {"note": ["n"]}],
        "shop": {"phone": 5},
        "whole": {"x": 1},
        "email": "stays",
    }

    assert MASKING.value(given) == {
        "customer": {"email": MASK, "name": "Ada"},
        "items": [{"note": MASK, "sku": 1}, {"note": MASK}],
        "shop": {"phone": MASK},
        "whole": MASK,
        "email": "stays",
    }


def test_known_secrets_are_masked_wherever_they_stand():
    """14.4: in text, in keys, and as numbers."""
    given = {"note": f"it is {CANARY}!", CANARY: 1, "zip": 90210, "list": [CANARY], "flag": True}
    found = MASKING.value(given)

    assert found == {"note": "it is ***!", MASK: 1, "zip": MASK, "list": [MASK], "flag": True}
    assert CANARY not in json.dumps(found)


@pytest.mark.parametrize(
    "text",
    [
        "password=S3cr",
        '"card": "S3cr"',
        "card_number: S3cr",
        "api-key = S3cr",
        "Authorization: Bearer S3cr",
        "IBAN S3cr".replace(" ", "="),
        "postgresql://me:S3cr@host/db",
    ],
)
def test_text_is_masked_by_the_same_names(text):
    """14.4: in what exceptions and people say."""
    assert "S3cr" not in MASKING.text(text)


def test_what_is_masked_stays_as_it_is():
    """14.4: what was masked when it was written is masked again when it is read."""
    given = {"token": 1, "note": f"password=x {CANARY}", "items": [{"note": 2}]}
    once = MASKING.value(given)

    assert MASKING.value(once) == once


def test_settings_show_no_secret():
    """14.4."""
    assert CANARY not in repr(Settings(secret_values=(CANARY,)))


@pytest.mark.parametrize(
    "said",
    [
        '{"token":"abc"}',
        "{'api_key': 'abc', 'n': 1}",
        "password=abc, card: 4111",
        "postgresql://u:abc@host/db",
        "token: '***'",
    ],
)
def test_what_was_masked_stays_as_it_is(said):
    """17.9: a line of JSON that was masked already is JSON still."""
    masking = Masking(("token", "api_key", "password", "card"))
    value = masking.text(said)

    assert masking.text(value) == value
    assert masking.text('{"token":"***"}') == '{"token":"***"}'
