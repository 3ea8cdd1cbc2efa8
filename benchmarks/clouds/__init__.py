"""A hundred machines over the stand-ins of five clouds: by Seatrial, and by hand."""
