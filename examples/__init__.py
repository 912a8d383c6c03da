"""Host applications that run, and are tested. They come in by the public door only."""
