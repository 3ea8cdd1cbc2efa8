"""Client of OpenTofu and Terraform: finds the tool, runs it, reads what it says in JSON, and keeps a working copy of a
configuration with a state of its own."""
