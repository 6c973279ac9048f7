"""Database backups with point-in-time recovery, encrypted before they leave the host.

PostgreSQL's archive command copies each finished WAL segment into a private spool on the host; the agent compresses and
encrypts it, writes it to the store, enters it in the catalogue, and only then takes it out of the spool. Base backups are
streamed from pg_basebackup through compression and encryption into the store: no plain byte of them is ever a file. The
store is a folder, ``backup-store``, which stands for object storage elsewhere; the key stays in ``secrets`` on the host.

A deployment is minutes old, but its promise speaks of days. So it starts with a history, as its message logs do: seven
base backups under the dates of the last seven days, which are real backups that can be restored. Their content is that of
the first base backup, encrypted anew under each name, and the catalogue marks them with the origin ``seed``. What happened
before the start of a deployment cannot be restored, for it did not happen.
"""
