"""One variable says where the database is."""

import pytest

from consultancy.database import database_of


def test_a_url_names_everything() -> None:
    made = database_of("postgresql://app:p%40ss@db.example:6432/app")
    assert (made["USER"], made["PASSWORD"], made["HOST"], made["PORT"]) == ("app", "p@ss", "db.example", 6432)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="mysql:// is no database"):
        database_of("mysql://app@db.example/app")
