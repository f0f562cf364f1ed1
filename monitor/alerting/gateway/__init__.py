"""The gateway: from Alertmanager's webhook to a desk's phone, at least once, within its budget, and whoever answers.

``webhook``, ``budget`` and ``escalation`` are pure: what is to be told, when it may be sent, who is told next.
``gateway`` is the shell around them. Everything it owes to anybody stands in the store, so that a kill loses nothing.
"""
