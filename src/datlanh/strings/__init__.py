"""Words that people read; `kernel.words` reads them, and so does the console."""
