"""Dispatching a workflow and following exactly the run that it starts, on any forge that `links.forge` describes."""
