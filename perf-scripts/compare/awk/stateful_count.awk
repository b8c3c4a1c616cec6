FNR == 1 { batch++ }
{ sums[$2]++; if (last[$2] != batch) { last[$2] = batch; updates++ } }
END {
    print "updates\t" updates > output
    for (user in sums) print user "\t" sums[user] > output
}
