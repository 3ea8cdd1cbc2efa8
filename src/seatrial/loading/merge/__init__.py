"""Merges what documents say: composed files, levels of settings, parameter matrices."""
