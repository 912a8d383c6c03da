"""What remembers: tables, statements, rows. SQL selects, locks, fences and writes here; it never decides.

Locks are taken in one order everywhere: schedules, run heads by id, attempts by key, limits. Claimers and renewals pass
over what is locked.
"""
