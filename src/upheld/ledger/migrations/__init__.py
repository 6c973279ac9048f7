"""The migrations of the ledger's tables, by Alembic; `upheld.ledger.store` runs them under the ledger's lock."""
