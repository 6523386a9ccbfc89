"""Orders of the demo: a few directives and tasks, made by the demo's people through the real commands.

All of them in one transaction, at the first start. The one thing to know: nothing here is written past the rules; what
looks late is late because its document says so.
"""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from datlanh.kernel import PROVINCE_ZONE, Clock, Database, Transaction
from datlanh.model.alarm import PersonRef
from datlanh.model.directive import Directive, Document, NewPart
from datlanh.model.task import NewTask, Part, Task
from datlanh.operate import Directives, Tasks
from datlanh.people import People

DAY = timedelta(days=1)
PEOPLE = ("giam.doc", "lanh.dao", "truong.ca", "moi.truong", "phuong.binhduong", "du.lieu", "hien.truong")
FIRST = "demo:orders:1"


class Rooms(Protocol):
    """What of the house the demo's people need."""

    @property
    def database(self) -> Database:
        """The database."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    @property
    def people(self) -> People:
        """Who is who."""
        ...

    @property
    def directives(self) -> Directives:
        """The register of orders."""
        ...

    @property
    def tasks(self) -> Tasks:
        """What has to be done."""
        ...


@dataclass(frozen=True, slots=True)
class _Stage:
    """Who is there, and what they act upon."""

    house: Rooms
    tx: Transaction
    who: dict[str, PersonRef]
    now: datetime

    def day(self, days: int) -> date:
        """A day from today."""
        return self.now.astimezone(PROVINCE_ZONE).date() + days * DAY

    async def until(self, days: int) -> datetime:
        """The end of office hours of a day from today."""
        return await self.house.directives.end_of(self.day(days))

    async def order(
        self, number: str, title: str, text: str, *parts: NewPart, ago: int = 0, urgent: bool = False
    ) -> tuple[Directive, list[Task]]:
        """A document that came some days ago, entered now."""
        came = min(
            self.now, datetime.combine(self.day(-ago), time(8, 15), PROVINCE_ZONE) if ago else self.now
        )
        made = await self.house.directives.receive(
            self.tx,
            Document(
                number=number,
                year=self.day(-ago).year,
                issued_on=self.day(-ago),
                issuer="Ủy ban nhân dân",
                signer=self.who["lanh.dao"].name,
                title=title,
                text=text,
            ),
            urgent=urgent,
            received_at=came,
            by=self.who["giam.doc"],
            unit="ioc",
            parts=parts,
            key=FIRST if number.startswith("412") else None,
        )
        return made, (await self.house.tasks.of(self.tx, made.id))[made.id]

    async def receive(self, task: Task, who: str) -> None:
        """Somebody receives a task."""
        await self.house.tasks.receive(self.tx, task.id, by=self.who[who])

    async def done(self, task: Task, who: str, text: str) -> None:
        """Somebody does a task, with a note that proves it."""
        await self.receive(task, who)
        await self.house.tasks.prove(self.tx, task.id, by=self.who[who], kind="note", text=text)
        await self.house.tasks.finish(self.tx, task.id, by=self.who[who], text=text)


async def ensure_orders(house: Rooms) -> None:
    """Make the orders of the demo, once."""
    accounts = await house.people.demo_accounts()
    if not all(name in accounts for name in PEOPLE):
        return  # a province with other people has no such demo
    names = await house.people.person_names(accounts.values())
    who = {name: PersonRef(id=str(accounts[name]), name=names[str(accounts[name])]) for name in PEOPLE}
    async with house.database.transaction() as tx:
        await tx.run("SELECT pg_advisory_xact_lock(hashtext('demo:orders'))")
        if await house.directives.by_id(tx, [str(uuid.uuid5(uuid.NAMESPACE_OID, FIRST))]):
            return
        await _make(_Stage(house, tx, who, house.clock.now()))


async def _make(stage: _Stage) -> None:
    lead, help_ = Part.LEAD, Part.COORDINATE
    tasks, tx, who = stage.house.tasks, stage.tx, stage.who

    # Under way: reported, and more time is asked for.
    _, (first, ward, lab) = await stage.order(
        "412/UBND-KT",
        "Kiểm tra nguồn thải khu công nghiệp VSIP II-A sau các lần vượt COD",
        "Xác định nguyên nhân, yêu cầu khắc phục, báo cáo kết quả kèm số liệu trước và sau.",
        NewPart(unit="so-mt", part=lead, due_at=await stage.until(3)),
        NewPart(
            unit="ubnd-25760",
            part=help_,
            due_at=await stage.until(3),
            title="Cử cán bộ tham gia đoàn kiểm tra",
        ),
        NewPart(unit="tt-quan-trac", part=help_, due_at=await stage.until(2), title="Lấy mẫu đối chứng"),
        urgent=True,
    )
    await stage.receive(first, "moi.truong")
    await tasks.progress(
        tx, first.id, by=who["moi.truong"], percent=40, text="Đã lập đoàn, làm việc với chủ đầu tư hạ tầng."
    )
    await tasks.ask_extension(
        tx,
        first.id,
        by=who["moi.truong"],
        until=await stage.until(7),
        why="Chờ kết quả phân tích mẫu đối chứng (5 ngày).",
    )
    await stage.receive(lab, "du.lieu")
    await stage.done(ward, "phuong.binhduong", "Đã cử 02 cán bộ, có biên bản.")

    # Entered late, and over its day already.
    await stage.order(
        "398/UBND-ĐT",
        "Rà soát điểm ngập trên các tuyến đường chính trước mùa mưa",
        "Lập danh mục điểm ngập, phương án thoát nước tạm và dự toán.",
        NewPart(unit="so-xd", part=lead, due_at=await stage.until(-1)),
        NewPart(
            unit="ubnd-25760",
            part=help_,
            due_at=await stage.until(-1),
            title="Thống kê điểm ngập trên địa bàn",
        ),
        ago=9,
    )

    # Done and accepted.
    _, (air,) = await stage.order(
        "405/UBND-KT",
        "Công khai số liệu quan trắc không khí tự động hằng giờ",
        "Bảo đảm dữ liệu lên cổng dữ liệu mở, có nguồn và thời điểm.",
        NewPart(unit="so-mt", part=lead, due_at=await stage.until(5)),
    )
    await stage.done(air, "moi.truong", "Đã công khai 13 trạm, kiểm tra ngày đầu đủ 24 giờ.")
    await tasks.accept(tx, air.id, by=who["giam.doc"], text="Đạt.")

    # Done, but not well enough.
    _, (dust,) = await stage.order(
        "409/UBND-KT",
        "Xử lý bụi từ công trình xây dựng quanh trạm Thủ Dầu Một",
        "Kiểm tra che chắn, rửa xe, báo cáo kèm ảnh hiện trường.",
        NewPart(unit="so-mt", part=lead, due_at=await stage.until(4)),
    )
    await stage.done(dust, "moi.truong", "Đã nhắc nhở các đơn vị thi công.")
    await tasks.send_back(
        tx, dust.id, by=who["lanh.dao"], why="Chưa có ảnh và danh sách công trình đã kiểm tra."
    )

    # Here, and not yet split.
    await stage.order(
        "415/UBND-VX",
        "Chuẩn bị phương án phòng, chống sốt xuất huyết cao điểm",
        "Các đơn vị báo cáo kế hoạch và vật tư.",
    )

    # Tasks beside the register: for the field, and a report that the chair asked for.
    await tasks.open(
        tx,
        NewTask(
            title="Kiểm tra miệng xả và lấy mẫu tại trạm nước thải VSIP II-A",
            text="Chụp ảnh miệng xả, đo nhanh pH, lấy một mẫu gửi phòng thí nghiệm.",
            unit="tt-quan-trac",
            role="field_team",
            urgency=2,
            due_at=stage.now + timedelta(hours=6),
            checked=True,
            on_site=True,
            wants="photo",
            place=(106.6842, 11.1206),
            place_name="Miệng xả KCN VSIP II-A",
            checklist=("Chụp ảnh miệng xả", "Đo nhanh pH", "Lấy mẫu, dán niêm phong"),
        ),
        by=who["truong.ca"],
        sender_unit="ioc",
    )
    await tasks.open(
        tx,
        NewTask(
            kind="report",
            title="Báo cáo nhanh tình hình nước thải các khu công nghiệp trong tuần",
            unit="so-mt",
            urgency=2,
            due_at=await stage.until(1),
            checked=True,
        ),
        by=who["lanh.dao"],
        sender_unit="ubnd",
    )
