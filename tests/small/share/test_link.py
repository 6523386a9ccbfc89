"""Opaque links: what was written can be read, all else is refused."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datlanh.model.errors import BadInput
from datlanh.share import link

AT = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "of",
    [
        link.OfReading(entity="urn:ngsi-ld:A:ơ", attribute="pm25", dataset="", at=AT),
        link.OfIndicator(indicator="environment.vn_aqi_hour", subject="province", end=AT),
    ],
)
def test_a_link_names_its_number(of: link.Number) -> None:
    assert link.read(link.why(of)) == of


@given(st.text(max_size=80))
def test_what_we_did_not_write_is_refused(text: str) -> None:
    with contextlib.suppress(BadInput):
        link.read(text)
