"""The platform's PostgreSQL: schema, roles, seed and tenant-scoped access."""
