"""Drivers of the peers: each is run by an interpreter that has its peer installed, and needs nothing of Squidie's."""
