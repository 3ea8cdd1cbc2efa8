"""The site of a small consultancy: its clients, its engagements, the hours and their cost."""
