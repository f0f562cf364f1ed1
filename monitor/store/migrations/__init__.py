"""How the tables came to be: a file for each step, run in order by Alembic when a store is opened."""
