"""Dispatching a workflow and following exactly the run it starts, on any forge of `links.forge`."""
