"""A field worker's phone loses its network, goes on, and finds everything on the server exactly once."""

import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import Centre

FIELD, LEAD = "hien.truong", "truong.ca"
# The smallest picture that is one: a red point.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def send(centre: Centre, title: str, **more: Any) -> str:
    """A task for the field team, sent by the shift lead; its id."""
    with httpx2.Client(base_url=centre.address, trust_env=False, timeout=20) as client:
        answer = client.post("/api/v1/session", json={"name": LEAD, "password": centre.accounts[LEAD]})
        answer.raise_for_status()
        made = client.post(
            "/api/v1/tasks",
            headers={"x-csrf": answer.json()["csrf"]},
            json={"title": title, "unit": "tt-quan-trac", "role": "field_team", "within_hours": 8, **more},
        )
        made.raise_for_status()
        return str(made.json()["row"]["id"])


@pytest.fixture
def phone(browser: Browser, centre: Centre) -> Any:
    """A phone in the province, signed in as somebody of the field team."""
    context = browser.new_context(
        locale="vi-VN",
        timezone_id="Asia/Ho_Chi_Minh",
        viewport={"width": 390, "height": 844},
        reduced_motion="reduce",
        geolocation={"longitude": 106.6842, "latitude": 11.1206, "accuracy": 12},
        permissions=["geolocation"],
    )
    page = context.new_page()
    page.goto(f"{centre.address}/field")
    page.get_by_label("Tên đăng nhập").fill(FIELD)
    page.get_by_label("Mật khẩu").fill(centre.accounts[FIELD])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hiện trường")).to_be_visible()
    yield page
    context.close()


def kept(page: Page) -> None:
    """Wait until the phone has all that it needs without a network."""
    page.wait_for_function(
        """async () => {
          if (!navigator.serviceWorker.controller) return false;
          const files = await caches.open('datlanh-files'), data = await caches.open('datlanh-data');
          return !!(await files.match('/')) && !!(await data.match('/api/v1/tasks/mine'))
            && !!(await data.match('/api/v1/session')) && (await files.keys()).length > 5;
        }"""
    )


def test_offline_stamps_photo_and_note_arrive_once_when_the_network_is_back(
    centre: Centre, phone: Page
) -> None:
    title = f"Chụp miệng xả {uuid.uuid4().hex[:6]}"
    id = send(centre, title, on_site=True, wants="photo", checklist=["Lấy mẫu"])
    phone.reload()
    kept(phone)
    expect(phone.get_by_text(title)).to_be_visible()

    # The network goes; even the page is opened anew.
    phone.context.set_offline(True)
    phone.reload()
    expect(phone.get_by_text("Không có mạng")).to_be_visible()
    phone.get_by_text(title).click()
    phone.get_by_label("Gửi kèm vị trí").check()
    phone.get_by_role("button", name="Nhận nhiệm vụ").click()
    phone.get_by_role("button", name="Đã đến nơi").click()
    phone.get_by_role("checkbox", name="Lấy mẫu").first.check()
    phone.locator("input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": PICTURE}
    )
    phone.get_by_label("Ghi chú", exact=True).fill("Nước sẫm màu")
    phone.get_by_role("button", name="Lưu ghi chú").click()
    expect(phone.get_by_text("5 thao tác chưa gửi")).to_be_visible()
    phone.get_by_role("button", name="Báo đã xong").click()
    expect(phone.get_by_text("6 thao tác chưa gửi")).to_be_visible()
    assert centre.ask(f"/api/v1/tasks/{id}", LEAD)["row"]["state"] == "sent"

    # Closed and opened again, nothing is lost.
    phone.reload()
    expect(phone.get_by_text("6 thao tác chưa gửi")).to_be_visible()
    offline_until = datetime.now(UTC)  # noqa: TID251 -- the phone's own clock

    phone.context.set_offline(False)
    centre.until(
        lambda: centre.ask(f"/api/v1/tasks/{id}", LEAD)["row"]["state"] == "done", "the server knows it done"
    )
    expect(phone.get_by_text("chưa gửi")).to_have_count(0)
    task = centre.ask(f"/api/v1/tasks/{id}", LEAD)
    said = [entry["what"] for entry in task["log"]]
    assert sorted(said) == sorted(
        ["TaskSent", "TaskReceived", "TaskArrived", "TaskChecked", *["TaskEvidenceAdded"] * 2, "TaskDone"]
    )
    for stamp in task["stamps"]:
        at = datetime.fromisoformat(stamp["at"])
        assert (
            at
            <= offline_until + timedelta(seconds=2)
            <= datetime.fromisoformat(stamp["told_at"]) + timedelta(seconds=4)
        )
    assert task["stamps"][1]["place"] == [106.6842, 11.1206]
    photo = next(one for one in task["proofs"] if one["kind"] == "photo")
    assert photo["name"].endswith(".jpg")


def test_what_the_server_refuses_is_shown_and_kept_until_the_person_decides(
    centre: Centre, phone: Page
) -> None:
    title = f"Việc bị rút {uuid.uuid4().hex[:6]}"
    id = send(centre, title)
    phone.reload()
    kept(phone)
    phone.get_by_text(title).click()
    phone.context.set_offline(True)
    phone.get_by_role("button", name="Nhận nhiệm vụ").click()
    expect(phone.get_by_text("1 thao tác chưa gửi")).to_be_visible()
    with httpx2.Client(base_url=centre.address, trust_env=False, timeout=20) as client:
        answer = client.post("/api/v1/session", json={"name": LEAD, "password": centre.accounts[LEAD]})
        client.post(
            f"/api/v1/tasks/{id}/withdraw",
            headers={"x-csrf": answer.json()["csrf"]},
            json={"reason": "Không cần nữa"},
        ).raise_for_status()
    phone.context.set_offline(False)
    conflict = phone.get_by_role("alert").filter(has_text="bị máy chủ từ chối")
    expect(conflict).to_be_visible()
    expect(conflict).to_contain_text("đã kết thúc")
    phone.reload()
    expect(conflict).to_be_visible()
    phone.on("dialog", lambda dialog: dialog.accept())
    conflict.get_by_role("button", name="Bỏ đi").click()
    expect(conflict).to_have_count(0)
    assert centre.ask(f"/api/v1/tasks/{id}", LEAD)["row"]["state"] == "withdrawn"


def test_signing_out_leaves_nothing_of_mine_for_the_next(centre: Centre, phone: Page) -> None:
    kept(phone)
    phone.get_by_role("button", name="Bùi Anh Tuấn").click()
    phone.get_by_text("Đăng xuất").click()
    expect(phone.get_by_label("Mật khẩu")).to_be_visible()
    phone.wait_for_function("async () => !(await caches.has('datlanh-data'))")
