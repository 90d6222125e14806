"""Where outputs go piece by piece: arrays in memory or on disk, tables, pictures."""
