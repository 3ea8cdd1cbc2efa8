"""The cost of an engagement, on its pages."""

from datetime import date
from decimal import Decimal

import pytest
from django.test import Client as Browser

from engagements.models import Client, Engagement, Entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def engagement() -> Engagement:
    client = Client.objects.create(name="Harbour Works", email="office@harbour.example")
    return Engagement.objects.create(client=client, title="Crane audit", hourly_rate=Decimal("120.00"))


def test_an_engagement_costs_its_hours_at_its_rate(engagement: Engagement) -> None:
    for day, hours in ((1, "7.50"), (2, "4.25")):
        Entry.objects.create(engagement=engagement, day=date(2026, 3, day), hours=Decimal(hours))
    assert engagement.total() == Decimal("1410.00")


def test_an_engagement_without_hours_costs_nothing(engagement: Engagement) -> None:
    assert engagement.total() == Decimal("0.00")


def test_the_invoice_has_every_entry(engagement: Engagement, client: Browser) -> None:
    Entry.objects.create(engagement=engagement, day=date(2026, 3, 1), hours=Decimal("2.00"), note="Kick-off")
    told = client.get(f"/engagements/{engagement.pk}/invoice.json", secure=True).json()
    assert told["total"] == "240.00"
    assert told["lines"] == [{"day": "2026-03-01", "hours": "2.00", "note": "Kick-off"}]


def test_closed_engagements_are_not_listed(engagement: Engagement, client: Browser) -> None:
    assert "Crane audit" in client.get("/", secure=True).content.decode()
    engagement.closed = True
    engagement.save()
    assert "Crane audit" not in client.get("/", secure=True).content.decode()


def test_health_asks_the_database(client: Browser) -> None:
    assert client.get("/health", secure=True).content == b"ok\n"
