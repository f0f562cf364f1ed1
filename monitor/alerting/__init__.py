"""What is told to others: which alerts fire, in whose words, and their delivery to every Alertmanager.

``messages`` and ``ledger`` and ``outbox`` are pure; ``alertmanager`` is the shell around them.
"""
