"""The application: the only part that knows every other. Faces call it, it calls the rest."""
