"""GitHub Actions as text: workflow files, their expressions, what a run of them would hold. No network here."""
