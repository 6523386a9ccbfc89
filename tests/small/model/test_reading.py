"""Readings in columns: put together without mixing series or units."""

import numpy as np

from datlanh.model.reading import Readings, SeriesKey

PM25 = SeriesKey("urn:ngsi-ld:AirQualityObserved:A", "AirQualityObserved", "pm25")
PM10 = PM25._replace(attribute="pm10")


def a_batch(keys: list[SeriesKey], units: list[str], values: list[float]) -> Readings:
    n = len(values)
    return Readings.of(
        keys, units, [i % len(keys) for i in range(n)], range(n), values, [0] * n, [0] * n, [1] * n, range(n)
    )


def test_equal_series_become_one_entry() -> None:
    both = Readings.concat(
        [a_batch([PM25, PM10], ["GQ", "GQ"], [1, 2]), a_batch([PM10, PM25], ["GQ", "GQ"], [3, 4])]
    )
    assert both.keys == (PM25, PM10)
    assert both.key.tolist() == [0, 1, 1, 0]
    assert both.value.tolist() == [1, 2, 3, 4]


def test_one_series_in_two_units_is_never_mixed() -> None:
    both = Readings.concat([a_batch([PM25], ["GQ"], [1]), a_batch([PM25], ["GP"], [2])])
    assert both.keys == (PM25, PM25)
    assert both.units == ("GQ", "GP")
    assert both.key.tolist() == [0, 1]


def test_nothing_put_together_is_nothing() -> None:
    assert len(Readings.concat([])) == 0


def test_taking_keeps_rows_together() -> None:
    taken = a_batch([PM25, PM10], ["GQ", "GQ"], [1, 2, 3, 4]).take(np.array([False, True, False, True]))
    assert taken.value.tolist() == [2, 4]
    assert taken.key.tolist() == [1, 1]
