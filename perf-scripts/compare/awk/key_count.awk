{ counts[$0]++ }
END { for (key in counts) print key "\t" counts[key] > output }
