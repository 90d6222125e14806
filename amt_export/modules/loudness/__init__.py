"""The loudness model of Moore, Glasberg, Varathanathan and Schlittenlacher (2016), stage by stage and whole."""
