"""What `scripts/fuzz.py` tries: damage, and a trial for each kind of input."""
