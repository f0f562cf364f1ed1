"""The decisions: pure and synchronous, ``(state, event, now) → (state, happenings)``. No I/O, no clock, no log."""
