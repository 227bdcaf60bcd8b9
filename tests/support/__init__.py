"""What the tests stand on: a PostgreSQL cluster of their own, a server, a person with a browser, a relying party."""
