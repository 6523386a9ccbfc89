"""A shift hands over to the next, by keyboard alone, in a real browser."""

from typing import Any

from playwright.sync_api import Page, expect

STATION = "BD_KCN02_NT01"
TAKES, GIVES = "truc.ban", "truc.ban2"


def test_a_shift_is_taken_over_by_keyboard_and_only_once_everything_is_read(centre: Any, page: Page) -> None:
    # Something opens after the handover was prepared and signed by the one who goes: it must be read, too.
    centre.pollute(STATION)
    centre.until(lambda: centre.ask("/api/v1/duty/desk")["open"] != [], "something is open at the desk")
    before = centre.ask("/api/v1/duty/desk")
    assert before["handover"]["side"] == "take" and before["handover"]["given"]
    assert centre.ask("/api/v1/duty/desk", GIVES)["watch"]["mine"]

    page.goto(f"{centre.address}/duty")
    page.locator("input[name=name]").fill(TAKES)
    page.locator("input[name=password]").fill(centre.accounts[TAKES])
    page.keyboard.press("Enter")
    sign = page.locator("#sign")
    expect(sign).to_be_disabled(timeout=20_000)

    # More may open while one reads; each thing is marked by itself until none is left.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#item-0-mark")).to_be_focused()

    def unread() -> int:
        return page.locator(".mark[aria-pressed=false]").count()

    while unread():
        left = unread()
        page.keyboard.press("Enter")
        centre.until(lambda left=left: unread() != left, "the thing is marked as read")
    expect(sign).to_be_enabled()
    expect(sign).to_be_focused()
    page.keyboard.press("s")
    expect(page.locator(".now .people")).to_contain_text("Nguyễn Thị Hạnh")
    after = centre.ask("/api/v1/duty/desk")
    assert after["watch"]["mine"] and after["handover"] is None
    assert not centre.ask("/api/v1/duty/desk", GIVES)["watch"]["mine"]

    # The log has written itself, and what one notes stands in it.
    page.keyboard.press("n")
    page.keyboard.type("Đã nhận ca.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".log li").first).to_contain_text("Đã nhận ca.")
    whats = [line["what"] for line in centre.ask("/api/v1/duty/desk")["log"]]
    assert whats[0] == "ShiftNoted" and "WatchBegan" in whats
