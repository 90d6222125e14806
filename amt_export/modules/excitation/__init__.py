"""Excitation patterns: levels along the ERB-number scale."""
