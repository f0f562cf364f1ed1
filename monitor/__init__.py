"""The monitor of a province: inventory, detection, verdicts, alerts, pages.

Floors, highest first: ``cli`` → ``rehearsal`` | ``bench`` → ``service`` → ``web`` | ``alerting`` | ``metrics`` |
``configuration`` → ``core``. Of :mod:`probes`, the core and the outlets see only ``probes.model``.
"""
