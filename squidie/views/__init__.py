"""What people see: one instant of the journal, in the words of `State`. Nothing here locks or writes."""
