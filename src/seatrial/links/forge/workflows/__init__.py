"""GitHub Actions as text: workflow files, their expressions, and the contents of a run. No network here."""
