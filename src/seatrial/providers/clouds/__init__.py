"""What all clouds have in common, said once. A vendor's folder tells it in the vendor's words: see `vendor`.

| module | what it says |
| --- | --- |
| `vendor` | the protocol `Cloud`, its values, the refusals |
| `settings` | the table's common keys, a machine's size |
| `refusals` | a vendor's error codes as refusals |
| `tags` | labels in the characters that a cloud allows |
| `calls` | blocking calls in threads, throttling, waiting |
| `naming`, `removal` | whose a resource is, its removal |
| `adoption` | recognising a deployer's machines |
| `provider` | the provider class over a `Cloud` |
"""

from __future__ import annotations
