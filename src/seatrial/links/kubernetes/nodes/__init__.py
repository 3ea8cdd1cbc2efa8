"""Nodes of a cluster, which are never a trial's own: `holding` cordons one and marks it with who does it and why,
`draining` evicts its pods, `heal` is the program that ends a fault without Seatrial."""
