"""What the measuring scripts share; one idea per file, standard library only."""
