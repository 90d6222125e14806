"""What `scripts/test_wheels.py` tries: wheels in clean environments, used as a reader of the README does."""
