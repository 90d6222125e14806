"""From the basilar membrane to the internal representation: hair cell, adaptation, modulation."""
