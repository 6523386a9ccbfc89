"""The ledger of escalations: three workers, a hundred chains of three steps, ten kills, and people who race them."""

from datlanh.testing.escalate import POINTS, Campaign


async def test_each_due_step_is_taken_once_and_none_after_somebody_took_note(database_url: str) -> None:
    verdict = await Campaign(url=database_url, chains=100, steps=3, kills=10, workers=3).run()
    assert verdict.wrong == []
    assert verdict.kills == 10
    assert sorted(verdict.died_at) == sorted(point.partition(":")[0] for point in POINTS)
    # It means something only if chains ran to their end, others were stopped, and some of those in between.
    assert verdict.raced == 50 and verdict.stopped == 50
    assert verdict.steps >= 150 + sum(n % 3 for n in range(50))
