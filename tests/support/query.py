"""Prints what a query gives, as JSON: a list of rows, each a list of texts.

    python query.py SQL
"""

import json
import sys

import duckdb

# Nothing but the files that the query names: no extension is fetched.
connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
connection.execute("SET TimeZone = 'UTC'")
rows = connection.execute(sys.argv[1]).fetchall()
print(json.dumps([[None if value is None else str(value) for value in row] for row in rows]))
