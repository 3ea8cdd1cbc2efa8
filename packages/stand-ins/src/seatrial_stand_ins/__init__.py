"""Stand-ins for other people's servers, to test against on loopback: GitHub with its runner, and Apache CloudStack."""
