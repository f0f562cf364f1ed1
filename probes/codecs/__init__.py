"""Protocols as bytes in, messages out: no socket, no clock, every read bounded. A module each."""
