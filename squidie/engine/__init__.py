"""What makes it so.

One door for every change (`transact`), the turns that carry work through it, and what keeps them honest.
"""
