"""The application connects all other parts. The command line, MCP and pytest call it."""
