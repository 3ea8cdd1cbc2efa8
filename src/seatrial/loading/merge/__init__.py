"""Merges the parts of documents: composed files, levels of settings, parameter matrices."""
