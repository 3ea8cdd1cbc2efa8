"""A notebook on the web: `GET /notes`, `POST /notes`, `GET /health`; its notes are in PostgreSQL."""

import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

PORT = 8000
TABLE = "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, text text NOT NULL)"


def ask(statement, *values):
    """The rows of one statement, on a connection of its own."""
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=2) as connection:
        connection.execute(TABLE)
        found = connection.execute(statement, values)
        return found.fetchall() if found.description else []


class Notes(BaseHTTPRequestHandler):
    def do_GET(self):
        statement = {"/health": "SELECT 'ok'", "/notes": "SELECT text FROM notes ORDER BY id"}.get(self.path)
        self.answer(404 if statement is None else 200, statement or "")

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(201, "INSERT INTO notes (text) VALUES (%s) RETURNING text", text)

    def answer(self, status, statement, *values):
        try:
            body = [row[0] for row in ask(statement, *values)] if statement else "no such page"
        except psycopg.Error as error:
            status, body = 503, str(error)
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5)
    else:
        ThreadingHTTPServer(("", PORT), Notes).serve_forever()
