"""A stand-in for Kamal, where the real one (a Ruby gem) cannot be installed.

It reads the app's real `config/deploy.yml` and `.kamal/secrets`, and does Kamal 2's work over real SSH: it builds the
image, brings it to the hosts, runs containers with their environment and volumes, waits until the new one is healthy,
and only then switches. It refuses every unknown setting.

Unlike Kamal, it sends the image over SSH (`save | load`) instead of through a registry, the hosts' engine is Podman
instead of Docker, and `proxy.py` answers on port 80 instead of kamal-proxy.
"""
