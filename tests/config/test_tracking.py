"""The address of the mirror holds no secret."""

from __future__ import annotations

import pytest

from nasflow.config.reading import ConfigError, parse
from nasflow.config.tracking import Tracking, public


@pytest.mark.parametrize("who", ["me:S3CRET", "S3CRET", "a@b:S3CRET"])
def test_a_user_name_or_password_in_the_address_is_refused_and_not_shown(who: str) -> None:
    with pytest.raises(
        ConfigError, match=r"uri: 'https://\*\*\*@server:5000/x'; expected no user"
    ) as e:
        parse(Tracking, {"uri": f"https://{who}@server:5000/x"}, "tracking")
    assert "S3CRET" not in str(e.value)


@pytest.mark.parametrize(
    "uri", ["sqlite:///results/me@home.db", "http://127.0.0.1:5000", "https://server/a@b"]
)
def test_other_addresses_are_allowed(uri: str) -> None:
    assert public(uri) is None
    assert parse(Tracking, {"uri": uri}, "tracking").uri == uri
