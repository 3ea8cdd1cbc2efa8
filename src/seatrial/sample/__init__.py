"""A small replicated record store that Seatrial carries along, to be deployed, crashed and judged in demonstrations."""
