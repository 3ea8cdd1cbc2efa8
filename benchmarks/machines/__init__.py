"""Real machines: how long they take from nothing to SSH, and what looking at them costs."""
