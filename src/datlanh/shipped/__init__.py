"""What comes with us beside code: the built console, and in the wheel the packs and the province too."""
