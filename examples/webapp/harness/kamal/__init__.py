"""A stand-in for Kamal, where the real one (a Ruby gem) cannot be had.

It reads the app's real `config/deploy.yml` and `.kamal/secrets`, and does over real SSH what Kamal 2 does for them:
builds the image, brings it to the hosts, runs containers with their environment and volumes, waits until the new one
is healthy, and only then switches. What the app's configuration does not use is refused, not passed over.

Not as in Kamal: the image goes over SSH (`save | load`) instead of through a registry, the hosts' engine is Podman
instead of Docker, and what answers on port 80 is `proxy.py` instead of kamal-proxy.
"""
