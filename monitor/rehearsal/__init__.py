"""The rehearsal: a province made up, emulated, broken on purpose, and the score of what was noticed.

``geography`` holds the facts (districts, official codes), ``trees`` and ``province`` make up the rest from a seed,
``sample`` renders it as configuration files.
"""
