"""What Seatrial talks about: frozen dataclasses and the protocols they are typed by; no I/O."""
