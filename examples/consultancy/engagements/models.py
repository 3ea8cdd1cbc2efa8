"""Clients, agreed work, and hours worked."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Sum


class Client(models.Model):
    """A paying client."""

    name = models.CharField(max_length=200, unique=True)
    email = models.EmailField()

    def __str__(self) -> str:
        return self.name


class Engagement(models.Model):
    """Work for one client at one rate."""

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="engagements")
    title = models.CharField(max_length=200)
    hourly_rate = models.DecimalField(max_digits=8, decimal_places=2)
    closed = models.BooleanField(default=False)

    class Meta:
        ordering = ("title",)
        constraints = (models.CheckConstraint(condition=models.Q(hourly_rate__gt=0), name="a_rate_is_above_nothing"),)

    def __str__(self) -> str:
        return f"{self.title} for {self.client}"

    def total(self) -> Decimal:
        """The cost of all hours so far."""
        found = self.entries.aggregate(total=Sum(F("hours") * self.hourly_rate))["total"]
        return Decimal(found or 0).quantize(Decimal("0.01"))


class Entry(models.Model):
    """Hours of one day."""

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="entries")
    day = models.DateField()
    hours = models.DecimalField(max_digits=4, decimal_places=2)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("day",)
        indexes = (models.Index(fields=["engagement", "day"], name="entries_in_order"),)

    def __str__(self) -> str:
        return f"{self.hours} h on {self.day}"
