# Panes of 30 batches, a file each; the leaving one is taken from the sums.
function slide() {
    for (host in sums) if (sums[host] > 0) print batch "\t" host "\t" sums[host] > output
    leaving = batch - 29
    if (leaving >= 1) for (host in sums) if ((leaving, host) in panes) {
        sums[host] -= panes[leaving, host]
        delete panes[leaving, host]
    }
}
FNR == 1 { if (batch) slide(); batch++ }
/ERROR/ { panes[batch, $2]++; sums[$2]++ }
END { slide() }
