"""An officer works off an alarm without a mouse: from the sign-in to the closed incident."""

from typing import Any

from playwright.sync_api import Page, expect

STATION = "BD_KCN01_NT01"
ENTITY = f"urn:ngsi-ld:WastewaterObserved:{STATION}"
LEAD = "truong.ca"


def test_an_alarm_is_worked_off_by_keyboard(centre: Any, page: Page) -> None:
    centre.pollute(STATION)
    centre.until(lambda: waiting(centre) is not None, "an alarm about the water of the park")
    alarm = waiting(centre)
    assert alarm is not None

    sign_in(centre, page)
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator(f"#alarm-{alarm['id']}")).to_be_visible(timeout=20_000)

    # Find it, stand on it, take it.
    page.keyboard.press("/")
    page.keyboard.type(alarm["code"])
    page.keyboard.press("Enter")
    expect(page.locator(".lines li")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#alarm-title")).to_have_text(alarm["title"])
    assert "limit" in centre.ask(f"/api/v1/alarms/{alarm['id']}", LEAD)["row"]
    page.keyboard.press("a")
    centre.until(lambda: row(centre, alarm["id"])["state"] == "acknowledged", "the alarm is acknowledged")
    me = person(centre)
    assert row(centre, alarm["id"])["acknowledged_by"] == me

    # Open the incident that the alarm's procedure describes, and do its first step.
    if row(centre, alarm["id"])["incident"] is None:
        page.keyboard.press("t")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Enter")
    else:
        tab_to(page, "Đến sự cố")
        page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/*")
    incident = row(centre, alarm["id"])["incident"]
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".clocks .next")).to_be_visible()
    page.keyboard.press("s")
    centre.until(lambda: "started" in states(centre, incident), "a step is begun")
    expect(page.locator(".step.started")).to_be_visible()
    page.keyboard.press("d")
    expect(page.get_by_role("dialog")).to_be_visible()
    if page.locator("#field-out-real").count():  # what this step gives decides which steps follow
        expect(page.locator("#field-out-real")).to_be_focused()
        page.keyboard.type("Có")
        expect(page.locator("#field-out-real")).to_have_value("yes")
        for _ in range(6):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "field-evidence":
                break
    expect(page.locator("#field-evidence")).to_be_focused()
    page.keyboard.type("Đã gọi ban quản lý, đã xem camera cửa xả.")
    tab_to(page, "Xong")
    page.keyboard.press("Enter")
    centre.until(lambda: "done" in states(centre, incident), "a step is done")
    expect(page.get_by_role("dialog")).to_be_hidden()

    # It does not close without its cause; then it does.
    page.keyboard.press("e")
    expect(page.locator("#field-cause")).to_be_focused()
    tab_to(page, "Đóng sự cố")
    page.keyboard.press("Enter")
    expect(page.locator(".summary")).to_be_focused()
    assert centre.ask(f"/api/v1/incidents/{incident}", LEAD)["row"]["state"] == "open"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#field-cause")).to_be_focused()
    page.keyboard.type("Sự cố bể sinh học, đã ngừng xả.")
    tab_to(page, "Đóng sự cố")
    page.keyboard.press("Enter")
    centre.until(
        lambda: centre.ask(f"/api/v1/incidents/{incident}", LEAD)["row"]["state"] == "closed",
        "the incident is closed",
    )
    closed = centre.ask(f"/api/v1/incidents/{incident}", LEAD)
    assert closed["closing"]["cause"] == "Sự cố bể sinh học, đã ngừng xả."
    assert closed["closing"]["resolver"] == me
    assert all(entry["at"] for entry in closed["log"])
    assert {"IncidentOpened", "StepStarted", "StepDone", "IncidentClosed"} <= {
        entry["what"] for entry in closed["log"]
    }


def sign_in(centre: Any, page: Page) -> None:
    """By keyboard, as the lead of the shift."""
    page.goto(centre.address)
    page.locator("#field-name").focus()
    page.keyboard.type(LEAD)
    page.keyboard.press("Tab")
    page.keyboard.type(centre.accounts[LEAD])
    page.keyboard.press("Enter")
    expect(page.locator("header.bar")).to_be_visible()
    expect(page.locator("main h1")).to_be_attached()


def tab_to(page: Page, words: str) -> None:
    """Walk with Tab to the control with these words."""
    for _ in range(40):
        page.keyboard.press("Tab")
        said = page.evaluate("document.activeElement?.textContent?.trim() ?? ''")
        if said == words:
            return
    raise AssertionError(f"no way by Tab to “{words}”")


def waiting(centre: Any) -> dict[str, Any] | None:
    rows = centre.ask("/api/v1/alarms?open=true", LEAD)["rows"]
    return next(
        (r for r in rows if r["subject"]["entity"] == ENTITY and r["state"] == "unacknowledged"),
        None,
    )


def row(centre: Any, id: str) -> dict[str, Any]:
    found: dict[str, Any] = centre.ask(f"/api/v1/alarms/{id}", LEAD)["row"]
    return found


def states(centre: Any, incident: str) -> list[str]:
    return [step["state"] for step in centre.ask(f"/api/v1/incidents/{incident}", LEAD)["steps"]]


def person(centre: Any) -> str:
    return str(centre.ask("/api/v1/session", LEAD)["person"]["name"])
