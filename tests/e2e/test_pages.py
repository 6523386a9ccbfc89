"""Every page, in both languages, at a desk and on a phone: nothing serious for axe, nothing that scrolls sideways."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
STATION = "BD_KCN03_NT01"
ENTITY = f"urn:ngsi-ld:WastewaterObserved:{STATION}"
SIZES = {"desk": (1280, 800), "phone": (390, 844), "narrow": (320, 720)}
READY = "h1, .trouble, .empty, form"


@pytest.fixture(scope="module")
def pages(centre: Any, browser: Browser) -> dict[str, str]:
    """The address of every page, with an alarm, an incident and a number to ask why of."""
    centre.pollute(STATION)

    def alarm() -> dict[str, Any] | None:
        rows = centre.ask("/api/v1/alarms?open=true", "truong.ca")["rows"]
        return next((row for row in rows if row["subject"]["entity"] == ENTITY), None)

    centre.until(lambda: alarm() is not None, "an alarm to look at")
    found = alarm()
    assert found is not None
    incident = found["incident"] or open_incident(centre, browser, found["id"])
    return {
        "overview": "/",
        "overview as a table": "/?map=table",
        "station": f"/stations/{ENTITY}",
        "alarms": "/alarms",
        "alarm": f"/alarms?id={found['id']}",
        "alarms closed": "/alarms?state=closed",
        "why": f"/alarms?why={found['why']}" if found["why"] else "/alarms",
        "incidents": "/incidents",
        "incident": f"/incidents/{incident}",
        "sources": "/sources",
        "source": f"/sources/{STATION}",
        "nowhere": "/nowhere",
    }


def open_incident(centre: Any, browser: Browser, alarm: str) -> str:
    context = browser.new_context()
    try:
        csrf = sign_in(centre, context)
        said = context.request.post(
            f"{centre.address}/api/v1/alarms/{alarm}/incident", data={}, headers={"X-CSRF": csrf}
        )
        assert said.ok, said.text()
        return str(said.json()["id"])
    finally:
        context.close()


def sign_in(centre: Any, context: BrowserContext, account: str = "truong.ca") -> str:
    """Sign the context in; its word for writes."""
    said = context.request.post(
        f"{centre.address}/api/v1/session", data={"name": account, "password": centre.accounts[account]}
    )
    assert said.ok, said.text()
    return str(context.request.get(f"{centre.address}/api/v1/session").json()["csrf"])


@pytest.fixture
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a size, in a language, on which a complaint of the browser fails the test."""
    size, language = request.param
    width, height = SIZES[size]
    context = browser.new_context(
        locale="vi-VN" if language == "vi" else "en-GB",
        timezone_id="Asia/Ho_Chi_Minh",
        reduced_motion="reduce",
        viewport={"width": width, "height": height},
        has_touch=size != "desk",
    )
    context.add_init_script(f"localStorage.setItem('datlanh.language', '{language}')")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    yield page
    context.close()
    assert complaints == []


def faults(page: Page) -> list[str]:
    """What axe finds serious or worse."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        """async () => (await axe.run(document, {
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], resultTypes: ['violations'],
        })).violations
            .filter((fault) => ['serious', 'critical'].includes(fault.impact))
            .flatMap((fault) => fault.nodes.map((node) => `${fault.id}: ${node.target.join(' ')}`))"""
    )
    return list(found)


def settle(page: Page, address: str) -> None:
    """Go there and wait until what was asked for is drawn."""
    page.goto(address)
    page.wait_for_selector(READY, state="attached", timeout=20_000)
    expect(page.locator("main .skeleton")).to_have_count(0, timeout=20_000)


@pytest.mark.parametrize(
    "window",
    [(size, language) for size in ("desk", "phone") for language in ("vi", "en")],
    indirect=True,
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_axe_finds_nothing_serious(centre: Any, pages: dict[str, str], window: Page) -> None:
    wrong: dict[str, list[str]] = {}
    settle(window, centre.address)
    if found := faults(window):
        wrong["sign in"] = found
    sign_in(centre, window.context)
    for name, path in pages.items():
        settle(window, centre.address + path)
        if found := faults(window):
            wrong[name] = found
    assert wrong == {}


@pytest.mark.parametrize("window", [("narrow", "vi"), ("narrow", "en")], indirect=True, ids=["vi", "en"])
def test_nothing_scrolls_sideways_on_the_narrowest_screen(
    centre: Any, pages: dict[str, str], window: Page
) -> None:
    settle(window, centre.address)
    wide = {"sign in": too_wide(window)}
    sign_in(centre, window.context)
    for name, path in pages.items():
        settle(window, centre.address + path)
        wide[name] = too_wide(window)
    assert {name: by for name, by in wide.items() if by} == {}


def too_wide(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    by: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(0, by)
