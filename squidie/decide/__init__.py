"""What happens next: a run, a command and the time go in, facts come out. Pure."""
