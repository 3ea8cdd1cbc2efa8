"""The addresses."""

from django.urls import path

from engagements import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("health", views.health, name="health"),
    path("engagements/<int:pk>/invoice.json", views.invoice, name="invoice"),
]
