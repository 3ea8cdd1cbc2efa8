"""Notes and uploads: a small web app, with PostgreSQL when it has one."""
