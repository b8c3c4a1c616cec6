# Client, identity, user, time in two, method, path, protocol, status, bytes.
$9 ~ /^[1-9][0-9][0-9]$/ && $10 ~ /^([0-9]+|-)$/ { counts[$9 "\t" $7]++ }
END { for (key in counts) print key "\t" counts[key] > output }
