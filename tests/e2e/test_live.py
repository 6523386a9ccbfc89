"""When the server is gone, the screen says since when it is not live; it comes back by itself."""

import re
from typing import Any

from playwright.sync_api import BrowserContext, expect


def test_the_screen_says_when_it_is_not_live(centre: Any, context: BrowserContext) -> None:
    account = "truc.ban"
    said = context.request.post(
        f"{centre.address}/api/v1/session", data={"name": account, "password": centre.accounts[account]}
    )
    assert said.ok
    page = context.new_page()  # not the watched one: a browser complains aloud when the network goes
    page.goto(f"{centre.address}/alarms")
    expect(page.locator(".light")).to_have_text("Trực tiếp", timeout=20_000)

    context.set_offline(True)
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text(
        re.compile(r"Mất kết nối từ \d\d:\d\d, số liệu đến \d\d:\d\d"), timeout=25_000
    )
    expect(page.locator("html")).to_have_class(re.compile("is-lost"))
    assert page.evaluate("getComputedStyle(document.querySelector('main')).filter") == "grayscale(1)"

    context.set_offline(False)
    expect(banner).to_be_hidden(timeout=30_000)
    expect(page.locator(".light")).to_have_text("Trực tiếp")
