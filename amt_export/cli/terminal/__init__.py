"""What the commands print and where they write: tables, progress, files, errors."""
