"""A small replicated record store, included for demonstrations."""
