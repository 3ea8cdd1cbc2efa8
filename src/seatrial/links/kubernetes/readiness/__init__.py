"""Whether a pod is ready, and why not: `pods` by its own status, `reasons` by all that the cluster tells, `blame` where
to look first, `stuck` whether waiting can help."""
