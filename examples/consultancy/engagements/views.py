"""Pages, and the invoice for the worker."""

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render

from engagements.models import Engagement


def overview(request: HttpRequest) -> HttpResponse:
    """All open engagements, with their cost so far."""
    engagements = Engagement.objects.filter(closed=False).select_related("client")
    return render(request, "engagements/overview.html", {"engagements": engagements})


def invoice(request: HttpRequest, pk: int) -> JsonResponse:
    """The amount to pay, in the worker's format."""
    engagement = get_object_or_404(Engagement.objects.select_related("client"), pk=pk)
    lines = [
        {"day": entry.day.isoformat(), "hours": str(entry.hours), "note": entry.note}
        for entry in engagement.entries.all()
    ]
    return JsonResponse(
        {
            "client": engagement.client.name,
            "title": engagement.title,
            "rate": str(engagement.hourly_rate),
            "lines": lines,
            "total": str(engagement.total()),
        }
    )


def health(request: HttpRequest) -> HttpResponse:
    """Whether the database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")
