from psycopg import sql


def find(db, name, wanted, table):
    db.execute("SELECT * FROM a WHERE name = %s", [name])
    db.execute(f"SELECT * FROM a WHERE name = '{name}'")  # bad
    db.execute("SELECT * FROM a WHERE name = '%s'" % name)  # bad
    db.execute("SELECT * FROM a WHERE name = '" + name + "'")  # bad
    db.execute("SELECT * FROM a WHERE name = '{}'".format(name))  # bad
    db.execute(sql.SQL("SELECT * FROM {} WHERE name = %s").format(sql.Identifier(table)), [name])
    query = f"SELECT * FROM a WHERE name LIKE '%{wanted}%'"
    db.execute(query)  # bad
    composed = sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))
    db.execute(composed)
