"""The application's name for Django."""

from django.apps import AppConfig


class EngagementsConfig(AppConfig):
    """Clients, engagements and hours."""

    name = "engagements"
