"""From files to a plan: documents, settings, expressions. Every error in a file is found here."""
