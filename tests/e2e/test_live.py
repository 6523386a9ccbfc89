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
    expect(page.locator("main")).to_have_css("filter", "grayscale(1)")

    context.set_offline(False)
    expect(banner).to_be_hidden(timeout=30_000)
    expect(page.locator(".light")).to_have_text("Trực tiếp")


def test_new_alarms_gather_and_move_nothing(centre: Any, context: BrowserContext) -> None:
    first, second = "BD_KCN08_NT01", "BD_KCN15_NT01"

    def about(station: str) -> bool:
        rows = centre.ask("/api/v1/alarms?open=true")["rows"]
        return any(str(row["subject"]["entity"]).endswith(station) for row in rows)

    centre.pollute(first)
    centre.until(lambda: about(first), "a first alarm")
    said = context.request.post(
        f"{centre.address}/api/v1/session", data={"name": "truc.ban", "password": centre.accounts["truc.ban"]}
    )
    assert said.ok
    page = context.new_page()
    page.goto(f"{centre.address}/alarms")
    rows = page.locator(".lines li")
    expect(rows.first).to_be_visible(timeout=20_000)
    expect(page.locator(".light")).to_have_text("Trực tiếp", timeout=20_000)
    before, place = rows.all_inner_texts(), rows.first.bounding_box()

    centre.pollute(second)
    gathered = page.get_by_role("button", name=re.compile(r"^\d+ mới – hiện$"))
    expect(gathered).to_be_visible(timeout=60_000)
    assert len(rows.all_inner_texts()) == len(before)
    assert rows.first.bounding_box() == place

    page.keyboard.press("n")
    expect(gathered).to_be_hidden()
    assert rows.count() > len(before)
