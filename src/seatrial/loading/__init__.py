"""From files to a plan: documents, settings, expressions; every error in a file is found here."""
