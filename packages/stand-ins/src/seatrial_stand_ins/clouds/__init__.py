"""What the stand-ins of clouds with a REST API have in common: things, power, operations, limits, plants, pages."""
