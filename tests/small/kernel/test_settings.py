"""Settings: typed, with defaults, and unknown names refused."""

from pathlib import Path

import pytest

from datlanh.kernel import Settings
from datlanh.model.errors import BadInput


def test_nothing_needs_to_be_set() -> None:
    assert Settings.load({}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("DATLANH_PORT", "9000", "port", 9000),
        ("DATLANH_PRODUCTION", "yes", "production", True),
        ("DATLANH_DEMO", "0", "demo", False),
        ("DATLANH_HOME", "/srv/datlanh", "home", Path("/srv/datlanh")),
        ("DATLANH_PACKS", "a:b", "packs", (Path("a"), Path("b"))),
        ("DATLANH_ALLOW_HOSTS", "one.vn, two.vn", "allow_hosts", ("one.vn", "two.vn")),
    ],
)
def test_a_variable_fills_its_field(name: str, text: str, field: str, value: object) -> None:
    assert getattr(Settings.load({name: text}), field) == value


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"DATLANH_PROT": "9000"}, "kernel.setting_unknown"),
        ({"DATLANH_PORT": "many"}, "kernel.setting_value"),
        ({"DATLANH_DEMO": "perhaps"}, "kernel.setting_value"),
        ({"DATLANH_PRODUCTION": "1", "DATLANH_ALLOW_LOOPBACK": "1"}, "kernel.setting_not_in_production"),
    ],
)
def test_an_odd_variable_is_refused_by_name(environ: dict[str, str], key: str) -> None:
    with pytest.raises(BadInput) as refused:
        Settings.load(environ)
    assert refused.value.key == key
    assert refused.value.params["name"] in environ


def test_other_peoples_variables_are_none_of_our_business() -> None:
    assert Settings.load({"PATH": "/bin", "DATLANH_CHROMIUM": "/usr/bin/chromium"}) == Settings()


def test_children_get_the_very_same_settings() -> None:
    settings = Settings(
        port=9001, packs=(Path("x"), Path("y")), allow_hosts=("a", "b"), demo=True, hot_hours=3
    )
    assert Settings.load(settings.to_environ()) == settings
