"""Probes: packets and time. A library by itself that knows no point, company or ceremony.

Floors, highest first: ``engine`` → ``registry`` | ``schedule`` → ``kinds`` → ``codecs`` → ``model``.
Adding a kind is adding one file to ``kinds/`` and its test.
"""
