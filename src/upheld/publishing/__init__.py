"""Pages for everybody, made of the ledger: what was promised, and on which days it held."""
