"""`acquire`, `verify`, `inventory` and `notebook`: one module each, which parses, calls the archive and prints."""
