"""Whether an artifact computes what eager torch computes, and where it departs."""
