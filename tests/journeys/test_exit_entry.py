"""Service 3, exit and entry: appointments and their reminders, documents ready, surveys."""

from datetime import datetime

from tests.journeys.town import SHANGHAI, OpenTown

BOOKED = {
    "appointment_no": "CRJ-3501-26120217",
    "business": "护照换发",
    "office": "福州市公安局出入境接待大厅",
    "starts_at": "2026-12-02T09:30:00+08:00",
}
CHANGED = BOOKED | {"starts_at": "2026-12-03T14:00:00+08:00"}
CANCELLED = {
    "appointment_no": BOOKED["appointment_no"], "business": "护照换发", "reason": "大厅系统维护",
}  # fmt: skip


async def test_an_appointment_is_confirmed_and_recalled_the_day_before(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", name="张敏", phones=["18612340001"])
        await here.post("gov.exit-entry.appointment.confirmed.v1", "P1", BOOKED)
        await here.until(datetime(2026, 12, 1, 12, 0, tzinfo=SHANGHAI))
        told = {t.notice: t for t in here.told("P1")}
        assert told["appointment-confirmed"].status == "delivered"
        assert told["appointment-reminder"].status == "delivered"
        assert told["appointment-reminder"].intended[0].date().isoformat() == "2026-12-01"
        await here.books_agree()


async def test_a_changed_appointment_is_recalled_on_its_new_day_only(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", name="张敏", phones=["18612340001"])
        await here.post("gov.exit-entry.appointment.confirmed.v1", "P1", BOOKED)
        await here.pass_(days=1)
        await here.post("gov.exit-entry.appointment.changed.v1", "P1", CHANGED)
        await here.until(datetime(2026, 12, 4, 12, 0, tzinfo=SHANGHAI))
        reminders = here.told("P1", "appointment-reminder")
        assert [t.status for t in reminders] == ["cancelled", "delivered"]
        assert reminders[1].intended[0].date().isoformat() == "2026-12-02"


async def test_a_cancelled_appointment_is_not_recalled(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", name="张敏", phones=["18612340001"])
        await here.post("gov.exit-entry.appointment.confirmed.v1", "P1", BOOKED)
        await here.pass_(days=2)
        await here.post("gov.exit-entry.appointment.cancelled.v1", "P1", CANCELLED)
        await here.until(datetime(2026, 12, 4, 12, 0, tzinfo=SHANGHAI))
        [reminder] = here.told("P1", "appointment-reminder")
        assert (reminder.status, reminder.intended) == ("cancelled", [])
        assert here.told("P1", "appointment-changed")[0].status == "delivered"
        await here.books_agree()
