"""How the comparison is run: children and their costs, answers, statistics, tables and plots."""
